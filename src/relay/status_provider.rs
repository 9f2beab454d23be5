//! What the admin listener sees of the relay.

use super::clients_snapshot::{ClientsSnapshot, client_status};
use super::fleet_status::{fleet_status, followed, not_within_reach};
use super::handover::HandOver;
use super::liveness::Liveness;
use super::reload::Record;
use crate::channel::{Channel, Settings};
use crate::delivery::{FoundClient, Shards, SourceReport, Whereabouts};
use crate::log::{Cursor, Log, Read, Tip};
use crate::metrics::{Limit, Metrics, SourceTotals};
use crate::quotas::Quotas;
use crate::source::{Combined, LiveSource, Plain, Registry};
use crate::status::{
    ClientDetails, CombinedStatus, HeadStatus, LastError, LeavingStatus, LimitsStatus, LogDirState, LogDirStatus,
    LogStatus, NotReady, Readiness, Sample, SourceState, SourceStatus, Status, StatusProvider, UpstreamState,
    UpstreamStatus, WantedClient,
};
use crate::timestamp::Timestamp;
use crate::upstream::{self, Phase, StatusCell};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Handle;

pub(super) struct RelayStatus {
    pub(super) metrics: Arc<Metrics>,
    pub(super) registry: Registry,
    pub(super) record: Record,
    hand_over: Arc<HandOver>,
    shards: Arc<Shards>,
    quotas: Arc<Quotas>,
    started: Instant,
}

impl RelayStatus {
    pub(super) fn new(
        metrics: Arc<Metrics>,
        registry: Registry,
        shards: Arc<Shards>,
        quotas: Arc<Quotas>,
        record: Record,
        hand_over: Arc<HandOver>,
    ) -> Self {
        Self {
            metrics,
            registry,
            record,
            hand_over,
            shards,
            quotas,
            started: Instant::now(),
        }
    }

    pub(super) fn liveness(&self) -> Liveness {
        let upstreams = ("upstreams", self.registry.upstream_runtime().clone());
        let requests = ("requests", Handle::current());
        Liveness::new(self.shards.pings(), vec![upstreams, requests])
    }

    fn limits(&self) -> LimitsStatus {
        LimitsStatus {
            clients: self.metrics.limit_of(Limit::Clients),
            channels: self.metrics.limit_of(Limit::Channels),
            descriptors: self.metrics.limit_of(Limit::Descriptors),
        }
    }

    pub(super) fn settings(&self, source: &str) -> Option<Settings> {
        self.registry.settings(source)
    }
}

impl StatusProvider for RelayStatus {
    fn status(&self) -> Pin<Box<dyn Future<Output = Status> + Send + '_>> {
        Box::pin(async {
            let mut reports = self.shards.report().await;
            let list = self.registry.list();
            let sources = list.iter().map(|live| {
                let name = &live.name();
                let parts = reports.iter_mut().filter_map(|report| report.sources.remove(name));
                source_status(live, parts, self.metrics.totals_of(name))
            });
            let sources = sources.collect();
            let paths = self.registry.combined();
            let combined = paths.iter().map(|combined| {
                let path = combined.path();
                let parts = reports.iter_mut().filter_map(|report| report.sources.remove(path));
                combined_status(combined, parts, self.metrics.totals_of(path))
            });
            Status {
                version: env!("CARGO_PKG_VERSION"),
                uptime_seconds: self.started.elapsed().as_secs_f64(),
                draining: self.quotas.drain_announced(),
                reload: self.record.last(),
                upgrade: self.hand_over.last(),
                not_in_force: self.record.not_in_force(),
                clients: self.quotas.clients() as u64,
                limits: self.limits(),
                process: self.metrics.process(),
                totals: self.metrics.totals(),
                sources,
                combined: combined.collect(),
            }
        })
    }

    fn clients_at(&self, wanted: WantedClient) -> Pin<Box<dyn Future<Output = Vec<ClientDetails>> + Send + '_>> {
        let WantedClient { ip, port } = wanted;
        Box::pin(async move {
            let found = self.shards.find(Whereabouts { ip, port }).await;
            found.iter().map(client_details).collect()
        })
    }

    fn readiness(&self) -> Readiness {
        // A templated source has no upstream before its first client: it is never waited for.
        let list = self.registry.list();
        let required = || {
            list.iter().filter_map(|live| match &**live {
                LiveSource::Plain(plain) if plain.channel.settings().load().required => Some(plain),
                _ => None,
            })
        };
        Readiness {
            draining: self.quotas.drain_announced(),
            required: required().map(|plain| plain.channel.name().to_owned()).collect(),
            reasons: required().flat_map(what_is_missing).collect(),
        }
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn sample(&self) -> Sample {
        let list = self.registry.list();
        let counted = list.iter().map(|live| {
            let name = live.name();
            let totals = self.metrics.totals_of(&name);
            (name, totals)
        });
        Sample {
            clients: self.quotas.clients() as u64,
            totals: self.metrics.totals(),
            sources: counted.collect(),
        }
    }
}

