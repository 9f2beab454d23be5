//! The report for a terminal.

use super::{Report, costs, memory};
use crate::driver::comparison::{Comparison, Standing};
use crate::driver::metrics::{Better, CHECKED, METRICS, Metric};
use crate::driver::plan::Scenario;
use crate::threshold::{Holds, Verdict};
use crate::units::thousands;
use std::fmt::Write;

/// Numbers that are shown only if they aren't zero.
const QUIET_AT_ZERO: &[&str] = &[
    "doubled",
    "disordered",
    "strayed",
    "torn",
    "wrong_ids",
    "given_up",
    "broken",
    "gaps",
    "gap_lost",
    "ended_by_server",
    "stalled",
    "stalled_ended",
    "reopened",
    "over",
    "skipped",
];

/// The whole report.
pub(crate) fn render(report: &Report) -> String {
    let mut out = String::new();
    for comparison in &report.comparisons {
        // Writing to a String can't fail.
        let _ = write_comparison(&mut out, comparison);
    }
    let _ = writeln!(out, "{} · {} UTC", report.machine, report.date);
    for verdict in report.verdicts.iter().filter(|verdict| verdict.holds != Holds::No) {
        let Verdict {
            scenario,
            server,
            condition,
            found,
            holds,
        } = verdict;
        let word = if *holds == Holds::Yes { "ok    " } else { "–     " };
        let _ = writeln!(out, "{word}  {scenario}, {server}: {condition} ({found})");
    }
    for failure in &report.failures {
        let _ = writeln!(out, "FAILED  {failure}");
    }
    out
}

#[expect(clippy::too_many_lines, reason = "a table from its head to its foot")]
fn write_comparison(out: &mut String, comparison: &Comparison) -> std::fmt::Result {
    let rounds = comparison
        .standings
        .iter()
        .map(|standing| standing.rounds.len())
        .max()
        .unwrap_or(0);
    write!(out, "\n{}: {}", comparison.plan.scenario.name(), describe(comparison))?;
    if rounds > 1 {
        write!(out, "; medians of {rounds} rounds")?;
    }
    out.push_str("\n\n");
    let standings: Vec<_> = comparison
        .standings
        .iter()
        .filter(|standing| standing.left_out.is_none())
        .collect();
    let base = base(comparison);
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut head = vec![String::new(), String::new()];
    for standing in &standings {
        head.push(standing.server.clone());
        if base.is_some_and(|base| base != standing.server) {
            head.push(String::new());
        }
    }
    rows.push(head);
    for metric in METRICS {
        let values: Vec<Option<f64>> = standings
            .iter()
            .map(|standing| standing.median.get(metric.name))
            .collect();
        let quiet = QUIET_AT_ZERO.contains(&metric.name) && values.iter().all(|value| value.unwrap_or(0.0) == 0.0);
        // Of what could not be checked, one line is enough.
        let is_shown = metric.name == "lost" || !CHECKED.contains(&metric.name);
        let unknown = |standing: &Standing| is_shown && standing.median.is_unknown(metric.name);
        if quiet || values.iter().all(Option::is_none) && !standings.iter().any(|standing| unknown(standing)) {
            continue;
        }
        let base_value = standings
            .iter()
            .zip(&values)
            .find(|(standing, _)| Some(standing.server.as_str()) == base)
            .and_then(|(_, value)| *value);
        let mut row = vec![metric.label.to_owned(), metric.unit.to_owned()];
        for (standing, value) in standings.iter().zip(&values) {
            row.push(match value {
                Some(value) => metric.format(*value),
                None if unknown(standing) && metric.name == "lost" => "not checked".to_owned(),
                None if unknown(standing) => "unknown".to_owned(),
                None => "–".to_owned(),
            });
            if base.is_some_and(|base| base != standing.server) {
                row.push(ratio(metric, *value, base_value));
            }
        }
        rows.push(row);
    }
    write_rows(out, &rows)?;
    if comparison.plan.scenario == Scenario::Edge {
        out.push('\n');
        costs::write(out, comparison)?;
    }
    memory::write(out, comparison)?;
    for standing in &comparison.standings {
        if let Some(why) = &standing.left_out {
            writeln!(out, "  {} left out: {why}", standing.server)?;
        }
    }
    answers(out, comparison)?;
    for warning in comparison.warnings() {
        writeln!(out, "  note  {warning}")?;
    }
    out.push('\n');
    Ok(())
}

