//! Every metric of the program: name, help, labels, buckets.
//!
//! Handles are fetched once, when a source, an upstream or a listener starts. Nothing is touched per delivery: shards
//! count in plain integers and add them up here about once a second.

use metrics::{Counter, Gauge, Histogram};
use std::sync::Arc;

/// The process's metrics, and the text that Prometheus scrapes.
pub struct Metrics {
    recorder: metrics_exporter_prometheus::PrometheusRecorder,
}

/// Why a client's stream ended: the `reason` of `fanfare_connections_closed_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The client left.
    Client,
    /// The socket failed.
    Error,
    /// The slow-client policy.
    Evicted,
    /// The process is leaving.
    Drained,
    /// `max_age`.
    MaxAge,
    /// The stream ended for good.
    Ended,
}

/// Why a client was evicted: the `reason` of `fanfare_evictions_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvictReason {
    /// Lag in events.
    Events,
    /// Lag in bytes.
    Bytes,
    /// No progress for `stall`.
    Stall,
    /// The log let go what the client still needed.
    Log,
}

/// Why events can't be delivered: the `reason` of gap events and of `fanfare_gaps_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// The last event ID is not one that the log knows.
    UnknownId,
    /// The log knew it, and has let go what follows.
    Evicted,
    /// The origin gave the relay no way to resume.
    UpstreamReconnected,
    /// An event over the limit was dropped.
    OversizedEvent,
    /// The slow-client policy `skip`.
    Skipped,
}

/// How a client speaks: the `protocol` of `fanfare_clients`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0: no chunks.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

/// Why a request was refused: the `reason` of `fanfare_refused_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefuseReason {
    /// `limits.clients`.
    Clients,
    /// `limits.clients_per_ip`.
    ClientsPerIp,
    /// `limits.accepts_per_second`.
    Rate,
    /// No descriptor left.
    Descriptors,
    /// The process is leaving.
    Draining,
    /// `limits.channels`.
    Channels,
    /// 404.
    NotFound,
    /// 405.
    Method,
    /// 406.
    NotAcceptable,
    /// 400, 414 and 431.
    BadRequest,
    /// No request head within `limits.header_timeout`.
    HeaderTimeout,
    /// The origin's own answer (401, 403, 404, 410).
    Origin,
}

/// Handles of one source.
pub struct SourceMetrics {
    /// `fanfare_clients`, by protocol.
    pub clients: [Gauge; 3],
    /// `fanfare_connections_closed_total`, by reason.
    pub closed: [Counter; 6],
    /// `fanfare_evictions_total`, by reason.
    pub evictions: [Counter; 4],
    /// `fanfare_gaps_total`, by reason.
    pub gaps: [Counter; 5],
    /// `fanfare_resumes_total{outcome="exact"}`.
    pub resumes_exact: Counter,
    /// `fanfare_resumes_total{outcome="gap"}`.
    pub resumes_gap: Counter,
    /// `fanfare_events_received_total`.
    pub events_received: Counter,
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

/// Handles of one upstream.
pub struct UpstreamMetrics {
    /// `fanfare_upstream_connected`.
    pub connected: Gauge,
    /// `fanfare_upstream_reconnects_total`, by reason: in the order of `upstream::Reason`.
    pub reconnects: Vec<Counter>,
}

/// Handles of the listeners.
pub struct ListenerMetrics {
    /// `fanfare_connections_opened_total`.
    pub opened: Counter,
    /// `fanfare_refused_total`, by reason: in the order of [`RefuseReason`].
    pub refused: Vec<Counter>,
}

impl Metrics {
    /// Fresh metrics, independent of any other instance in the process.
    pub fn new() -> Arc<Self> {
        unimplemented!()
    }
    /// The handles of a source; the same ones for the same name.
    pub fn source(&self, _name: &str) -> Arc<SourceMetrics> {
        unimplemented!()
    }
    /// The handles of an upstream.
    pub fn upstream(&self, _source: &str, _upstream: &str) -> UpstreamMetrics {
        unimplemented!()
    }
    /// The handles of the listeners.
    pub fn listener(&self) -> ListenerMetrics {
        unimplemented!()
    }
    /// The text that `/metrics` answers with, the process metrics brought up to date.
    pub fn render(&self) -> String {
        unimplemented!()
    }
}

impl GapReason { /// The label.
    pub fn label(self) -> &'static str { "" } }
impl EvictReason { /// The label.
    pub fn label(self) -> &'static str { "" } }
impl RefuseReason { /// The label.
    pub fn label(self) -> &'static str { "" } }
