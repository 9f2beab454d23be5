//! The channels of the configured sources, and the tasks that feed them.

use super::SWEEP_EVERY;
use crate::channel::{Channel, Settings};
use crate::config::{Config, Source};
use crate::critical::CriticalTasks;
use crate::http::Place;
use crate::log::Epoch;
use crate::metrics::Metrics;
use crate::proxy::Links;
use crate::quotas::Quotas;
use crate::source::{ChannelUpstreams, Templated, UpstreamRunner};
use crate::upstream::StatusCell;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// All sources, in the order of the configuration. Dropping it closes the upstreams.
pub(super) struct Sources {
    list: Arc<[Served]>,
    _tasks: JoinSet<()>,
}

/// A source at work.
pub(super) enum Served {
    /// With its one channel.
    Plain(Live),
    /// With a channel per set of parameters.
    Templated(Arc<Templated>),
}

/// A channel and its upstreams.
pub(super) struct Live {
    pub(super) channel: Arc<Channel>,
    pub(super) upstreams: Vec<String>,
    pub(super) statuses: Arc<[Arc<StatusCell>]>,
}

impl Sources {
    /// Opens a channel for each source without parameters and connects its upstreams.
    pub(super) fn start(config: &Config, metrics: &Metrics, quotas: &Arc<Quotas>, critical: &CriticalTasks) -> Self {
        let mut tasks = JoinSet::new();
        let serve = |source: &Arc<Source>| match source.is_templated() {
            true => Served::Templated(Templated::new(Settings::new(source.clone()), metrics, quotas.clone())),
            false => Served::Plain(start(source, metrics, critical, &mut tasks)),
        };
        let list: Arc<[_]> = config.sources.iter().map(serve).collect();
        tasks.spawn(
            critical
                .clone()
                .watch("the sweep of the logs".to_owned(), sweep(list.clone())),
        );
        Self { list, _tasks: tasks }
    }

    /// Which URLs are theirs.
    pub(super) fn links(&self) -> Links {
        let settings: Vec<_> = self.list.iter().map(|served| served.settings().snapshot()).collect();
        let sources = settings.iter().map(|source| &**source);
        Links::new(sources.zip(self.list.iter().map(Served::statuses)))
    }

    pub(super) fn list(&self) -> &[Served] {
        &self.list
    }
}

impl Served {
    pub(super) fn place(&self) -> Place {
        match self {
            Served::Plain(live) => Place::Plain(live.channel.clone()),
            Served::Templated(templated) => Place::Templated(templated.clone()),
        }
    }

    /// The statuses of the upstreams of its one channel.
    fn statuses(&self) -> Vec<Arc<StatusCell>> {
        match self {
            Served::Plain(live) => live.statuses.to_vec(),
            Served::Templated(_) => Vec::new(),
        }
    }

    /// Its channels.
    pub(super) fn channels(&self) -> Vec<ChannelUpstreams> {
        match self {
            Served::Plain(live) => vec![(live.channel.clone(), live.statuses.clone())],
            Served::Templated(templated) => templated.live(),
        }
    }

    /// The configured names of its upstreams.
    pub(super) fn upstreams(&self) -> Vec<&str> {
        match self {
            Served::Plain(live) => live.upstreams.iter().map(String::as_str).collect(),
            Served::Templated(templated) => templated.upstreams().collect(),
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        match self {
            Served::Plain(live) => live.channel.settings(),
            Served::Templated(templated) => templated.settings(),
        }
    }
}

fn start(source: &Arc<Source>, metrics: &Metrics, critical: &CriticalTasks, tasks: &mut JoinSet<()>) -> Live {
    let channel = Channel::new(
        Settings::new(source.clone()),
        metrics.source(&source.name),
        Epoch::new(),
    );
    let (mut upstreams, mut statuses) = (Vec::new(), Vec::new());
    for runner in UpstreamRunner::of(source, metrics) {
        let status = Arc::new(StatusCell::new());
        upstreams.push(runner.name().to_owned());
        statuses.push(status.clone());
        let part = format!("the upstream {} of source {}", runner.name(), source.name);
        tasks.spawn(critical.clone().watch(part, runner.keep(channel.clone(), status)));
    }
    let part = format!("the coalescing of source {}", source.name);
    let held = channel.clone();
    tasks.spawn(
        critical
            .clone()
            .watch(part, async move { held.release_in_time().await }),
    );
    Live {
        channel,
        upstreams,
        statuses: statuses.into(),
    }
}

/// An age-bounded log shrinks also when nothing is published.
async fn sweep(sources: Arc<[Served]>) {
    let mut ticks = interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = Instant::now();
        for served in &*sources {
            match served {
                Served::Plain(live) => live.channel.sweep(now),
                Served::Templated(templated) => templated.sweep(now),
            }
        }
    }
}
