//! What operators get beside the program is kept true: units, rules, dashboards, images, manifests,
//! and the documents that lead through them. `scripts/setup` installs the tools; a missing one is a
//! failure.

#![allow(unreachable_pub, reason = "modules of one test program")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

#[path = "../support/mod.rs"]
mod support;
#[allow(dead_code, reason = "shared with tests/third_party")]
#[path = "../third_party/tools.rs"]
mod tools;

mod activation;
mod command;
mod container;
mod commands;
mod compose;
mod dashboard;
mod documented;
mod fleet;
mod kubernetes;
mod monitored;
mod notify;
mod package;
mod promql;
mod releases;
mod rules;
mod runbook;
mod sandbox;
mod sizing;
mod unit;
mod workflows;
mod yaml;
