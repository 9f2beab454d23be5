//! Which counters a source has from its start on: those of what its settings make possible.

use crate::config::{Compress, SlowPolicy, Source};
use crate::metrics::{CloseReason, EvictReason, GapReason, Metrics, Possible, SourceMetrics};
use std::sync::Arc;

/// The handles of a source, with the counters announced that can move.
pub fn metrics_of(source: &Source, metrics: &Metrics) -> Arc<SourceMetrics> {
    let handles = metrics.source(&source.name);
    let (policy, stalls) = (source.slow_client.policy, !source.slow_client.stall.is_zero());
    handles.announce(&Possible {
        closes: &|reason| match reason {
            CloseReason::MaxAge => !source.max_age.is_zero(),
            CloseReason::Expired => !source.access.is_empty(),
            // Counted by a process that is about to leave: it appears with its first value.
            CloseReason::HandedOver => false,
            _ => true,
        },
        evictions: &|reason| match (policy, reason) {
            (_, EvictReason::Stall) => stalls,
            (SlowPolicy::Evict, reason) => reason != EvictReason::Pause,
            (SlowPolicy::Skip, _) => false,
            (SlowPolicy::Pause, _) => true,
        },
        gaps: &|reason| match reason {
            GapReason::Skipped => policy == SlowPolicy::Skip || source.fleet,
            GapReason::LogLost => source.fleet,
            _ => true,
        },
        keeps_log: source.log.dir.is_some(),
        // One without upstreams is put together from others.
        derives: source.filters > 0 || source.upstreams.is_empty(),
        compresses: source.compress == Compress::Gzip,
    });
    handles
}
