//! The table of `edge`: a line for each server and protocol, with what a client of it costs.

use super::table::{base, ratio, write_rows};
use crate::driver::comparison::Comparison;
use crate::driver::metrics::{Metric, find};

/// The columns, and what stands above them.
const COLUMNS: [(&str, &str); 5] = [
    ("cpu_us_per_delivery", "µs per delivery"),
    ("cpu_clear_ratio", "to its own clear"),
    ("cpu_us_per_connect", "µs per connect"),
    ("rss_kib_per_client", "KiB per client"),
    ("rss_kib_per_further_stream", "KiB per further stream"),
];
/// Of these columns a second one says how many times the base's it is.
const SET_AGAINST_BASE: [&str; 2] = ["cpu_us_per_delivery", "rss_kib_per_client"];

/// Writes it.
pub(super) fn write(out: &mut String, comparison: &Comparison) -> std::fmt::Result {
    let base = base(comparison);
    let columns: Vec<(&Metric, &str)> = COLUMNS
        .iter()
        .filter_map(|(name, title)| Some((find(name)?, *title)))
        .collect();
    let against = |metric: &Metric| base.is_some() && SET_AGAINST_BASE.contains(&metric.name);
    let mut head = vec![String::new(), String::new()];
    for (metric, title) in &columns {
        head.push((*title).to_owned());
        head.extend(against(metric).then(|| base.map_or_else(String::new, |base| format!("to {base}"))));
    }
    let mut rows = vec![head];
    let measured = comparison
        .standings
        .iter()
        .filter(|standing| standing.left_out.is_none());
    let based = measured.clone().find(|standing| Some(standing.server.as_str()) == base);
    for standing in measured {
        let mut row = vec![standing.server.clone(), String::new()];
        for (metric, _) in &columns {
            let value = standing.median.get(metric.name);
            row.push(value.map_or_else(|| "–".to_owned(), |value| metric.format(value)));
            let of_base = based.and_then(|base| base.median.get(metric.name));
            row.extend(against(metric).then(|| ratio(metric, value, of_base)));
        }
        rows.push(row);
    }
    write_rows(out, &rows)?;
    out.push('\n');
    Ok(())
}
