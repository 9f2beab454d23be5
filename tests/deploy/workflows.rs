//! `.github/workflows`: the schema of workflow files takes them, they run what the work tree has,
//! and nothing of other people's but at a commit that is named.

use crate::command::succeeds;
use crate::tools::{file, installed};
use crate::yaml::{list, read, text};
use serde_json::Value;
use std::process::Command;

const FOLDER: &str = ".github/workflows";

/// Each file's path and content.
fn workflows() -> Vec<(String, Value)> {
    let dir = std::fs::read_dir(file(FOLDER)).unwrap();
    let names = dir.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut paths: Vec<String> = names.map(|name| format!("{FOLDER}/{name}")).collect();
    paths.sort();
    assert_eq!(paths.len(), 3, "{paths:?}");
    paths.into_iter().map(|path| (path.clone(), read(&path))).collect()
}

/// The steps of all jobs of all files.
fn steps() -> Vec<Value> {
    let mut steps = Vec::new();
    for (_, workflow) in workflows() {
        for job in workflow["jobs"].as_object().unwrap().values() {
            steps.extend(list(job, "steps").iter().cloned());
        }
    }
    assert!(steps.len() > 8, "only {} were found", steps.len());
    steps
}

#[test]
fn the_schema_takes_them() {
    let check = installed("tests/deploy/python/.venv/bin/check-jsonschema");
    let schema = |path: &std::path::Path| {
        let mut command = Command::new(&check);
        command.args(["--builtin-schema", "vendor.github-workflows"]).arg(path);
        command
    };
    for (path, _) in workflows() {
        succeeds(&mut schema(&file(&path)));
    }
    // A key that is none is found.
    let dir = tempfile::tempdir().unwrap();
    let mistaken = dir.path().join("ci.yml");
    let ci = std::fs::read_to_string(file(FOLDER).join("ci.yml")).unwrap();
    std::fs::write(&mistaken, ci.replace("runs-on:", "run-on:")).unwrap();
    assert!(!crate::command::run(&mut schema(&mistaken)).status.success());
}

#[test]
fn they_run_what_is_there() {
    let steps = steps();
    let runs: Vec<&str> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
    let words = runs.iter().flat_map(|run| run.split_whitespace());
    let scripts = words.filter(|word| word.starts_with("scripts/") || word.starts_with(".ci/"));
    for script in scripts {
        assert!(file(script).exists(), "{script}");
    }
    for script in [".ci/run", "scripts/release-check"] {
        assert!(runs.contains(&script), "no workflow runs {script}");
    }
    // What the matrix names is a part of scripts/long.
    let (_, long) = workflows().swap_remove(1);
    let parts = list(&long["jobs"]["long"]["strategy"]["matrix"], "part").to_vec();
    let script = std::fs::read_to_string(file("scripts/long")).unwrap();
    let (_, all) = script.split_once("for what in ").unwrap();
    let all: Vec<&str> = all.split(';').next().unwrap().split_whitespace().collect();
    assert_eq!(parts, all);
}

#[test]
fn what_others_wrote_is_at_a_commit_that_is_named() {
    for step in steps() {
        let Some(uses) = step["uses"].as_str() else { continue };
        let (_, commit) = uses.split_once('@').unwrap();
        let is_commit = commit.len() == 40 && commit.chars().all(|char| char.is_ascii_hexdigit());
        assert!(is_commit, "{uses}");
    }
}

/// The compiler that decides is the one that the image is built with, and that the manifest asks
/// for.
#[test]
fn there_is_one_compiler() {
    let manifest = std::fs::read_to_string(file("Cargo.toml")).unwrap();
    let asked = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
    let image = format!("rust:{}-bookworm", asked.unwrap().trim_matches('"'));
    let dockerfile = std::fs::read_to_string(file("deploy/container/Dockerfile")).unwrap();
    assert!(dockerfile.contains(&format!("FROM {image} AS build\n")), "{image}");
    for (path, workflow) in workflows() {
        for job in workflow["jobs"].as_object().unwrap().values() {
            if !job["container"].is_null() {
                assert_eq!(text(&job["container"], "image"), image, "{path}");
            }
        }
    }
}

/// A token that may write is there where something is written, and nowhere else.
#[test]
fn they_may_read_by_default() {
    for (path, workflow) in workflows() {
        let permissions = &workflow["permissions"];
        assert_eq!(permissions, &serde_json::json!({ "contents": "read" }), "{path}");
    }
}
