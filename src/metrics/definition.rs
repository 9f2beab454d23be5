//! What is known of a metric before anything is counted.

use metrics::Unit;

/// One metric of the table.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// The name, with its unit and, for counters, `_total` (Prometheus' naming rules).
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// What one is one of; the name says so too, where it is not a plain count.
    pub unit: Unit,
    /// The label names, in the order in which series are written.
    pub labels: &'static [&'static str],
    /// Upper bounds of a histogram's buckets, ascending, without `+Inf`; empty for the others.
    pub buckets: &'static [f64],
    /// The `# HELP` line.
    pub help: &'static str,
    /// What an operator makes of it: for `docs/metrics.md`.
    pub use_of_it: &'static str,
}

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations, counted in buckets.
    Histogram,
}

impl Kind {
    /// As in the `# TYPE` line.
    pub const fn label(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}
