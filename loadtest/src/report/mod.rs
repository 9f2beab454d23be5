//! What is left of a run: a table, a JSON file, an HTML page.

mod costs;
mod memory;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod svg;
pub(crate) mod table;

use crate::driver::comparison::Comparison;
use crate::threshold::Verdict;
use std::time::{SystemTime, UNIX_EPOCH};

/// A whole run.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    /// One line: processor, memory, kernel.
    pub(crate) machine: String,
    /// UTC, `2026-11-22 21:34`.
    pub(crate) date: String,
    /// The command line.
    pub(crate) command: String,
    pub(crate) comparisons: Vec<Comparison>,
    /// Everything that makes the exit code 1.
    pub(crate) failures: Vec<String>,
    /// What the conditions of the command line found.
    pub(crate) verdicts: Vec<Verdict>,
}

impl Report {
    pub(crate) fn new(comparisons: Vec<Comparison>, failures: Vec<String>, verdicts: Vec<Verdict>) -> Self {
        let program = std::env::args().skip(1).map(|argument| quoted(&argument));
        let command: Vec<String> = std::iter::once("fanfare-loadtest".to_owned()).chain(program).collect();
        Self {
            machine: crate::machine::description(),
            date: utc_now(),
            command: command.join(" "),
            comparisons,
            failures,
            verdicts,
        }
    }
}

fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,%+@".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{argument}'")
    }
}

fn utc_now() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (year, month, day) = civil(seconds / 86_400);
    format!(
        "{year}-{month:02}-{day:02} {:02}:{:02}",
        seconds / 3600 % 24,
        seconds / 60 % 60
    )
}

/// Year, month and day of a number of days since 1970-01-01.
fn civil(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month as u64 + 1, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_779), (2026, 11, 22));
    }
}
