//! `docs/runbook.md`: every alert has its section, and every section its alert.

use crate::rules::alerts;
use crate::tools::file;
use crate::yaml::text;
use std::collections::BTreeSet;

#[test]
fn each_alert_has_its_section_and_each_section_its_alert() {
    let page = std::fs::read_to_string(file("docs/runbook.md")).unwrap();
    let sections: BTreeSet<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let alerts = alerts();
    let names: BTreeSet<&str> = alerts.iter().map(|rule| text(rule, "alert")).collect();
    assert_eq!(sections, names);
}

#[test]
fn each_section_says_what_it_means_and_what_to_do() {
    let page = std::fs::read_to_string(file("docs/runbook.md")).unwrap();
    for section in page.split("\n### ").skip(1) {
        let name = section.lines().next().unwrap();
        for part in ["**Means:** ", "**Look:** ", "**Do:** "] {
            assert_eq!(section.matches(part).count(), 1, "{part:?} in {name}");
        }
    }
}
