//! The README is kept true: its table of metrics is that of the program.
//!
//! `FANFARE_WRITE_DOCS=1 cargo test --test readme` writes it anew.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

use fanfare::config::{self, Config};
use fanfare::metrics::definitions;
use fanfare::relay::Relay;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

/// Compares the part of the README between two markers with what it has to be.
fn holds(marker: &str, wanted: &str) {
    let text = std::fs::read_to_string(README).unwrap();
    let (begin, end) = (format!("<!-- {marker} -->\n"), format!("<!-- /{marker} -->"));
    let from = text.find(&begin).unwrap_or_else(|| panic!("the README has no {begin}")) + begin.len();
    let to = text.find(&end).unwrap_or_else(|| panic!("the README has no {end}"));
    if std::env::var_os("FANFARE_WRITE_DOCS").is_some() {
        std::fs::write(README, format!("{}{wanted}{}", &text[..from], &text[to..])).unwrap();
    } else {
        assert_eq!(&text[from..to], wanted, "the README's table of {marker} is out of date");
    }
}

#[test]
fn the_table_of_metrics() {
    let mut metrics = String::from("| name | type | labels | meaning |\n|---|---|---|---|\n");
    for definition in definitions::ALL {
        let labels: Vec<_> = definition.labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = format!("{:?}", definition.kind).to_lowercase();
        writeln!(
            metrics,
            "| `{}` | {kind} | {} | {} |",
            definition.name,
            labels.join(", "),
            definition.help
        )
        .unwrap();
    }
    holds("metrics", &metrics);
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
