//! `docs/metrics.md` is what the program has.
//!
//! `FANFARE_WRITE_DOCS=1 cargo test --test metrics` writes its tables anew.

use fanfare::config::{self, Config};
use fanfare::metrics::{CloseReason, EvictReason, GapReason, Limit, Protocol, RefuseReason, definitions};
use fanfare::relay::Relay;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");

/// Compares the part of the page between two markers with what it has to be.
fn holds(marker: &str, wanted: &str) {
    let text = std::fs::read_to_string(PAGE).unwrap();
    let (begin, end) = (format!("<!-- {marker} -->\n"), format!("<!-- /{marker} -->"));
    let from = text.find(&begin).unwrap_or_else(|| panic!("the page has no {begin}")) + begin.len();
    let to = text.find(&end).unwrap_or_else(|| panic!("the page has no {end}"));
    if std::env::var_os("FANFARE_WRITE_DOCS").is_some() {
        std::fs::write(PAGE, format!("{}{wanted}{}", &text[..from], &text[to..])).unwrap();
    } else {
        assert_eq!(&text[from..to], wanted, "the table of {marker} is out of date");
    }
}

#[test]
fn the_tables() {
    let mut metrics = String::from("| name | type | labels | is | use |\n|---|---|---|---|---|\n");
    for definition in definitions::ALL {
        let labels: Vec<_> = definition.labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = definition.kind.label();
        writeln!(
            metrics,
            "| `{}` | {kind} | {} | {} | {} |",
            definition.name,
            labels.join(", "),
            definition.help,
            definition.use_of_it
        )
        .unwrap();
    }
    let mut labels = String::from("| label | of | values |\n|---|---|---|\n");
    for (label, metric, values) in [
        (
            "protocol",
            definitions::CLIENTS,
            Protocol::ALL.map(Protocol::label).to_vec(),
        ),
        (
            "reason",
            definitions::CONNECTIONS_CLOSED,
            CloseReason::ALL.map(CloseReason::label).to_vec(),
        ),
        (
            "reason",
            definitions::EVICTIONS,
            EvictReason::ALL.map(EvictReason::label).to_vec(),
        ),
        (
            "reason",
            definitions::GAPS,
            GapReason::ALL.map(GapReason::label).to_vec(),
        ),
        (
            "reason",
            definitions::REFUSED,
            RefuseReason::ALL.map(RefuseReason::label).to_vec(),
        ),
        ("limit", definitions::LIMIT, Limit::ALL.map(Limit::label).to_vec()),
        ("outcome", definitions::RESUMES, vec!["exact", "gap"]),
    ] {
        assert!(metric.labels.contains(&label), "{}", metric.name);
        let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
        writeln!(labels, "| `{label}` | `{}` | {} |", metric.name, values.join(", ")).unwrap();
    }
    holds("metrics", &metrics);
    holds("labels", &labels);
}

/// What a scrape shows is what the table says.
#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_has_every_metric_of_the_table() {
    let mut config = Config::for_upstream("http://127.0.0.1:9/nothing-here", "/").unwrap();
    config.listen = vec![config::parse_listen("127.0.0.1:0").unwrap().into()];
    config.admin = Some("127.0.0.1:0".parse().unwrap());
    let relay = Relay::start(config).unwrap();
    let scrape = relay.status_provider().metrics().render();
    let scraped: BTreeSet<_> = scrape
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next())
        .collect();
    let table: BTreeSet<_> = definitions::ALL.iter().map(|definition| definition.name).collect();
    assert_eq!(scraped, table);
}