/// What was answered to clients, where that is not only streams.
fn answers(out: &mut String, comparison: &Comparison) -> std::fmt::Result {
    for standing in &comparison.standings {
        let answers = standing.rounds.last().map_or(&[][..], |outcome| &outcome.answers);
        if answers.len() > 1 {
            let each = answers
                .iter()
                .map(|(answer, count)| format!("{answer}: {}", thousands(*count)));
            writeln!(
                out,
                "  answers of {}  {}",
                standing.server,
                each.collect::<Vec<_>>().join("; ")
            )?;
        }
    }
    Ok(())
}

/// The server that the others are compared with: the floor if it was measured, else the first.
pub(crate) fn base(comparison: &Comparison) -> Option<&str> {
    let names = || {
        comparison
            .standings
            .iter()
            .filter(|standing| standing.left_out.is_none())
    };
    if names().count() < 2 {
        return None;
    }
    let floor = names().find(|standing| standing.server == "floor" && !standing.median.json().is_null());
    floor
        .or_else(|| names().next())
        .map(|standing| standing.server.as_str())
}

/// `×1.04`, where a ratio says something.
pub(crate) fn ratio(metric: &Metric, value: Option<f64>, base: Option<f64>) -> String {
    match (value, base) {
        (Some(value), Some(base)) if metric.better != Better::Neither && base > 0.0 && value > 0.0 => {
            format!("×{:.2}", value / base)
        }
        _ => String::new(),
    }
}

/// The plan in a few words.
#[expect(clippy::too_many_lines, reason = "one list of what a plan may say")]
pub(crate) fn describe(comparison: &Comparison) -> String {
    let plan = &comparison.plan;
    let mut text = String::new();
    if plan.from_clients > 0 {
        let _ = write!(text, "{} to ", thousands(plan.from_clients as u64));
    }
    let _ = write!(text, "{} clients", thousands(plan.clients as u64));
    if plan.is_steady() && plan.events_per_second > 0.0 {
        let _ = write!(
            text,
            ", {} events/s of {} bytes",
            plan.events_per_second, plan.size_bytes
        );
    }
    if plan.burst > 1 {
        let _ = write!(text, " in bursts of {}", plan.burst);
    }
    for (share, what) in [(plan.stalled_share, "stalled"), (plan.slow_share, "slow")] {
        if share > 0.0 {
            let _ = write!(text, ", {}% {what}", share * 100.0);
        }
    }
    if plan.churn_per_second > 0.0 {
        let _ = write!(text, ", {} replaced per second", plan.churn_per_second);
    }
    if !plan.cut_every.is_zero() {
        let _ = write!(text, ", half of them cut every {:?}", plan.cut_every);
    }
    if plan.streams > 1 {
        let _ = write!(text, ", {} streams", plan.streams);
    }
    if plan.instances > 1 {
        let _ = write!(text, ", {} instances", plan.instances);
    }
    if plan.healthy > 0 {
        let _ = write!(
            text,
            ", beside {} healthy clients at {} events/s",
            thousands(plan.healthy as u64),
            plan.events_per_second
        );
    }
    if plan.storm_clients > 0 {
        let _ = write!(
            text,
            "{}, {} events to all, one at a time, then {} cut together",
            if plan.behind_root { " behind one more" } else { "" },
            plan.all_events,
            thousands(plan.storm_clients as u64)
        );
    }
    if plan.burst_events > 0 {
        let _ = write!(
            text,
            ", one burst of {} events of {} bytes",
            thousands(plan.burst_events),
            plan.size_bytes
        );
    }
    if plan.replay_events > 0 {
        let _ = write!(text, ", {} events missed", plan.replay_events);
    }
    if let Some(herd) = &plan.thundering_herd {
        let _ = write!(
            text,
            ", {} volleys of {} hints within {:?}, an origin that serves {} requests at a time in {:?}",
            herd.volleys, herd.hints, herd.over, herd.connections, herd.service
        );
    }
    if !plan.is_steady() {
        let _ = write!(text, ", {} connects/s", plan.connects_per_second);
    }
    text
}

pub(super) fn write_rows(out: &mut String, rows: &[Vec<String>]) -> std::fmt::Result {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    for row in rows {
        let mut line = String::from("  ");
        for column in 0..columns {
            let cell = row.get(column).map_or("", String::as_str);
            let pad = " ".repeat(width(column) - cell.chars().count());
            // Words to the left, numbers to the right.
            if column < 2 {
                write!(line, "{cell}{pad}  ")?;
            } else {
                write!(line, "{pad}{cell}  ")?;
            }
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
