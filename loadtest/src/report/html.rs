//! The report as one page: no script, nothing from elsewhere; readable on a phone and in dark mode.

use super::Report;
use super::svg::{Chart, Series, bars, escape};
use super::table::{base, describe, ratio};
use crate::driver::comparison::{Comparison, Standing};
use crate::driver::metrics::{METRICS, find};
use crate::driver::outcome::{Outcome, Sample};
use std::fmt::Write;

/// What the bars compare.
const BARS: &[&str] = &[
    "cpu_us_per_delivery",
    "p99_ms",
    "rss_kib_per_client",
    "cpu_us_per_connect",
    "cpu_us_per_return",
    "healthy_p99_ratio",
    "last_client_ms",
    "caught_up_s",
];

/// The whole page.
pub(crate) fn render(report: &Report) -> String {
    let mut body = String::new();
    // Writing to a String can't fail.
    let _ = write_body(&mut body, report);
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width, initial-scale=1'>\
         <title>fanfare-loadtest</title><style>{}</style><main>{body}</main></html>\n",
        include_str!("page.css")
    )
}

fn write_body(out: &mut String, report: &Report) -> std::fmt::Result {
    write!(
        out,
        "<h1>Load test</h1><p class=dim>{} · {} UTC<br><code>{}</code></p>",
        escape(&report.machine),
        report.date,
        escape(&report.command)
    )?;
    if report.failures.is_empty() {
        write!(
            out,
            "<p>Nothing lost, doubled, out of order or refused that should not have been, and no condition broken.</p>"
        )?;
    } else {
        write!(out, "<ul class=bad>")?;
        report
            .failures
            .iter()
            .try_for_each(|failure| write!(out, "<li>{}</li>", escape(failure)))?;
        write!(out, "</ul>")?;
    }
    report
        .comparisons
        .iter()
        .try_for_each(|comparison| write_comparison(out, comparison))
}

fn write_comparison(out: &mut String, comparison: &Comparison) -> std::fmt::Result {
    write!(
        out,
        "<h2>{}</h2><p class=dim>{}</p>",
        escape(&comparison.plan.scenario.name()),
        escape(&describe(comparison))
    )?;
    let notes = comparison.warnings();
    if !notes.is_empty() {
        write!(out, "<ul class=note>")?;
        notes
            .iter()
            .try_for_each(|note| write!(out, "<li>{}</li>", escape(note)))?;
        write!(out, "</ul>")?;
    }
    write!(out, "<div class=charts>")?;
    let taking_part = || {
        comparison
            .standings
            .iter()
            .filter(|standing| !standing.rounds.is_empty())
    };
    if taking_part().count() > 1 {
        for name in BARS {
            write!(out, "{}", compared(name, comparison))?;
        }
    }
    write!(out, "{}", latency(taking_part()))?;
    for (title, unit, value) in [
        (
            "Deliveries per second",
            "events/s",
            (|sample| sample.deliveries_per_s) as fn(&Sample) -> f64,
        ),
        ("Server CPU", "cores", |sample| sample.server_cpu),
        ("Server resident memory", "MiB", |sample| sample.rss_mib),
        ("Kernel TCP memory", "MiB, whole machine", |sample| sample.tcp_mib),
        ("Clients live", "", |sample| sample.live as f64),
    ] {
        write!(out, "{}", over_time(title, unit, taking_part(), value))?;
    }
    write!(out, "</div>")?;
    write_table(out, comparison)
}

/// One number of all servers as bars.
fn compared(name: &str, comparison: &Comparison) -> String {
    let Some(metric) = find(name) else { return String::new() };
    let base = base(comparison);
    let base_value = comparison
        .standings
        .iter()
        .find(|standing| Some(standing.server.as_str()) == base)
        .and_then(|standing| standing.median.get(name));
    let rows: Vec<(String, f64, String)> = comparison
        .standings
        .iter()
        .filter_map(|standing| {
            let value = standing.median.get(name)?;
            let ratio = if Some(standing.server.as_str()) == base {
                String::new()
            } else {
                ratio(metric, Some(value), base_value)
            };
            Some((
                standing.server.clone(),
                value,
                format!("{} {} {ratio}", metric.format(value), metric.unit),
            ))
        })
        .collect();
    if rows.len() < 2 {
        String::new()
    } else {
        bars(metric.label, &rows)
    }
}

