//! The handles of a source's shared log.

use super::definitions;
use super::series::{counter, gauge, histogram};
use metrics::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::PrometheusRecorder;

/// Handles of one source's shared log. They are there from the start, at 0.
pub struct FleetMetrics {
    /// `fanfare_fleet_leader`.
    pub leader: Gauge,
    /// `fanfare_fleet_channels_led`.
    pub channels_led: Gauge,
    /// `fanfare_fleet_term`.
    pub term: Gauge,
    /// `fanfare_fleet_lease_age_seconds`.
    pub lease_age_seconds: Gauge,
    /// `fanfare_fleet_append_seconds`.
    pub append_seconds: Histogram,
    /// `fanfare_fleet_resyncs_total`.
    pub resyncs: Counter,
    /// `fanfare_fleet_appends_refused_total`.
    pub appends_refused: Counter,
    /// `fanfare_fleet_buffered_events`.
    pub buffered_events: Gauge,
    /// `fanfare_fleet_consumer_rebuilds_total`.
    pub consumer_rebuilds: Counter,
    /// `fanfare_fleet_history_reads_total`.
    pub history_reads: Counter,
    /// `fanfare_fleet_local`.
    pub local: Gauge,
    /// `fanfare_fleet_gone_local_total`.
    pub locals: Counter,
    /// `fanfare_fleet_lag_events`.
    pub lag_events: Gauge,
}

impl FleetMetrics {
    /// `has_channels`: the source has parameters, and a log for each channel. What says who leads a source
    /// says nothing then, and is left out.
    pub(super) fn new(recorder: &PrometheusRecorder, source: &str, has_channels: bool) -> Self {
        let (counter, gauge) = (
            |definition| counter(recorder, definition, &[source]),
            |definition| gauge(recorder, definition, &[source]),
        );
        let gauge_if = |is_there: bool, definition| match is_there {
            true => gauge(definition),
            false => Gauge::noop(),
        };
        Self {
            leader: gauge_if(!has_channels, &definitions::FLEET_LEADER),
            channels_led: gauge_if(has_channels, &definitions::FLEET_CHANNELS_LED),
            term: gauge_if(!has_channels, &definitions::FLEET_TERM),
            lease_age_seconds: gauge(&definitions::FLEET_LEASE_AGE_SECONDS),
            append_seconds: histogram(recorder, &definitions::FLEET_APPEND_SECONDS, &[source]),
            resyncs: counter(&definitions::FLEET_RESYNCS),
            appends_refused: counter(&definitions::FLEET_APPENDS_REFUSED),
            buffered_events: gauge(&definitions::FLEET_BUFFERED_EVENTS),
            consumer_rebuilds: counter(&definitions::FLEET_CONSUMER_REBUILDS),
            history_reads: counter(&definitions::FLEET_HISTORY_READS),
            local: gauge(&definitions::FLEET_LOCAL),
            locals: counter(&definitions::FLEET_GONE_LOCAL),
            lag_events: gauge(&definitions::FLEET_LAG_EVENTS),
        }
    }
}
