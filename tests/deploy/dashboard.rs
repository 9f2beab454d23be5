//! `deploy/grafana/fanfare.json`: what Grafana would complain about, and what a person at night
//! would.

use crate::promql::{exists, metrics, recorded, unknown_values};
use crate::rules::recordings;
use crate::tools::file;
use crate::yaml::{list, text};
use serde_json::Value;
use std::collections::BTreeSet;

/// Grafana's grid has so many columns.
const COLUMNS: u64 = 24;

pub fn dashboard() -> Value {
    let text = std::fs::read_to_string(file("deploy/grafana/fanfare.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Panels that show something.
pub fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    list(dashboard, "panels").iter().filter(|panel| panel["type"] != "row")
}

/// Every expression that is asked for, with what it is of.
pub fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let targets = panels(dashboard).flat_map(|panel| {
        let title = text(panel, "title");
        let targets = list(panel, "targets").iter();
        targets.map(move |target| (title.to_owned(), text(target, "expr").to_owned()))
    });
    let annotations = list(&dashboard["annotations"], "list").iter();
    let annotations = annotations.map(|mark| (text(mark, "name").to_owned(), text(mark, "expr").to_owned()));
    targets.chain(annotations).collect()
}

#[test]
fn panels_are_told_apart_and_explained() {
    let dashboard = dashboard();
    let (mut ids, mut titles) = (BTreeSet::new(), BTreeSet::new());
    for panel in list(&dashboard, "panels") {
        let title = text(panel, "title");
        assert!(
            ids.insert(panel["id"].as_u64().unwrap()),
            "{title}: its id is another's"
        );
        assert!(titles.insert(title), "{title} twice");
        if panel["type"] == "row" {
            continue;
        }
        assert!(
            text(panel, "description").ends_with('.'),
            "{title}: no sentence says what it is"
        );
        assert!(!text(&panel["fieldConfig"]["defaults"], "unit").is_empty(), "{title}");
        let targets = list(panel, "targets");
        let refs: BTreeSet<&str> = targets.iter().map(|target| text(target, "refId")).collect();
        assert!(!targets.is_empty() && refs.len() == targets.len(), "{title}: {refs:?}");
        for part in targets.iter().chain([panel]) {
            assert_eq!(part["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
    assert!(ids.len() > 20);
}

#[test]
fn panels_fit_into_the_grid_and_cover_none_another() {
    let dashboard = dashboard();
    let mut taken = BTreeSet::new();
    for panel in list(&dashboard, "panels") {
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        assert!(x + w <= COLUMNS, "{}", panel["title"]);
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{} lies over another", panel["title"]);
        }
    }
}

#[test]
fn what_queries_name_is_there() {
    let dashboard = dashboard();
    let names: Vec<String> = recordings()
        .iter()
        .map(|rule| text(rule, "record").to_owned())
        .collect();
    let variables: Vec<&str> = list(&dashboard["templating"], "list")
        .iter()
        .map(|variable| text(variable, "name"))
        .collect();
    for (title, expr) in queries(&dashboard) {
        assert!(metrics(&expr).iter().all(|name| exists(name)), "{title}: {expr}");
        assert!(
            recorded(&expr)
                .iter()
                .all(|name| names.iter().any(|known| known == name)),
            "{title}: {expr}"
        );
        assert_eq!(unknown_values(&expr), [""; 0], "{title}");
        for variable in expr.split('$').skip(1).map(|rest| {
            rest.split(|char: char| !char.is_ascii_alphanumeric() && char != '_')
                .next()
                .unwrap()
        }) {
            assert!(
                variable == "__rate_interval" || variables.contains(&variable),
                "{title}: ${variable}"
            );
        }
    }
}
