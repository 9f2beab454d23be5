//! Where the machine's memory went, a column for each server.

use super::table::write_rows;
use crate::driver::comparison::{Comparison, Standing};
use crate::machine::memory::Part;

/// Of the last round, which has the parts of all others, too.
fn parts(standing: &Standing) -> &[Part] {
    standing.rounds.last().map_or(&[], |outcome| &outcome.memory)
}

/// The rows, each with a value in MiB per server: all names in the order in which they first come.
pub(super) fn rows(comparison: &Comparison) -> Vec<(Part, Vec<Option<f64>>)> {
    let mut names: Vec<&Part> = Vec::new();
    for part in comparison.standings.iter().flat_map(parts) {
        if !names.iter().any(|known| known.name == part.name) {
            // A slab that only a later server has stands with the others.
            let at = names.iter().rposition(|known| known.within).filter(|_| part.within);
            names.insert(at.map_or(names.len(), |last| last + 1), part);
        }
    }
    let value = |standing: &Standing, name: &str| {
        let part = parts(standing).iter().find(|part| part.name == name)?;
        Some(part.kib / 1024.0)
    };
    let row = |part: &&Part| {
        let values = comparison.standings.iter().map(|standing| value(standing, &part.name));
        ((*part).clone(), values.collect())
    };
    names.iter().map(row).collect()
}

/// Writes it for a terminal, if there is anything to say.
pub(super) fn write(out: &mut String, comparison: &Comparison) -> std::fmt::Result {
    let rows = rows(comparison);
    if rows.is_empty() {
        return Ok(());
    }
    let mut head = vec!["memory of the machine".to_owned(), "MiB".to_owned()];
    head.extend(comparison.standings.iter().map(|standing| standing.server.clone()));
    let mut table = vec![head];
    for (part, values) in rows {
        let indent = if part.within { "  " } else { "" };
        let mut row = vec![format!("{indent}{}", part.name), String::new()];
        row.extend(
            values
                .iter()
                .map(|value| value.map_or("–".to_owned(), |mib| format!("{mib:.0}"))),
        );
        table.push(row);
    }
    out.push('\n');
    write_rows(out, &table)
}
