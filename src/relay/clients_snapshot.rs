//! The clients of a source or of a combined path, as all shards report them.

use crate::delivery::{ClientReport, SourceReport, keep_slowest};
use crate::status::{ClientCounts, ClientStatus, LagSpread, LagStatus, Quantiles};

/// The clients of a source, as all shards report them.
pub(super) struct ClientsSnapshot {
    pub(super) counts: ClientCounts,
    pub(super) lag: LagStatus,
    pub(super) slowest: Vec<ClientStatus>,
}

impl ClientsSnapshot {
    pub(super) fn of(reports: impl Iterator<Item = SourceReport>) -> Self {
        let (mut counts, mut lag_events, mut lag_bytes, mut slowest) =
            (ClientCounts::default(), Vec::new(), Vec::new(), Vec::new());
        for report in reports {
            for (count, more) in counts.0.iter_mut().zip(report.by_protocol) {
                *count += more;
            }
            lag_events.extend(report.lag_events);
            lag_bytes.extend(report.lag_bytes);
            slowest.extend(report.slowest);
            keep_slowest(&mut slowest);
        }
        Self {
            counts,
            lag: LagStatus {
                events: Quantiles::of(&mut lag_events),
                bytes: Quantiles::of(&mut lag_bytes),
                spread: LagSpread::of(&lag_events),
            },
            slowest: slowest.iter().map(client_status).collect(),
        }
    }
}

/// One of them.
pub(super) fn client_status(client: &ClientReport) -> ClientStatus {
    ClientStatus {
        peer: client.peer.to_string(),
        protocol: client.protocol.label(),
        lag_events: client.lag_events,
        lag_bytes: client.lag_bytes,
        connected_seconds: client.connected.as_secs_f64(),
        stalled_seconds: client.stalled.as_secs_f64(),
    }
}
