//! What the documents name is there: files that links lead to, headings, and files that text names
//! in `src` and `tests`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// README, CONTRIBUTING, and everything in `docs/`.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["", "docs", "docs/decisions"] {
        for entry in std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// A document's prose: what stands in fenced code is left out.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The targets of the links in a text: `[words](target)`.
fn links(text: &str) -> Vec<&str> {
    let after = text.split("](").skip(1);
    after
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target)
        .collect()
}

/// A heading's anchor, as forges make it: lower case, spaces as hyphens, no punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading
        .trim()
        .chars()
        .filter(|char| char.is_alphanumeric() || " -_".contains(*char));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn has_heading(text: &str, wanted: &str) -> bool {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#')))
        .any(|found| found == wanted)
}

#[test]
fn links_lead_somewhere() {
    let mut broken = BTreeSet::new();
    let mut seen = 0;
    for document in documents() {
        let text = prose(&std::fs::read_to_string(&document).unwrap());
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            seen += 1;
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => document.clone(),
                file => document.parent().unwrap().join(file),
            };
            let leads = match heading {
                "" => target.exists(),
                heading => std::fs::read_to_string(&target).is_ok_and(|text| has_heading(&text, heading)),
            };
            if !leads {
                broken.insert(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(seen > 50, "only {seen} links were found");
    assert!(broken.is_empty(), "links that lead nowhere: {broken:#?}");
}

/// `` `src/log/ring.rs` ``, and in the architecture `` `log/ring.rs` ``: what is named as a Rust
/// file is one.
#[test]
fn files_that_are_named_exist() {
    let mut missing = BTreeSet::new();
    let mut seen = 0;
    for document in documents() {
        let text = prose(&std::fs::read_to_string(&document).unwrap());
        let code = text.split('`').skip(1).step_by(2);
        for name in code.filter(|name| name.ends_with(".rs") && name.contains('/') && !name.contains([' ', '*'])) {
            seen += 1;
            let there = ["", "src"]
                .iter()
                .any(|folder| Path::new(ROOT).join(folder).join(name).exists());
            if !there {
                missing.insert(format!("{}: {name}", document.display()));
            }
        }
    }
    assert!(seen > 20, "only {seen} names were found");
    assert!(missing.is_empty(), "files that are named and not there: {missing:#?}");
}

#[test]
fn anchors_are_made_as_forges_make_them() {
    for (heading, expected) in [
        ("Gaps", "gaps"),
        ("Before it runs", "before-it-runs"),
        ("0013: A path, `twice`", "0013-a-path-twice"),
    ] {
        assert_eq!(anchor(heading), expected);
    }
}
