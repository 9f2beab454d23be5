//! Handles of the proxy.

use super::definitions;
use super::series::{counter, gauge, histogram};
use metrics::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::PrometheusRecorder;
use std::sync::{Arc, OnceLock};

/// Status codes of HTTP (RFC 9110, 15): three digits, the first from 1 to 5.
const CODES: std::ops::Range<u16> = 100..600;

/// Handles of the proxy.
pub struct ProxyMetrics {
    recorder: Arc<PrometheusRecorder>,
    /// By code: a series appears with its first value, since each origin has a few codes of many.
    requests: Box<[OnceLock<Counter>]>,
    /// `fanfare_proxied_request_seconds`.
    pub seconds: Histogram,
    /// `fanfare_proxied_streams`.
    pub streams: Gauge,
}

impl ProxyMetrics {
    pub(super) fn new(recorder: &Arc<PrometheusRecorder>) -> Self {
        Self {
            recorder: recorder.clone(),
            requests: CODES.map(|_| OnceLock::new()).collect(),
            seconds: histogram(recorder, &definitions::PROXIED_REQUEST_SECONDS, &[]),
            streams: gauge(recorder, &definitions::PROXIED_STREAMS, &[]),
        }
    }

    /// Counts a request by the status that the client gets. One that no standard knows counts as
    /// 599.
    pub fn answered(&self, code: u16) {
        let known = if CODES.contains(&code) { code } else { CODES.end - 1 };
        let series = &self.requests[usize::from(known - CODES.start)];
        let register = || counter(&self.recorder, &definitions::PROXIED_REQUESTS, &[&known.to_string()]);
        series.get_or_init(register).increment(1);
    }
}
