//! Recording and alerting rules: Prometheus takes them, each alert fires in a test and stays quiet
//! in one, and what they name is there.

use crate::command::succeeds;
use crate::promql::{exists, metrics, recorded, unknown_values};
use crate::tools::{file, program};
use crate::yaml::{list, read, text};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

/// All rules of a file.
fn rules_of(path: &str) -> Vec<Value> {
    let groups = read(path);
    let rules = list(&groups, "groups").iter().flat_map(|group| list(group, "rules"));
    rules.cloned().collect()
}

pub fn alerts() -> Vec<Value> {
    rules_of("deploy/prometheus/alerts.yml")
}

pub fn recordings() -> Vec<Value> {
    rules_of("deploy/prometheus/recording.yml")
}

/// The files of tests.
fn tests() -> Vec<String> {
    let dir = std::fs::read_dir(file("deploy/prometheus/tests")).unwrap();
    let names = dir.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.map(|name| format!("deploy/prometheus/tests/{name}")).collect();
    names.sort();
    names
}

#[test]
fn prometheus_takes_them() {
    let config = file("deploy/prometheus/prometheus.yml");
    succeeds(Command::new(program("promtool")).args(["check", "config"]).arg(config));
}

#[test]
fn they_do_what_their_tests_say() {
    let tests = tests().into_iter().map(|test| file(&test));
    succeeds(Command::new(program("promtool")).args(["test", "rules"]).args(tests));
}

#[test]
fn each_alert_fires_in_a_test_and_stays_quiet_in_one() {
    let all: BTreeSet<String> = alerts().iter().map(|rule| text(rule, "alert").to_owned()).collect();
    let (mut firing, mut quiet) = (BTreeSet::new(), BTreeSet::new());
    for test in tests() {
        let test = read(&test);
        let cases = list(&test, "tests")
            .iter()
            .flat_map(|case| list(case, "alert_rule_test"));
        for case in cases {
            let fires = !list(case, "exp_alerts").is_empty();
            let name = text(case, "alertname").to_owned();
            if fires { &mut firing } else { &mut quiet }.insert(name);
        }
    }
    assert_eq!(firing, all, "alerts that no test makes fire, or tests of no alert");
    assert_eq!(quiet, all, "alerts that fire in every test");
}

#[test]
fn what_they_name_is_there() {
    let names: Vec<String> = recordings()
        .iter()
        .map(|rule| text(rule, "record").to_owned())
        .collect();
    let rules: Vec<Value> = alerts().into_iter().chain(recordings()).collect();
    assert!(rules.len() > 30, "only {} rules were found", rules.len());
    for expr in rules.iter().map(|rule| text(rule, "expr")) {
        for name in metrics(expr) {
            assert!(exists(name), "{name} is no metric: {expr}");
        }
        for name in recorded(expr) {
            assert!(
                names.iter().any(|known| known == name),
                "{name} is not recorded: {expr}"
            );
        }
        assert_eq!(unknown_values(expr), [""; 0], "{expr}");
    }
}

#[test]
fn each_alert_says_what_it_means_and_where_to_read_on() {
    for rule in alerts() {
        let name = text(&rule, "alert");
        assert!(name.starts_with("Fanfare"), "{name}");
        assert!(SEVERITIES.contains(&text(&rule["labels"], "severity")), "{name}");
        let annotations = &rule["annotations"];
        assert!(!text(annotations, "summary").is_empty() && !text(annotations, "description").is_empty());
        let section = format!("docs/runbook.md#{}", name.to_lowercase());
        assert_eq!(text(annotations, "runbook_url"), section, "{name}");
    }
}
