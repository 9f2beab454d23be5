//! The README is kept true: its tables of metrics and of keys are those of the program.
//!
//! `FANFARE_WRITE_README=1 cargo test --test readme` writes them anew.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

use fanfare::config::{self, Config};
use fanfare::metrics::definitions;
use fanfare::relay::Relay;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

/// Compares the part of the README between two markers with what it has to be.
fn holds(marker: &str, wanted: &str) {
    let text = std::fs::read_to_string(README).unwrap();
    let (begin, end) = (format!("<!-- {marker} -->\n"), format!("<!-- /{marker} -->"));
    let from = text.find(&begin).unwrap_or_else(|| panic!("the README has no {begin}")) + begin.len();
    let to = text.find(&end).unwrap_or_else(|| panic!("the README has no {end}"));
    if std::env::var_os("FANFARE_WRITE_README").is_some() {
        std::fs::write(README, format!("{}{wanted}{}", &text[..from], &text[to..])).unwrap();
    } else {
        assert_eq!(&text[from..to], wanted, "the README's table of {marker} is out of date");
    }
}

#[test]
fn the_tables() {
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

    let mut keys = String::from("| key | default | meaning |\n|---|---|---|\n");
    walk(&config::json_schema(), "", &mut keys);
    holds("keys", &keys);
}

/// Writes a row for each key of a mapping, and goes on into the mappings below it.
fn walk(schema: &Value, path: &str, rows: &mut String) {
    let Some(properties) = mapping(schema)
        .and_then(|mapping| mapping.get("properties"))
        .and_then(Value::as_object)
    else {
        return;
    };
    for (key, value) in properties {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        let help = value["description"].as_str().unwrap_or_default().replace('|', "\\|");
        let default = match &value["default"] {
            Value::Null => String::new(),
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        writeln!(rows, "| `{path}` | {default} | {help} |").unwrap();
        match mapping(value).and_then(|mapping| mapping.get("additionalProperties")) {
            Some(named @ Value::Object(_)) => walk(named, &format!("{path}.NAME"), rows),
            _ => walk(value, &path, rows),
        }
    }
}

/// The mapping that a value may be: itself, one of several forms, or what a list holds.
fn mapping(schema: &Value) -> Option<&Value> {
    if schema.get("properties").is_some() || matches!(schema.get("additionalProperties"), Some(Value::Object(_))) {
        return Some(schema);
    }
    let forms = schema.get("anyOf").and_then(Value::as_array);
    forms.into_iter().flatten().chain(schema.get("items")).find_map(mapping)
}

/// What a scrape shows is what the table says.
#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_has_every_metric_of_the_table() {
    let mut config = Config::for_upstream("http://127.0.0.1:9/nothing-here", "/").unwrap();
    config.listen = vec![config::parse_listen("127.0.0.1:0").unwrap()];
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
