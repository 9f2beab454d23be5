//! The handles of who is not let in.

use super::definitions;
use super::labels::DenyReason;
use super::late::LateCounter;
use metrics_exporter_prometheus::PrometheusRecorder;
use std::sync::Arc;

/// Handles of one source's access.
pub struct AccessMetrics {
    /// `fanfare_access_denied_total`, by reason.
    denied: [LateCounter; DenyReason::ALL.len()],
}

impl AccessMetrics {
    pub(super) fn new(recorder: &Arc<PrometheusRecorder>, source: &str) -> Self {
        let counter = |reason: DenyReason| {
            let labels = [source, reason.label()];
            LateCounter::new(recorder, &definitions::ACCESS_DENIED, &labels)
        };
        Self {
            denied: DenyReason::ALL.map(counter),
        }
    }

    /// From now on the counters of what may happen are there, at 0 if nothing has.
    pub fn announce(&self, possible: impl Fn(DenyReason) -> bool) {
        let reasons = DenyReason::ALL.into_iter().filter(|&reason| possible(reason));
        reasons.for_each(|reason| self.denied[reason.index()].announce());
    }

    /// Counts a request that was not let in.
    pub fn denied(&self, reason: DenyReason) {
        self.denied[reason.index()].increment(1);
    }
}
