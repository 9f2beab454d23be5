//! Numbers on the command line that replace a scenario's own.

use super::thundering_herd::ThunderingHerdArgs;
use super::{Plan, Scenario};
use crate::units::{parse_bytes, parse_duration, parse_share};
use clap::Args;
use std::time::Duration;

/// Numbers about the clients that replace a scenario's own.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct CrowdArgs {
    /// Clients
    #[arg(long, short = 'n')]
    pub(super) clients: Option<usize>,
    /// Connections opened per second
    #[arg(long)]
    pub(super) connect_rate: Option<f64>,
    /// Of the measurement, once all are live
    #[arg(long, short = 'd', value_parser = parse_duration)]
    pub(super) duration: Option<Duration>,
    /// Share of the clients that never read
    #[arg(long, value_parser = parse_share)]
    pub(super) stalled: Option<f64>,
    /// Share of the clients that read slowly
    #[arg(long, value_parser = parse_share)]
    pub(super) slow: Option<f64>,
    /// What a slow client reads in a second
    #[arg(long, value_parser = parse_bytes)]
    pub(super) slow_bytes: Option<usize>,
    /// Clients replaced per second
    #[arg(long)]
    pub(super) churn: Option<f64>,
    /// Half of the clients are cut at once, this often
    #[arg(long, value_parser = parse_duration)]
    pub(super) cut_every: Option<Duration>,
    /// Streams that the clients go round: those of jobs, or {stream} in a URL
    #[arg(long)]
    pub(super) streams: Option<usize>,
}

/// Numbers on the command line that replace a scenario's own.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Overrides {
    #[command(flatten)]
    pub(super) crowd: CrowdArgs,
    /// memory, idle-jobs, edge: clients before the measured growth
    #[arg(long)]
    pub(super) from: Option<usize>,
    /// memory, idle-jobs, edge: clients after it (the same as --clients)
    #[arg(long)]
    pub(super) to: Option<usize>,
    /// Events per second, on each stream; for connect-storm: connections per second
    #[arg(long, short = 'r')]
    pub(super) rate: Option<f64>,
    /// Events sent together; the rate stays the same
    #[arg(long)]
    pub(super) burst: Option<u32>,
    /// Bytes of one event on the wire
    #[arg(long, short = 's', value_parser = parse_bytes)]
    pub(super) size: Option<usize>,
    /// The origin writes an id into every event
    #[arg(long)]
    pub(super) ids: bool,
    /// Before the measurement
    #[arg(long, value_parser = parse_duration)]
    pub(super) warmup: Option<Duration>,
    /// siblings, tree, million: instances that have clients [default for million: as many as one's
    /// descriptors demand]
    #[arg(long)]
    pub(super) instances: Option<usize>,
    /// million: one more instance, which the others stand behind
    #[arg(long)]
    pub(super) root: bool,
    /// million: clients that are cut together and come back
    #[arg(long)]
    pub(super) storm: Option<usize>,
    /// resume-storm, million: events that every client misses
    #[arg(long)]
    pub(super) replay: Option<u64>,
    /// resume-storm, evict-storm: clients that stay connected and read, beside the others
    #[arg(long)]
    pub(super) healthy: Option<usize>,
    /// burst: its events; million: those that go out to all, one at a time
    #[arg(long)]
    pub(super) events: Option<u64>,
    /// renew-certificates: how often, spread over the measurement
    #[arg(long)]
    pub(super) renewals: Option<u32>,
    #[command(flatten)]
    pub(super) thundering_herd: ThunderingHerdArgs,
    /// Small numbers, for a check that all works
    #[arg(long)]
    pub(crate) quick: bool,
}

pub(super) fn put<T: Copy>(value: &mut T, from: Option<T>) {
    if let Some(from) = from {
        *value = from;
    }
}

/// Instances that so many clients need where each may have so many files open: a relay keeps an
/// eighth for connections that have not asked yet, and some for itself.
fn instances(clients: usize, descriptors: u64) -> usize {
    const OWN: u64 = 256;
    const PENDING_PART: u64 = 8;
    let most = descriptors.saturating_sub(OWN) / PENDING_PART * (PENDING_PART - 1);
    clients.div_ceil(usize::try_from(most).unwrap_or(usize::MAX).max(1))
}

