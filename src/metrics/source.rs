//! Handles of one source's metrics.

use super::definitions::{
    BYTES_RECEIVED, BYTES_SENT, CHANNELS, CLIENTS, COMPRESSED_BYTES, CONNECTIONS_CLOSED, DELIVERIES, DERIVED_CHANNELS,
    EVENTS_RECEIVED, EVICTIONS, FANOUT_SECONDS, GAPS, LAG_EVENTS, LAST_EVENT, LOG_BYTES, LOG_DIR_ERRORS,
    LOG_DIR_LAG_EVENTS, LOG_EVENTS, RESUMES, UNCOMPRESSED_BYTES,
};
use super::labels::{CloseReason, EvictReason, GapReason, Protocol};
use super::late::{LastTime, LateCounter, LateGauge};
use super::series::{counter, gauge, histogram};
use super::totals::{self, SourceTotals, Total, readable};
use metrics::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::PrometheusRecorder;
use std::sync::Arc;
use std::sync::atomic::Ordering;

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
    /// `fanfare_compressed_bytes_total`.
    pub compressed_bytes: LateCounter,
    /// `fanfare_uncompressed_bytes_total`.
    pub uncompressed_bytes: LateCounter,
    /// `fanfare_fanout_seconds`.
    pub fanout_seconds: Histogram,
    /// `fanfare_lag_events`.
    pub lag_events: Histogram,
    /// `fanfare_log_events`: summed over the source's channels, so it is moved by differences.
    pub log_events: Gauge,
    /// `fanfare_log_bytes`: likewise.
    pub log_bytes: Gauge,
    /// `fanfare_log_dir_errors_total`.
    pub log_dir_errors: LateCounter,
    /// `fanfare_log_dir_lag_events`: summed over the source's channels.
    pub log_dir_lag_events: LateGauge,
    /// `fanfare_channels`.
    pub channels: Gauge,
    /// `fanfare_derived_channels`.
    pub derived_channels: LateGauge,
    read: Read,
}

/// Where some of a source's counters can be read.
struct Read {
    events_received: Total,
    bytes_received: Total,
    deliveries: Total,
    bytes_sent: Total,
    resumes: [Total; totals::RESUMES.len()],
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
    /// Whether its log is kept on disk.
    pub keeps_log: bool,
    /// Whether channels may be derived from its own.
    pub derives: bool,
    /// Whether clients may take gzip.
    pub compresses: bool,
}

impl SourceMetrics {
    pub(super) fn new(recorder: &Arc<PrometheusRecorder>, source: &str) -> Self {
        let counter_of = |definition, label| LateCounter::new(recorder, definition, &[source, label]);
        let read = |definition| readable(counter(recorder, definition, &[source]));
        let (events_received, events_received_total) = read(&EVENTS_RECEIVED);
        let (bytes_received, bytes_received_total) = read(&BYTES_RECEIVED);
        let (deliveries, deliveries_total) = read(&DELIVERIES);
        let (bytes_sent, bytes_sent_total) = read(&BYTES_SENT);
        let resumes = |outcome| readable(counter(recorder, &RESUMES, &[source, outcome]));
        let [(resumes_exact, exact_total), (resumes_gap, gap_total)] = totals::RESUMES.map(resumes);
        Self {
            clients: Protocol::ALL.map(|protocol| gauge(recorder, &CLIENTS, &[source, protocol.label()])),
            closed: CloseReason::ALL.map(|reason| counter_of(&CONNECTIONS_CLOSED, reason.label())),
            evictions: EvictReason::ALL.map(|reason| counter_of(&EVICTIONS, reason.label())),
            gaps: GapReason::ALL.map(|reason| counter_of(&GAPS, reason.label())),
            resumes_exact,
            resumes_gap,
            events_received,
            last_event: LastTime::new(recorder, &LAST_EVENT, &[source]),
            bytes_received,
            deliveries,
            bytes_sent,
            compressed_bytes: LateCounter::new(recorder, &COMPRESSED_BYTES, &[source]),
            uncompressed_bytes: LateCounter::new(recorder, &UNCOMPRESSED_BYTES, &[source]),
            fanout_seconds: histogram(recorder, &FANOUT_SECONDS, &[source]),
            lag_events: histogram(recorder, &LAG_EVENTS, &[source]),
            log_events: gauge(recorder, &LOG_EVENTS, &[source]),
            log_bytes: gauge(recorder, &LOG_BYTES, &[source]),
            log_dir_errors: LateCounter::new(recorder, &LOG_DIR_ERRORS, &[source]),
            log_dir_lag_events: LateGauge::new(recorder, &LOG_DIR_LAG_EVENTS, &[source]),
            channels: gauge(recorder, &CHANNELS, &[source]),
            derived_channels: LateGauge::new(recorder, &DERIVED_CHANNELS, &[source]),
            read: Read {
                events_received: events_received_total,
                bytes_received: bytes_received_total,
                deliveries: deliveries_total,
                bytes_sent: bytes_sent_total,
                resumes: [exact_total, gap_total],
            },
        }
    }

    /// What has been counted since the start.
    pub fn totals(&self) -> SourceTotals {
        let read = |total: &Total| total.load(Ordering::Relaxed);
        SourceTotals {
            events_received: read(&self.read.events_received),
            bytes_received: read(&self.read.bytes_received),
            deliveries: read(&self.read.deliveries),
            bytes_sent: read(&self.read.bytes_sent),
            resumes: self.read.resumes.each_ref().map(read),
            evictions: self.evictions.each_ref().map(LateCounter::total),
            gaps: self.gaps.each_ref().map(LateCounter::total),
            closed: self.closed.each_ref().map(LateCounter::total),
        }
    }

    /// From now on the counters of what may happen are there, at 0 if nothing has.
    pub fn announce(&self, possible: &Possible<'_>) {
        let Possible {
            closes,
            evictions,
            gaps,
            keeps_log,
            derives,
            compresses,
        } = possible;
        if *derives {
            self.derived_channels.add(0.0);
        }
        if *compresses {
            self.compressed_bytes.announce();
            self.uncompressed_bytes.announce();
        }
        if *keeps_log {
            self.log_dir_errors.announce();
            self.log_dir_lag_events.add(0.0);
        }
        let announce = |counter: &LateCounter| counter.announce();
        let close = CloseReason::ALL.into_iter().filter(|&reason| closes(reason));
        close.for_each(|reason| announce(&self.closed[reason.index()]));
        let evict = EvictReason::ALL.into_iter().filter(|&reason| evictions(reason));
        evict.for_each(|reason| announce(&self.evictions[reason.index()]));
        let gap = GapReason::ALL.into_iter().filter(|&reason| gaps(reason));
        gap.for_each(|reason| announce(&self.gaps[reason.index()]));
    }
}
