//! The Debian package's metadata in `Cargo.toml`: what it ships is there. scripts/release/debian
//! builds it, installs it and removes it again.

use crate::tools::file;

/// Made by the script that builds the package.
const MADE: [&str; 2] = ["target/release/", "target/package-files/"];

#[test]
fn what_the_package_ships_is_there() {
    let manifest = std::fs::read_to_string(file("Cargo.toml")).unwrap();
    let (_, metadata) = manifest.split_once("[package.metadata.deb]").unwrap();
    let (_, assets) = metadata.split_once("assets = [\n").unwrap();
    let lines = assets.split("\n]").next().unwrap().lines();
    let assets: Vec<[String; 3]> = lines
        .map(|line| serde_json::from_str(line.trim().trim_end_matches(',')).unwrap())
        .collect();
    assert!(assets.len() > 10);
    for [from, to, mode] in &assets {
        // A `*` stands for files of one directory.
        let there = from
            .split('*')
            .next()
            .unwrap()
            .trim_end_matches(|char| char != '/' && from.contains('*'));
        let is_made = MADE.iter().any(|made| from.starts_with(made));
        assert!(is_made || file(there).exists(), "{from}");
        assert!(to.starts_with("usr/") || to.starts_with("lib/systemd/"), "{to}");
        assert!(mode == "644" || to == "usr/bin/", "{to}");
    }
    for script in ["postinst", "prerm", "postrm"] {
        let text = std::fs::read_to_string(file("deploy/debian").join(script)).unwrap();
        assert!(
            text.starts_with("#!/bin/sh\n") && text.contains("\nset -e\n"),
            "{script}"
        );
    }
}
