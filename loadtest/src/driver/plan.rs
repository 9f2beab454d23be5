//! What a scenario does: its numbers, with defaults for a full run and for `--quick`.

mod defaults;
mod overrides;
mod scenario;
mod thundering_herd;

pub(crate) use self::overrides::{CrowdArgs, Overrides};
pub(crate) use self::scenario::Scenario;
pub(crate) use self::thundering_herd::ThunderingHerd;

use serde::Serialize;
use std::time::Duration;

/// The numbers of one run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Plan {
    pub(crate) scenario: Scenario,
    pub(crate) clients: usize,
    /// Clients before the measured growth: `memory`, `idle-jobs`, `edge`.
    pub(crate) from_clients: usize,
    pub(crate) connects_per_second: f64,
    /// For each stream.
    pub(crate) events_per_second: f64,
    pub(crate) burst: u32,
    pub(crate) size_bytes: usize,
    /// The origin writes ids; else the server may assign them.
    pub(crate) ids: bool,
    pub(crate) warmup: Duration,
    pub(crate) duration: Duration,
    pub(crate) stalled_share: f64,
    pub(crate) slow_share: f64,
    pub(crate) slow_bytes_per_second: u64,
    pub(crate) churn_per_second: f64,
    /// How often half of the clients are cut together; 0: never.
    pub(crate) cut_every: Duration,
    pub(crate) streams: usize,
    /// Instances with clients.
    pub(crate) instances: usize,
    /// The instances stand behind one more, which has no clients: `million`; `tree` always.
    pub(crate) behind_root: bool,
    /// Events that go out to all, one at a time: `million` only.
    pub(crate) all_events: u64,
    /// Clients that are cut together, and how many come back in a second: `million` only.
    pub(crate) storm_clients: usize,
    pub(crate) storm_per_second: f64,
    /// Events that a cut client misses: `resume-storm`, `million`.
    pub(crate) replay_events: u64,
    /// Clients beside the crowd, which stay connected and read: `resume-storm`, `evict-storm`.
    pub(crate) healthy: usize,
    /// Events of the burst: `burst` only.
    pub(crate) burst_events: u64,
    /// How often certificates are replaced, or the server: `renew-certificates`, `upgrade`.
    pub(crate) renewals: u32,
    /// `thundering-herd` only.
    pub(crate) thundering_herd: Option<ThunderingHerd>,
}

impl Plan {
    /// The same clients, deliveries and bytes with one stream for all: what many streams are
    /// compared with.
    pub(crate) fn as_one_stream(&self) -> Self {
        Plan {
            scenario: Scenario::Fanout,
            streams: 1,
            ..self.clone()
        }
    }

    /// evict-storm: how long a client may take nothing. The measurement before the eviction fits
    /// in.
    pub(crate) fn stall(&self) -> Duration {
        self.duration + Duration::from_secs(10)
    }

    /// Whether an upgrade of the server is a part of it.
    pub(crate) fn upgrades(&self) -> bool {
        matches!(self.scenario, Scenario::Upgrade | Scenario::Million)
    }

    /// Whether a root has no clients but other instances.
    pub(crate) fn has_root(&self) -> bool {
        self.scenario == Scenario::Tree || self.behind_root
    }

    /// Whether the path that clients ask for names one of many streams.
    pub(crate) fn is_templated(&self) -> bool {
        matches!(self.scenario, Scenario::Jobs | Scenario::IdleJobs)
    }

    /// Mistakes in the numbers, for people.
    pub(crate) fn check(&self) -> Result<(), String> {
        let wrong = [
            (self.clients == 0, "--clients must be at least 1"),
            (self.from_clients >= self.clients, "--from must be below --to"),
            (self.connects_per_second <= 0.0, "--connect-rate must be above 0"),
            (self.events_per_second < 0.0, "--rate must not be negative"),
            (
                self.streams == 0 || self.instances == 0,
                "--streams and --instances must be at least 1",
            ),
            (
                self.stalled_share + self.slow_share > 0.95,
                "--stalled and --slow leave no reader to measure",
            ),
            (
                self.scenario == Scenario::EvictStorm && self.healthy == 0,
                "--healthy must be at least 1: without them no client measures the delay",
            ),
            (
                self.scenario == Scenario::Burst && self.burst_events == 0,
                "--events must be at least 1",
            ),
        ];
        match wrong.into_iter().find(|(wrong, _)| *wrong) {
            Some((_, message)) => Err(message.to_owned()),
            None => self.thundering_herd.as_ref().map_or(Ok(()), ThunderingHerd::check),
        }
    }

    /// Whether an event stream flows while it is measured.
    pub(crate) fn is_steady(&self) -> bool {
        !matches!(
            self.scenario,
            Scenario::ConnectStorm
                | Scenario::ResumeStorm
                | Scenario::EvictStorm
                | Scenario::Burst
                | Scenario::ThunderingHerd
                | Scenario::Memory
                | Scenario::IdleJobs
                | Scenario::Million
        )
    }
}