impl Plan {
    /// With the command line's numbers put in.
    pub(crate) fn with(mut self, over: &Overrides) -> Self {
        if self.scenario == Scenario::ConnectStorm {
            put(&mut self.connects_per_second, over.rate);
        } else {
            put(&mut self.events_per_second, over.rate);
        }
        put(&mut self.burst, over.burst);
        put(&mut self.size_bytes, over.size);
        self.ids |= over.ids;
        put(&mut self.warmup, over.warmup);
        put(&mut self.instances, over.instances);
        put(&mut self.replay_events, over.replay);
        if self.scenario == Scenario::Million {
            self.behind_root = over.root;
            put(&mut self.storm_clients, over.storm);
            put(&mut self.all_events, over.events);
        }
        if matches!(self.scenario, Scenario::ResumeStorm | Scenario::EvictStorm) {
            put(&mut self.healthy, over.healthy);
        }
        if self.scenario == Scenario::Burst {
            put(&mut self.burst_events, over.events);
        }
        if matches!(self.scenario, Scenario::RenewCertificates | Scenario::Upgrade) {
            put(&mut self.renewals, over.renewals);
        }
        self.thundering_herd = self.thundering_herd.map(|herd| herd.with(&over.thundering_herd));
        self = self.with_crowd(&over.crowd);
        // They may stand beside scenarios that they mean nothing to.
        if matches!(self.scenario, Scenario::Memory | Scenario::IdleJobs | Scenario::Edge) {
            put(&mut self.from_clients, over.from);
            put(&mut self.clients, over.to);
        }
        if self.scenario == Scenario::Million && self.instances == 0 {
            self.instances = instances(self.clients, crate::control::raise_descriptor_limit());
        }
        if self.scenario == Scenario::IdleJobs {
            // One client each.
            self.streams = self.clients;
        }
        self
    }

    /// With the command line's numbers about the clients put in.
    pub(crate) fn with_crowd(mut self, over: &CrowdArgs) -> Self {
        put(&mut self.clients, over.clients);
        put(&mut self.connects_per_second, over.connect_rate);
        put(&mut self.duration, over.duration);
        put(&mut self.stalled_share, over.stalled);
        put(&mut self.slow_share, over.slow);
        put(
            &mut self.slow_bytes_per_second,
            over.slow_bytes.map(|bytes| bytes as u64),
        );
        put(&mut self.churn_per_second, over.churn);
        put(&mut self.cut_every, over.cut_every);
        put(&mut self.streams, over.streams);
        self
    }

    /// The values of [`CrowdArgs`] as the command line writes them.
    pub(crate) fn crowd_defaults(&self) -> [(&'static str, String); 9] {
        let duration = |time: Duration| format!("{}s", time.as_secs_f64());
        [
            ("clients", self.clients.to_string()),
            ("connect_rate", self.connects_per_second.to_string()),
            ("duration", duration(self.duration)),
            ("stalled", self.stalled_share.to_string()),
            ("slow", self.slow_share.to_string()),
            ("slow_bytes", self.slow_bytes_per_second.to_string()),
            ("churn", self.churn_per_second.to_string()),
            ("cut_every", duration(self.cut_every)),
            ("streams", self.streams.to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_clients_have_as_many_instances_as_descriptors_demand() {
        assert_eq!(instances(1_000_000, 20_000), 58);
        assert_eq!(instances(60_000, 20_000), 4);
        assert_eq!(instances(1_000_000, 2_000_000), 1);
        let over = Overrides {
            root: true,
            instances: Some(53),
            ..Overrides::default()
        };
        let plan = Plan::of(Scenario::Million, false).with(&over);
        assert_eq!((plan.clients, plan.instances, plan.has_root()), (1_000_000, 53, true));
        plan.check().expect("nothing is wrong with it");
    }
}
