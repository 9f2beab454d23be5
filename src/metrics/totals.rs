//! What has been counted since the start, as plain numbers: for `/status` and the dashboard.
//!
//! The exporter tells its numbers as text alone. So what is shown elsewhere is counted twice, side
//! by side: into the series, and into a number that can be read without a lock.

use super::labels::{CloseReason, EvictReason, GapReason, RefuseReason};
use metrics::{Counter, CounterFn};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that can be read.
pub(super) type Total = Arc<AtomicU64>;

/// Counts into a series, and into a number beside it.
struct Readable {
    series: Counter,
    total: Total,
}

impl CounterFn for Readable {
    fn increment(&self, by: u64) {
        self.series.increment(by);
        self.total.fetch_add(by, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.series.absolute(value);
        self.total.fetch_max(value, Ordering::Relaxed);
    }
}

/// A counter into `series`, and where to read what goes through it.
pub(super) fn readable(series: Counter) -> (Counter, Total) {
    let total = Total::default();
    let readable = Readable {
        series,
        total: total.clone(),
    };
    (Counter::from_arc(Arc::new(readable)), total)
}

/// What has been counted of one source, or of all of them together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceTotals {
    /// `fanfare_events_received_total`.
    pub events_received: u64,
    /// `fanfare_bytes_received_total`.
    pub bytes_received: u64,
    /// `fanfare_deliveries_total`.
    pub deliveries: u64,
    /// `fanfare_bytes_sent_total`.
    pub bytes_sent: u64,
    /// `fanfare_resumes_total`: exact ones, and those with a gap.
    pub resumes: [u64; 2],
    /// `fanfare_evictions_total`, in the order of [`EvictReason::ALL`].
    pub evictions: [u64; EvictReason::ALL.len()],
    /// `fanfare_gaps_total`, in the order of [`GapReason::ALL`].
    pub gaps: [u64; GapReason::ALL.len()],
    /// `fanfare_connections_closed_total`, in the order of [`CloseReason::ALL`].
    pub closed: [u64; CloseReason::ALL.len()],
}

/// The labels of [`SourceTotals::resumes`].
pub(super) const RESUMES: [&str; 2] = ["exact", "gap"];

/// What has been counted of the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Over all sources.
    pub sources: SourceTotals,
    /// `fanfare_refused_total`, in the order of [`RefuseReason::ALL`].
    pub refused: [u64; RefuseReason::ALL.len()],
}

impl SourceTotals {
    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.combined(other, u64::saturating_add)
    }

    /// What has come since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        self.combined(earlier, u64::saturating_sub)
    }

    fn combined(&self, other: &Self, of: fn(u64, u64) -> u64) -> Self {
        Self {
            events_received: of(self.events_received, other.events_received),
            bytes_received: of(self.bytes_received, other.bytes_received),
            deliveries: of(self.deliveries, other.deliveries),
            bytes_sent: of(self.bytes_sent, other.bytes_sent),
            resumes: each(&self.resumes, &other.resumes, of),
            evictions: each(&self.evictions, &other.evictions, of),
            gaps: each(&self.gaps, &other.gaps, of),
            closed: each(&self.closed, &other.closed, of),
        }
    }
}

impl Totals {
    /// What has come since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            sources: self.sources.since(&earlier.sources),
            refused: each(&self.refused, &earlier.refused, u64::saturating_sub),
        }
    }
}

fn each<const N: usize>(a: &[u64; N], b: &[u64; N], of: fn(u64, u64) -> u64) -> [u64; N] {
    std::array::from_fn(|index| of(a[index], b[index]))
}

/// `{"stall":3,"bytes":0}`
struct ByLabel<const N: usize>([&'static str; N], [u64; N]);

impl<const N: usize> Serialize for ByLabel<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().zip(self.1))
    }
}

fn write<M: SerializeMap>(totals: &SourceTotals, map: &mut M) -> Result<(), M::Error> {
    map.serialize_entry("events_received", &totals.events_received)?;
    map.serialize_entry("bytes_received", &totals.bytes_received)?;
    map.serialize_entry("deliveries", &totals.deliveries)?;
    map.serialize_entry("bytes_sent", &totals.bytes_sent)?;
    map.serialize_entry("resumes", &ByLabel(RESUMES, totals.resumes))?;
    map.serialize_entry(
        "evictions",
        &ByLabel(EvictReason::ALL.map(EvictReason::label), totals.evictions),
    )?;
    map.serialize_entry("gaps", &ByLabel(GapReason::ALL.map(GapReason::label), totals.gaps))?;
    map.serialize_entry(
        "closed",
        &ByLabel(CloseReason::ALL.map(CloseReason::label), totals.closed),
    )
}

impl Serialize for SourceTotals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        write(self, &mut map)?;
        map.end()
    }
}

impl Serialize for Totals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        write(&self.sources, &mut map)?;
        let refused = ByLabel(RefuseReason::ALL.map(RefuseReason::label), self.refused);
        map.serialize_entry("refused", &refused)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn what_is_counted_can_be_read() {
        let metrics = Metrics::new();
        let (a, b) = (metrics.source("a"), metrics.source("b"));
        a.deliveries.increment(3);
        b.deliveries.increment(4);
        a.evictions[EvictReason::Stall.index()].increment(2);
        a.resumes_gap.increment(1);
        // The listeners of a relay have handles of their own, and count together.
        metrics.listener().refused(RefuseReason::Clients);
        metrics.listener().refused(RefuseReason::Clients);
        let totals = metrics.totals();
        assert_eq!(totals.sources.deliveries, 7);
        assert_eq!(totals.refused[RefuseReason::Clients.index()], 2);
        assert_eq!(a.totals().deliveries, 3);
        let json = serde_json::to_value(totals).unwrap();
        assert_eq!(json["evictions"]["stall"], 2);
        assert_eq!(json["resumes"], serde_json::json!({"exact": 0, "gap": 1}));
        assert_eq!(json["refused"]["clients"], 2);
        assert!(metrics.render().contains("fanfare_deliveries_total{source=\"b\"} 4\n"));
        assert!(
            metrics
                .render()
                .contains("fanfare_refused_total{reason=\"clients\"} 2\n")
        );
    }

    #[test]
    fn the_difference_of_totals_is_never_negative() {
        let earlier = SourceTotals {
            deliveries: 5,
            closed: [1; CloseReason::ALL.len()],
            ..SourceTotals::default()
        };
        let later = SourceTotals {
            deliveries: 9,
            ..earlier
        };
        assert_eq!(later.since(&earlier).deliveries, 4);
        assert_eq!(earlier.since(&later).deliveries, 0);
        assert_eq!(later.since(&earlier).plus(&earlier), later);
    }
}
