//! What the admin listener sees of the relay.

use super::sources::{Live, Sources};
use crate::admission::Admission;
use crate::delivery::{ClientReport, Shards, SourceReport};
use crate::log::Read;
use crate::metrics::Metrics;
use crate::status::{
    ClientCounts, ClientStatus, HeadStatus, LagStatus, LastError, LogStatus, NotReady, Observed, Quantiles, Readiness,
    SourceState, SourceStatus, Status, UpstreamState, UpstreamStatus, keep_slowest,
};
use crate::timestamp::Timestamp;
use crate::upstream::{Phase, Snapshot};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

pub(super) struct Observer {
    metrics: Arc<Metrics>,
    sources: Sources,
    shards: Arc<Shards>,
    admission: Arc<Admission>,
    started: Instant,
}

impl Observer {
    pub(super) fn new(metrics: Arc<Metrics>, sources: Sources, shards: Arc<Shards>, admission: Arc<Admission>) -> Self {
        Self {
            metrics,
            sources,
            shards,
            admission,
            started: Instant::now(),
        }
    }
}

impl Observed for Observer {
    fn status(&self) -> Pin<Box<dyn Future<Output = Status> + Send + '_>> {
        Box::pin(async {
            let mut reports = self.shards.report().await;
            let sources = self.sources.live().iter().map(|live| {
                let name = &live.channel.source().name;
                let parts = reports.iter_mut().filter_map(|report| report.sources.remove(name));
                source_status(live, parts)
            });
            Status {
                version: env!("CARGO_PKG_VERSION"),
                uptime_seconds: self.started.elapsed().as_secs_f64(),
                draining: self.admission.draining(),
                sources: sources.collect(),
            }
        })
    }

    fn readiness(&self) -> Readiness {
        let required = || self.sources.live().iter().filter(|live| live.channel.source().required);
        Readiness {
            draining: self.admission.draining(),
            required: required().map(|live| live.channel.source().name.clone()).collect(),
            reasons: required().flat_map(not_ready).collect(),
        }
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

/// What keeps a source from being ready: each of its upstreams that is not connected.
fn not_ready(live: &Live) -> impl Iterator<Item = NotReady> + '_ {
    let source = &live.channel.source().name;
    live.upstreams.iter().filter_map(move |(name, state)| {
        let snapshot = state.snapshot();
        if matches!(snapshot.phase, Phase::Connected { .. } | Phase::Ended) {
            return None;
        }
        let (reason, detail) = match snapshot.last_error {
            Some(error) => (error.reason.label(), error.detail),
            None => ("connecting", "not connected yet".to_owned()),
        };
        let (source, upstream) = (Some(source.clone()), Some(name.clone()));
        Some(NotReady {
            source,
            upstream,
            reason: reason.to_owned(),
            detail,
        })
    })
}

fn source_status(live: &Live, reports: impl Iterator<Item = SourceReport>) -> SourceStatus {
    let channel = &live.channel;
    let source = channel.source();
    let upstreams: Vec<_> = live
        .upstreams
        .iter()
        .map(|(name, state)| upstream_status(name, &state.snapshot()))
        .collect();
    let (mut counts, mut lag_events, mut lag_bytes, mut slowest) =
        (ClientCounts::default(), Vec::new(), Vec::new(), Vec::new());
    for report in reports {
        for (count, more) in counts.0.iter_mut().zip(report.by_protocol) {
            *count += more;
        }
        lag_events.extend(report.lag_events);
        lag_bytes.extend(report.lag_bytes);
        slowest.extend(report.slowest.iter().map(client_status));
        keep_slowest(&mut slowest);
    }
    SourceStatus {
        name: source.name.clone(),
        paths: source.paths.clone(),
        required: source.required,
        state: source_state(&live.upstreams),
        upstreams,
        channels: 1,
        head: head(live),
        log: log(live),
        clients: counts,
        lag: LagStatus {
            events: Quantiles::of(&mut lag_events),
            bytes: Quantiles::of(&mut lag_bytes),
        },
        slowest,
    }
}

fn source_state(upstreams: &[(String, Arc<crate::upstream::State>)]) -> SourceState {
    let snapshots: Vec<_> = upstreams.iter().map(|(_, state)| state.snapshot()).collect();
    let connected = snapshots
        .iter()
        .filter(|snapshot| matches!(snapshot.phase, Phase::Connected { .. }))
        .count();
    if connected == snapshots.len() {
        SourceState::Live
    } else if connected > 0 {
        SourceState::Partial
    } else if snapshots.iter().all(|snapshot| snapshot.phase == Phase::Ended) {
        SourceState::Ended
    } else if snapshots.iter().any(|snapshot| snapshot.connects > 0) {
        SourceState::Away
    } else {
        SourceState::Connecting
    }
}

fn upstream_status(name: &str, snapshot: &Snapshot) -> UpstreamStatus {
    let state = match snapshot.phase {
        Phase::Connecting => UpstreamState::Connecting,
        Phase::Connected { .. } => UpstreamState::Connected,
        Phase::Waiting { .. } => UpstreamState::Waiting,
        Phase::Ended => UpstreamState::Ended,
        Phase::Stopped => UpstreamState::Idle,
    };
    let last_error = snapshot.last_error.as_ref().map(|error| LastError {
        reason: error.reason.label(),
        status: error.status,
        detail: error.detail.clone(),
        at: Timestamp(error.at),
    });
    UpstreamStatus {
        name: name.to_owned(),
        state,
        for_seconds: snapshot.since.elapsed().unwrap_or_default().as_secs_f64(),
        reconnects: snapshot.reconnects,
        last_error,
    }
}

fn head(live: &Live) -> Option<HeadStatus> {
    let log = live.channel.log();
    let (head, id) = log.tip();
    let age = match log.read(head) {
        Read::Entry(entry) => entry.received().elapsed(),
        // Let go by age: at least that old.
        Read::NotYet | Read::Gone => live.channel.source().log.age,
    };
    let id = (!id.is_empty()).then(|| String::from_utf8_lossy(&id).into_owned());
    (head > 0).then_some(HeadStatus {
        id,
        age_seconds: age.as_secs_f64(),
    })
}

fn log(live: &Live) -> LogStatus {
    let log = live.channel.log();
    let oldest_age_seconds = match log.read(log.tail()) {
        Read::Entry(entry) => Some(entry.received().elapsed().as_secs_f64()),
        Read::NotYet | Read::Gone => None,
    };
    LogStatus {
        events: log.events(),
        bytes: log.bytes(),
        oldest_age_seconds,
    }
}

fn client_status(client: &ClientReport) -> ClientStatus {
    ClientStatus {
        peer: client.peer.to_string(),
        protocol: client.protocol.label(),
        lag_events: client.lag_events,
        lag_bytes: client.lag_bytes,
        connected_seconds: client.connected.as_secs_f64(),
        stalled_seconds: client.stalled.as_secs_f64(),
    }
}
