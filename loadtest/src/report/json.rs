//! The report for programs.

use super::Report;
use crate::driver::comparison::{Comparison, Standing};
use crate::threshold::{Holds, Verdict};
use serde_json::{Value, json};

/// The whole report.
pub(crate) fn render(report: &Report) -> Value {
    let comparisons: Vec<Value> = report.comparisons.iter().map(comparison).collect();
    let condition = |verdict: &Verdict| {
        json!({
            "scenario": verdict.scenario,
            "server": verdict.server,
            "fails_if": verdict.condition,
            "found": verdict.found,
            "ok": match verdict.holds {
                Holds::Yes => Some(true),
                Holds::No => Some(false),
                Holds::NotMeasured => None,
            },
        })
    };
    let conditions: Vec<Value> = report.verdicts.iter().map(condition).collect();
    json!({
        "machine": report.machine,
        "date": report.date,
        "command": report.command,
        "version": env!("CARGO_PKG_VERSION"),
        "ok": report.failures.is_empty(),
        "failures": report.failures,
        "conditions": conditions,
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