/// Latency by percentile, on an axis that gives each nine the same room.
fn latency<'a>(standings: impl Iterator<Item = &'a Standing>) -> String {
    let nines = |percentile: f64| -(1.0 - percentile / 100.0).log10();
    let series: Vec<Series> = standings
        .filter_map(|standing| {
            let outcome = middle(standing)?;
            // The highest stands at infinity on this axis: it is in the table.
            let points = outcome.curve.iter().filter(|(percentile, _)| *percentile < 100.0);
            let points: Vec<_> = points.map(|(percentile, ms)| (nines(*percentile), *ms)).collect();
            (points.len() > 1).then(|| Series {
                name: standing.server.clone(),
                points,
            })
        })
        .collect();
    let ticks = ["50", "90", "99", "99.9", "99.99", "99.999"];
    let x_ticks = ticks
        .iter()
        .filter_map(|text| Some((nines(text.parse().ok()?), format!("{text}%"))))
        .collect();
    Chart {
        title: "Latency from the origin's write to the client's read",
        x_label: "share of deliveries that took at most this long",
        y_label: "ms",
        series,
        x_ticks,
    }
    .render()
}

fn over_time<'a>(
    title: &str,
    unit: &str,
    standings: impl Iterator<Item = &'a Standing>,
    value: fn(&Sample) -> f64,
) -> String {
    let series = standings
        .filter_map(|standing| {
            let points = middle(standing)?
                .samples
                .iter()
                .map(|sample| (sample.seconds, value(sample)))
                .collect();
            Some(Series {
                name: standing.server.clone(),
                points,
            })
        })
        .collect();
    Chart {
        title,
        x_label: "seconds",
        y_label: unit,
        series,
        x_ticks: Vec::new(),
    }
    .render()
}

/// The round that stands for all: the one whose p99 is in the middle.
fn middle(standing: &Standing) -> Option<&Outcome> {
    let mut rounds: Vec<&Outcome> = standing.rounds.iter().collect();
    rounds.sort_by(|a, b| {
        a.values
            .get("p99_ms")
            .unwrap_or(0.0)
            .total_cmp(&b.values.get("p99_ms").unwrap_or(0.0))
    });
    rounds.get(rounds.len() / 2).copied()
}

fn write_table(out: &mut String, comparison: &Comparison) -> std::fmt::Result {
    let standings: Vec<_> = comparison
        .standings
        .iter()
        .filter(|standing| !standing.rounds.is_empty())
        .collect();
    write!(out, "<div class=table><table><tr><th></th>")?;
    standings
        .iter()
        .try_for_each(|standing| write!(out, "<th>{}</th>", escape(&standing.server)))?;
    write!(out, "</tr>")?;
    let base = base(comparison);
    for metric in METRICS {
        let value = |standing: &Standing| standing.median.get(metric.name);
        if standings.iter().all(|standing| value(standing).is_none()) {
            continue;
        }
        let base_value = standings
            .iter()
            .find(|standing| Some(standing.server.as_str()) == base)
            .and_then(|standing| value(standing));
        write!(
            out,
            "<tr><td>{} <span>{}</span></td>",
            escape(metric.label),
            metric.unit
        )?;
        for standing in &standings {
            match value(standing) {
                Some(number) => write!(out, "<td>{}", metric.format(number))?,
                None => write!(out, "<td>–")?,
            }
            if base.is_some_and(|base| base != standing.server) {
                write!(out, " <span>{}</span>", ratio(metric, value(standing), base_value))?;
            }
            write!(out, "</td>")?;
        }
        write!(out, "</tr>")?;
    }
    write!(out, "</table></div>")?;
    for standing in &comparison.standings {
        if let Some(why) = &standing.left_out {
            write!(
                out,
                "<p class=dim>{} left out: {}</p>",
                escape(&standing.server),
                escape(why)
            )?;
        }
    }
    Ok(())
}
