//! The report as one page: no script, nothing from elsewhere; readable on a phone and in dark mode.

use super::svg::{Bars, Chart, Series, bars, escape};
use super::table::{base, describe, ratio};
use super::{Report, memory};
use crate::driver::comparison::{Comparison, Standing};
use crate::driver::metrics::{METRICS, find};
use crate::driver::outcome::{Outcome, Sample};
use crate::threshold::Holds;
use crate::units::thousands;
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
    write_conditions(out, report)?;
    report
        .comparisons
        .iter()
        .try_for_each(|comparison| write_comparison(out, comparison))
}

/// Every condition of the command line, with what was found.
fn write_conditions(out: &mut String, report: &Report) -> std::fmt::Result {
    if report.verdicts.is_empty() {
        return Ok(());
    }
    write!(
        out,
        "<h2>Conditions</h2><div class=table><table><tr><th>fails if</th><th></th><th>found</th><th></th></tr>"
    )?;
    for verdict in &report.verdicts {
        let (class, word) = match verdict.holds {
            Holds::Yes => ("good", "ok"),
            Holds::No => ("bad", "failed"),
            Holds::NotMeasured => ("dim", "not measured"),
        };
        write!(
            out,
            "<tr><td>{}</td><td>{}, {}</td><td>{}</td><td class={class}>{word}</td></tr>",
            escape(&verdict.condition),
            escape(&verdict.scenario),
            escape(&verdict.server),
            escape(&verdict.found)
        )?;
    }
    write!(out, "</table></div>")
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
    for standing in taking_part() {
        write!(out, "{}", distribution(standing))?;
    }
    for (title, unit, value) in [
        (
            "Deliveries per second",
            "events/s",
            (|sample| Some(sample.deliveries_per_s)) as fn(&Sample) -> Option<f64>,
        ),
        ("Latency over time, mean", "ms", |sample| {
            sample.latency_ms.map(|[mean, _]| mean)
        }),
        ("Latency over time, highest", "ms", |sample| {
            sample.latency_ms.map(|[_, highest]| highest)
        }),
        ("Server CPU", "cores", |sample| sample.server_cpu),
        ("Server resident memory", "MiB", |sample| sample.rss_mib),
        ("Kernel TCP memory", "MiB, whole machine", |sample| Some(sample.tcp_mib)),
        ("Clients live", "", |sample| Some(sample.live as f64)),
    ] {
        write!(out, "{}", over_time(title, unit, taking_part(), value))?;
    }
    write!(out, "</div>")?;
    write_table(out, comparison)?;
    write_memory(out, comparison)?;
    write_answers(out, comparison)
}

/// How many deliveries took how long, of one server.
fn distribution(standing: &Standing) -> String {
    let Some(outcome) = middle(standing) else {
        return String::new();
    };
    let all = outcome.histogram.iter().map(|(_, count)| count).sum::<u64>().max(1) as f64;
    let row = |(upto, count): &(f64, u64)| {
        let share = 100.0 * *count as f64 / all;
        let text = format!("{} ({share:.1}%)", thousands(*count));
        (format!("< {} ms", milliseconds(*upto)), *count as f64, text)
    };
    let rows: Vec<_> = outcome.histogram.iter().map(row).collect();
    bars(
        &format!("Deliveries by latency: {}", standing.server),
        &rows,
        Bars::Parts,
    )
}

/// `0.25`, `64`, `8,192`.
fn milliseconds(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value}"),
        value => thousands(value.round() as u64),
    }
}

/// Where the machine's memory went.
fn write_memory(out: &mut String, comparison: &Comparison) -> std::fmt::Result {
    let rows = memory::rows(comparison);
    if rows.is_empty() {
        return Ok(());
    }
    write!(
        out,
        "<h3>Memory of the machine, MiB</h3><div class=table><table><tr><th></th>"
    )?;
    let standings = &comparison.standings;
    standings
        .iter()
        .try_for_each(|standing| write!(out, "<th>{}</th>", escape(&standing.server)))?;
    write!(out, "</tr>")?;
    for (part, values) in rows {
        let class = if part.within { " class=dim" } else { "" };
        write!(out, "<tr{class}><td>{}</td>", escape(&part.name))?;
        for value in values {
            let text = value.map_or("–".to_owned(), |mib| format!("{mib:.0}"));
            write!(out, "<td>{text}</td>")?;
        }
        write!(out, "</tr>")?;
    }
    write!(out, "</table></div>")
}

/// What was answered to clients, and how often.
fn write_answers(out: &mut String, comparison: &Comparison) -> std::fmt::Result {
    write!(out, "<h3>Answers</h3><div class=table><table>")?;
    for standing in &comparison.standings {
        for (answer, count) in middle(standing).map_or(&[][..], |outcome| &outcome.answers) {
            let (server, answer) = (escape(&standing.server), escape(answer));
            write!(
                out,
                "<tr><td>{server}</td><td>{answer}</td><td>{}</td></tr>",
                thousands(*count)
            )?;
        }
    }
    write!(out, "</table></div>")
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
        bars(metric.label, &rows, Bars::Servers)
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
    value: fn(&Sample) -> Option<f64>,
) -> String {
    let series = standings
        .filter_map(|standing| {
            let points = middle(standing)?
                .samples
                .iter()
                .filter_map(|sample| Some((sample.seconds, value(sample)?)))
                .collect::<Vec<_>>();
            (!points.is_empty()).then(|| Series {
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
        let is_unknown = |standing: &Standing| standing.median.is_unknown(metric.name);
        if standings
            .iter()
            .all(|standing| value(standing).is_none() && !is_unknown(standing))
        {
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
                None if standing.median.is_unknown(metric.name) => write!(out, "<td>unknown")?,
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
