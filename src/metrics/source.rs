//! Handles of one source.

use super::late::{LastTime, LateCounter};
use super::{CloseReason, EvictReason, GapReason, Protocol, counter, definitions, gauge, histogram};
use metrics::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::PrometheusRecorder;
use std::sync::Arc;

/// Handles of one source.
pub struct SourceMetrics {
    /// `fanfare_clients`, by protocol.
    pub clients: [Gauge; Protocol::ALL.len()],
    /// `fanfare_connections_closed_total`, by reason.
    pub closed: [LateCounter; CloseReason::ALL.len()],
    /// `fanfare_evictions_total`, by reason.
    pub evictions: [LateCounter; EvictReason::ALL.len()],
    /// `fanfare_gaps_total`, by reason.
    pub gaps: [LateCounter; GapReason::ALL.len()],
    /// `fanfare_resumes_total{outcome="exact"}`.
    pub resumes_exact: Counter,
    /// `fanfare_resumes_total{outcome="gap"}`.
    pub resumes_gap: Counter,
    /// `fanfare_events_received_total`.
    pub events_received: Counter,
    /// `fanfare_last_event_timestamp_seconds`.
    pub last_event: LastTime,
    /// `fanfare_bytes_received_total`.
    pub bytes_received: Counter,
    /// `fanfare_deliveries_total`.
    pub deliveries: Counter,
    /// `fanfare_bytes_sent_total`.
    pub bytes_sent: Counter,
    /// `fanfare_fanout_seconds`.
    pub fanout_seconds: Histogram,
    /// `fanfare_lag_events`.
    pub lag_events: Histogram,
    /// `fanfare_log_events`: summed over the source's channels, so it is moved by differences.
    pub log_events: Gauge,
    /// `fanfare_log_bytes`: likewise.
    pub log_bytes: Gauge,
    /// `fanfare_channels`.
    pub channels: Gauge,
}

/// What may happen at a source, as its settings say.
#[derive(Clone, Copy)]
pub struct Possible<'a> {
    /// Why streams may end.
    pub closes: &'a dyn Fn(CloseReason) -> bool,
    /// Why clients may be evicted.
    pub evictions: &'a dyn Fn(EvictReason) -> bool,
    /// Why events may be missed.
    pub gaps: &'a dyn Fn(GapReason) -> bool,
}

impl SourceMetrics {
    pub(super) fn new(recorder: &Arc<PrometheusRecorder>, source: &str) -> Self {
        let counter_of = |definition, label| LateCounter::new(recorder, definition, &[source, label]);
        let resumes = |outcome| counter(recorder, &definitions::RESUMES, &[source, outcome]);
        Self {
            clients: Protocol::ALL.map(|protocol| gauge(recorder, &definitions::CLIENTS, &[source, protocol.label()])),
            closed: CloseReason::ALL.map(|reason| counter_of(&definitions::CONNECTIONS_CLOSED, reason.label())),
            evictions: EvictReason::ALL.map(|reason| counter_of(&definitions::EVICTIONS, reason.label())),
            gaps: GapReason::ALL.map(|reason| counter_of(&definitions::GAPS, reason.label())),
            resumes_exact: resumes("exact"),
            resumes_gap: resumes("gap"),
            events_received: counter(recorder, &definitions::EVENTS_RECEIVED, &[source]),
            last_event: LastTime::new(recorder, &definitions::LAST_EVENT, &[source]),
            bytes_received: counter(recorder, &definitions::BYTES_RECEIVED, &[source]),
            deliveries: counter(recorder, &definitions::DELIVERIES, &[source]),
            bytes_sent: counter(recorder, &definitions::BYTES_SENT, &[source]),
            fanout_seconds: histogram(recorder, &definitions::FANOUT_SECONDS, &[source]),
            lag_events: histogram(recorder, &definitions::LAG_EVENTS, &[source]),
            log_events: gauge(recorder, &definitions::LOG_EVENTS, &[source]),
            log_bytes: gauge(recorder, &definitions::LOG_BYTES, &[source]),
            channels: gauge(recorder, &definitions::CHANNELS, &[source]),
        }
    }

    /// From now on the counters of what may happen are there, at 0 if nothing has.
    pub fn announce(&self, possible: &Possible<'_>) {
        let Possible {
            closes,
            evictions,
            gaps,
        } = possible;
        let announce = |counter: &LateCounter| counter.announce();
        let close = CloseReason::ALL.into_iter().filter(|&reason| closes(reason));
        close.for_each(|reason| announce(&self.closed[reason.index()]));
        let evict = EvictReason::ALL.into_iter().filter(|&reason| evictions(reason));
        evict.for_each(|reason| announce(&self.evictions[reason.index()]));
        let gap = GapReason::ALL.into_iter().filter(|&reason| gaps(reason));
        gap.for_each(|reason| announce(&self.gaps[reason.index()]));
    }
}
