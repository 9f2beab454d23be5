//! Series of what the configuration has no more: a source, or an upstream of one.
//!
//! The exporter forgets nothing, so they are left out of the text. Gauges at once, or an alert on
//! `fanfare_upstream_connected == 0` would go off for an origin that was given up on purpose;
//! `fanfare_clients` as soon as the last of them has left. Counters and histograms stay for a while:
//! their last increments are still to be scraped. If the name comes back, they go on where they
//! were, as counters do.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long counters can still be scraped: several times the usual interval.
const KEPT: Duration = Duration::from_secs(300);

/// What is no more, and since when. An upstream goes by its source's name and its own.
#[derive(Debug, Default)]
pub(super) struct Retired(Mutex<HashMap<Name, Since>>);

type Name = (String, Option<String>);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Since {
    /// It is there.
    Live,
    Gone(Instant),
}

impl Retired {
    /// It is there, from now on or again.
    pub(super) fn lives(&self, source: &str, upstream: Option<&str>) {
        let name = (source.to_owned(), upstream.map(str::to_owned));
        self.names().insert(name, Since::Live);
    }

    /// Whatever `is_live` denies is no more.
    pub(super) fn retain(&self, is_live: impl Fn(&str, Option<&str>) -> bool, now: Instant) {
        for ((source, upstream), since) in self.names().iter_mut() {
            if *since == Since::Live && !is_live(source, upstream.as_deref()) {
                *since = Since::Gone(now);
            }
        }
    }

    /// The exporter's text without the series of what is no more.
    pub(super) fn filtered(&self, text: &str, now: Instant) -> String {
        let names = self.names();
        let gone = |name: &Name| match names.get(name) {
            Some(Since::Gone(since)) => Some(now.saturating_duration_since(*since)),
            _ => None,
        };
        let mut out = String::with_capacity(text.len());
        let mut is_gauge = false;
        for line in text.split_inclusive('\n') {
            if line.starts_with("# TYPE ") {
                is_gauge = line.trim_end().ends_with(" gauge");
            }
            let source = label(line, "source").filter(|_| !line.starts_with('#'));
            let since = source.and_then(|source| {
                let of_upstream = label(line, "upstream").and_then(|upstream| gone(&(source.clone(), Some(upstream))));
                of_upstream.or_else(|| gone(&(source, None)))
            });
            let is_left_out = since.is_some_and(|since| match is_gauge {
                true => !line.starts_with("fanfare_clients{") || line.trim_end().ends_with(" 0"),
                false => since >= KEPT,
            });
            if !is_left_out {
                out.push_str(line);
            }
        }
        out
    }

    fn names(&self) -> MutexGuard<'_, HashMap<Name, Since>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value of a label in a series' line, as it was before it was written.
fn label(line: &str, name: &str) -> Option<String> {
    let begin = format!("{name}=\"");
    let start = line.find(&begin)? + begin.len();
    let mut value = String::new();
    let mut chars = line[start..].chars();
    loop {
        match chars.next()? {
            '"' => return Some(value),
            '\\' => match chars.next()? {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE fanfare_clients gauge
fanfare_clients{source=\"a\",protocol=\"http/1.1\"} 2
fanfare_clients{source=\"a\",protocol=\"http/1.0\"} 0
fanfare_clients{source=\"b \\\"\\\\\",protocol=\"http/1.1\"} 0

# TYPE fanfare_gaps_total counter
fanfare_gaps_total{source=\"a\"} 1
fanfare_gaps_total{source=\"b \\\"\\\\\"} 0

# TYPE fanfare_upstream_connected gauge
fanfare_upstream_connected{source=\"a\",upstream=\"o\"} 0
fanfare_upstream_connected{source=\"b \\\"\\\\\",upstream=\"o\"} 1
fanfare_upstream_connected{source=\"b \\\"\\\\\",upstream=\"p\"} 0
";

    /// The lines that were left out.
    fn left_out(retired: &Retired, now: Instant) -> Vec<String> {
        let text = retired.filtered(TEXT, now);
        let is_gone = |line: &&str| !text.contains(&format!("{line}\n"));
        TEXT.lines().filter(is_gone).map(str::to_owned).collect()
    }

    #[test]
    fn gauges_go_at_once_and_counters_later() {
        let (retired, now) = (Retired::default(), Instant::now());
        retired.lives("a", None);
        retired.lives("a", Some("o"));
        retired.lives("b \"\\", None);
        retired.lives("b \"\\", Some("p"));
        assert_eq!(left_out(&retired, now), [""; 0]);
        retired.retain(|source, upstream| source != "a" && upstream != Some("p"), now);
        let gauges = [
            "fanfare_clients{source=\"a\",protocol=\"http/1.0\"} 0",
            "fanfare_upstream_connected{source=\"a\",upstream=\"o\"} 0",
            "fanfare_upstream_connected{source=\"b \\\"\\\\\",upstream=\"p\"} 0",
        ];
        assert_eq!(left_out(&retired, now), gauges);
        // That it goes on being gone changes nothing.
        retired.retain(|source, _| source != "a", now + KEPT / 2);
        assert_eq!(left_out(&retired, now + KEPT).len(), gauges.len() + 1);
        retired.lives("a", None);
        retired.lives("a", Some("o"));
        assert_eq!(left_out(&retired, now + KEPT), gauges[2..]);
    }
}
