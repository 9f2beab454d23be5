//! What a release says of itself is true: the changelog's form, what `docs/versions.md` promises of
//! formats and compiler, and that `docs/runs.md` has a place for each check.
//!
//! What a release consists of is built and tried out by `scripts/release-check`.

use crate::tools::file;
use fanfare::handover::FORMATS;

/// Keep a Changelog's kinds of changes.
const KINDS: [&str; 6] = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];

fn text(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The value of a key of `Cargo.toml`'s `[workspace.package]`.
fn manifest(key: &str) -> String {
    let manifest = text("Cargo.toml");
    let (_, package) = manifest.split_once("[workspace.package]\n").unwrap();
    let value = package
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
    value.unwrap().trim_matches('"').to_owned()
}

#[test]
fn the_changelog_has_its_form() {
    let changelog = text("CHANGELOG.md");
    let mut versions = changelog.lines().filter_map(|line| line.strip_prefix("## "));
    assert_eq!(versions.next(), Some("[Unreleased]"));
    for version in versions {
        // `[0.1.0] - 2026-12-24`
        let (number, date) = version.split_once(" - ").unwrap_or_else(|| panic!("{version}"));
        let number = number.trim_start_matches('[').trim_end_matches(']');
        assert_eq!(number.split('.').filter(|part| part.parse::<u32>().is_ok()).count(), 3);
        assert_eq!((date.len(), date.matches('-').count()), (10, 2), "{version}");
    }
    for kind in changelog.lines().filter_map(|line| line.strip_prefix("### ")) {
        assert!(KINDS.contains(&kind), "{kind}");
    }
    // The version of the manifest has been released, or is what will be.
    let version = manifest("version");
    assert!(
        changelog.contains(&format!("## [{version}] - ")) || changelog.contains(&format!("To be {version}")),
        "{version}"
    );
}

#[test]
fn the_promised_formats_are_those_that_are_spoken() {
    let spoken = match FORMATS.oldest == FORMATS.newest {
        true => FORMATS.newest.to_string(),
        false => format!("{} to {}", FORMATS.oldest, FORMATS.newest),
    };
    // The log's is the first line of a file in its directory.
    let directory = text("src/kept/directory.rs");
    let (_, log) = directory.split_once("\"fanfare log ").unwrap();
    let log = log.split('\\').next().unwrap();
    let line = format!("- **The formats of this version**: hand-over {spoken}, log on disk {log}.");
    assert!(text("docs/versions.md").contains(&line), "{line}");
}

#[test]
fn the_compiler_that_is_asked_for_is_named() {
    let rust = format!("Rust {}", manifest("rust-version"));
    for page in ["README.md", "docs/versions.md"] {
        assert!(text(page).contains(&rust), "{page}: {rust}");
    }
}

#[test]
fn each_check_has_its_place_among_the_last_runs() {
    let page = text("docs/runs.md");
    let long = text("scripts/long");
    let (_, parts) = long.split_once("for what in ").unwrap();
    let parts = parts.split(';').next().unwrap().split_whitespace();
    for part in parts.chain(["ci", "release-check"]) {
        let section = page
            .split_once(&format!("<!-- run: {part} -->\n"))
            .and_then(|(_, rest)| rest.split_once(&format!("<!-- /run: {part} -->\n")));
        assert!(section.is_some(), "no place for {part}");
    }
}

/// The steps that the script's head names are those that it knows.
#[test]
fn the_steps_of_release_check_are_listed() {
    let script = text("scripts/release-check");
    let (_, all) = script.split_once("steps=(dependencies").unwrap();
    let all = all.split(')').next().unwrap().split_whitespace();
    for step in all.chain(["dependencies"]) {
        assert!(script.contains(&format!("#   {step:<15}")), "{step}");
    }
}