/// What keeps a source from being ready. Where another instance feeds its log, no upstream does.
fn what_is_missing(plain: &Plain) -> Vec<NotReady> {
    match plain.fleet() {
        None => not_ready(plain).collect(),
        Some(state) => {
            let upstreams = not_ready(plain).filter(|_| state.is_leader);
            not_within_reach(plain, &state).into_iter().chain(upstreams).collect()
        }
    }
}

/// What keeps a source from being ready: each of its upstreams that is not connected.
fn not_ready(plain: &Plain) -> impl Iterator<Item = NotReady> + '_ {
    let source = plain.channel.name().to_owned();
    plain
        .upstreams()
        .zip(&*plain.statuses)
        .filter_map(move |(name, status)| {
            let status = status.read();
            if matches!(status.phase, Phase::Connected { .. } | Phase::Ended) {
                return None;
            }
            let (reason, detail) = match status.last_error {
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

/// The channels of a source, and what their upstreams are doing: one list per channel, in the order
/// of the configuration.
struct ChannelSnapshots {
    channels: Vec<Arc<Channel>>,
    upstreams: Vec<Vec<upstream::Status>>,
}

fn source_status(live: &LiveSource, reports: impl Iterator<Item = SourceReport>, totals: SourceTotals) -> SourceStatus {
    let source = live.settings().snapshot();
    let (channels, statuses): (Vec<_>, Vec<_>) = live.channels().into_iter().unzip();
    let read = |statuses: &Arc<[Arc<StatusCell>]>| statuses.iter().map(|status| status.read()).collect();
    let snapshots = ChannelSnapshots {
        channels,
        upstreams: statuses.iter().map(read).collect(),
    };
    let names = live.upstreams();
    let upstreams = names.iter().enumerate().map(|(n, name)| snapshots.upstream(n, name));
    let clients = ClientsSnapshot::of(reports);
    let fleet = live.fleet();
    SourceStatus {
        name: source.name.clone(),
        paths: source.paths.clone(),
        required: source.required,
        state: fleet.as_ref().and_then(followed).unwrap_or_else(|| snapshots.state()),
        upstreams: upstreams.collect(),
        channels: snapshots.channels.len() as u64,
        derived_channels: snapshots.derived(),
        head: match live {
            LiveSource::Plain(plain) => head(&plain.channel),
            LiveSource::Templated(_) => None,
        },
        fleet: fleet.as_ref().map(fleet_status),
        log: snapshots.log(log_dir(live, source.log.dir.as_deref())),
        clients: clients.counts,
        lag: clients.lag,
        slowest: clients.slowest,
        totals,
    }
}

fn combined_status(
    combined: &Combined,
    reports: impl Iterator<Item = SourceReport>,
    totals: SourceTotals,
) -> CombinedStatus {
    let snapshots = ChannelSnapshots {
        channels: combined.channels(),
        upstreams: Vec::new(),
    };
    let clients = ClientsSnapshot::of(reports);
    CombinedStatus {
        path: combined.path().to_owned(),
        sources: combined.all_names().map(str::to_owned).collect(),
        joined_channels: snapshots.channels.len() as u64,
        derived_channels: snapshots.derived(),
        log: snapshots.log(None),
        clients: clients.counts,
        lag: clients.lag,
        slowest: clients.slowest,
        totals,
    }
}

impl ChannelSnapshots {
    /// Channels that are computed from these.
    fn derived(&self) -> u64 {
        self.channels.iter().map(|channel| channel.derived_count() as u64).sum()
    }

    fn state(&self) -> SourceState {
        let all = || self.upstreams.iter().flatten();
        let connected = all().filter(|status| is_connected(status)).count();
        if self.channels.is_empty() {
            SourceState::Idle
        } else if connected == all().count() {
            SourceState::Live
        } else if connected > 0 {
            SourceState::Partial
        } else if all().all(|status| status.phase == Phase::Ended) {
            SourceState::Ended
        } else if all().any(|status| status.connects > 0) {
            SourceState::Away
        } else {
            SourceState::Connecting
        }
    }

    /// The `n`th upstream over all channels: as the one that is doing best, with the last failure
    /// of any.
    fn upstream(&self, n: usize, name: &str) -> UpstreamStatus {
        let all = || self.upstreams.iter().filter_map(|statuses| statuses.get(n));
        let best = all().min_by_key(|status| upstream_state(status) as u8);
        let last_error = all()
            .filter_map(|status| status.last_error.as_ref())
            .max_by_key(|error| error.at);
        UpstreamStatus {
            name: name.to_owned(),
            state: best.map_or(UpstreamState::Idle, upstream_state),
            for_seconds: best.map_or(0.0, |best| best.since.elapsed().unwrap_or_default().as_secs_f64()),
            reconnects: all().map(|status| status.reconnects).sum(),
            last_error: last_error.map(|error| LastError {
                reason: error.reason.label(),
                status: error.status,
                detail: error.detail.clone(),
                at: Timestamp(error.at),
            }),
        }
    }

    fn log(&self, dir: Option<LogDirStatus>) -> LogStatus {
        let logs = || self.channels.iter().map(|channel| channel.log());
        let oldest = logs().filter_map(|log| match log.read(log.tail()) {
            Read::Entry(entry) => Some(entry.received().elapsed().as_secs_f64()),
            Read::NotYet | Read::Gone => None,
        });
        LogStatus {
            events: logs().map(Log::events).sum(),
            bytes: logs().map(Log::bytes).sum(),
            oldest_age_seconds: oldest.max_by(f64::total_cmp),
            dir,
        }
    }
}

/// How the logs of a source are kept: as the one that is worst.
fn log_dir(live: &LiveSource, path: Option<&Path>) -> Option<LogDirStatus> {
    let states = live.kept()?;
    let error = states.iter().find_map(|state| state.failure.clone());
    Some(LogDirStatus {
        path: path?.display().to_string(),
        state: match error {
            None => LogDirState::Kept,
            Some(_) => LogDirState::Memory,
        },
        lag_events: states.iter().map(|state| state.lag_events).sum(),
        error,
    })
}

fn is_connected(status: &upstream::Status) -> bool {
    matches!(status.phase, Phase::Connected { .. })
}

fn upstream_state(status: &upstream::Status) -> UpstreamState {
    match status.phase {
        Phase::Connecting => UpstreamState::Connecting,
        Phase::Connected { .. } => UpstreamState::Connected,
        Phase::Waiting { .. } => UpstreamState::Waiting,
        Phase::Ended => UpstreamState::Ended,
        Phase::Stopped => UpstreamState::Idle,
    }
}

fn head(channel: &Channel) -> Option<HeadStatus> {
    let log = channel.log();
    let Tip { cursor, id, .. } = log.tip();
    let age = match log.read(cursor) {
        Read::Entry(entry) => entry.received().elapsed(),
        // Let go by age: at least that old.
        Read::NotYet | Read::Gone => channel.settings().load().log.age,
    };
    let id = (!id.is_empty()).then(|| String::from_utf8_lossy(&id).into_owned());
    (cursor > Cursor::START).then_some(HeadStatus {
        id,
        age_seconds: age.as_secs_f64(),
    })
}

fn client_details(found: &FoundClient) -> ClientDetails {
    let id = found.last_event_id.as_ref().filter(|id| !id.is_empty());
    ClientDetails {
        source: found.source.clone(),
        client: client_status(&found.report),
        state: found.state,
        last_event_id: id.map(|id| String::from_utf8_lossy(id).into_owned()),
        silent_seconds: found.silent.as_secs_f64(),
        leaves: found.leaves.map(|(reason, time)| LeavingStatus {
            reason: reason.label(),
            in_seconds: time.as_secs_f64(),
        }),
        user: found.user.as_ref().map(|user| format!("{user:?}")),
        expires: found.expires.map(Timestamp),
    }
}
