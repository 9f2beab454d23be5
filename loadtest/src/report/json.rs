//! The report for programs.

use super::Report;
use crate::driver::comparison::{Comparison, Standing};
use serde_json::{Value, json};

/// The whole report.
pub(crate) fn render(report: &Report) -> Value {
    let comparisons: Vec<Value> = report.comparisons.iter().map(comparison).collect();
    json!({
        "machine": report.machine,
        "date": report.date,
        "command": report.command,
        "version": env!("CARGO_PKG_VERSION"),
        "ok": report.failures.is_empty(),
        "failures": report.failures,
        "scenarios": comparisons,
    })
}

fn comparison(comparison: &Comparison) -> Value {
    let servers: Vec<Value> = comparison.standings.iter().map(standing).collect();
    json!({
        "scenario": comparison.plan.scenario.name(),
        "plan": comparison.plan,
        "servers": servers,
    })
}

fn standing(standing: &Standing) -> Value {
    let rounds: Vec<Value> = standing.rounds.iter().map(|outcome| outcome.json()).collect();
    json!({
        "server": standing.server,
        "left_out": standing.left_out,
        "median": standing.median.json(),
        "rounds": rounds,
    })
}
