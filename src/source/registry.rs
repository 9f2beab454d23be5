//! The registry: every live source by its name, in the order of the configuration.
//!
//! Sources can be added and removed while others are served. Router, status and links are made of
//! [`Registry::list`], and hold channels, never a source: so a source that is removed ends at once.

use super::live_source::LiveSource;
use super::surroundings::Surroundings;
use crate::channel::Settings;
use crate::config::Source;
use crate::critical::CriticalTasks;
use crate::metrics::Metrics;
use crate::quotas::Quotas;
use crate::upstream::UpstreamRuntime;
use arc_swap::ArcSwap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// How often the logs let go of what is too old.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// All live sources. Dropping it closes their upstreams.
pub(crate) struct Registry {
    sources: Arc<Sources>,
    surroundings: Surroundings,
    /// Held while the list is changed: each change begins with what the one before has left.
    changing: Mutex<()>,
    _sweep: JoinSet<()>,
    _runtime: UpstreamRuntime,
}

type Sources = ArcSwap<Vec<Arc<LiveSource>>>;

impl Registry {
    /// An empty one. To be called within the runtime that serves requests, which sweeps the logs;
    /// the upstreams get a runtime of their own.
    pub(crate) fn new(
        runtime: UpstreamRuntime,
        metrics: Arc<Metrics>,
        quotas: Arc<Quotas>,
        critical: CriticalTasks,
    ) -> Self {
        let sources: Arc<Sources> = Arc::default();
        let mut sweeping = JoinSet::new();
        sweeping.spawn(
            critical
                .clone()
                .watch("the sweep of the logs".to_owned(), sweep(sources.clone())),
        );
        Self {
            sources,
            surroundings: Surroundings {
                metrics,
                quotas,
                critical,
                upstreams: runtime.handle().clone(),
            },
            changing: Mutex::default(),
            _sweep: sweeping,
            _runtime: runtime,
        }
    }

    /// Where the upstreams run.
    pub(crate) fn upstream_runtime(&self) -> &Handle {
        &self.surroundings.upstreams
    }

    /// The live sources, in the order in which they were added.
    pub(crate) fn list(&self) -> Arc<Vec<Arc<LiveSource>>> {
        self.sources.load_full()
    }

    /// The settings of a source.
    pub(crate) fn settings(&self, name: &str) -> Option<Settings> {
        let list = self.list();
        let live = list.iter().find(|live| live.name() == name);
        live.map(|live| live.settings().clone())
    }

    /// Makes a source live, behind those that are. One of the same name is removed first.
    pub(crate) fn add(&self, source: &Arc<Source>) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.take_out(&source.name);
        let mut list = self.list().to_vec();
        list.push(Arc::new(LiveSource::start(source, &self.surroundings)));
        self.sources.store(Arc::new(list));
    }

    /// Ends a source: its upstreams are closed, and its clients get what there is, then their
    /// streams end. A router that still leads to it opens no channel any more. Whether there was
    /// one.
    #[cfg_attr(not(test), expect(dead_code, reason = "what a reload will call"))]
    pub(crate) fn remove(&self, name: &str) -> bool {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.take_out(name)
    }

    fn take_out(&self, name: &str) -> bool {
        let (gone, left) = self
            .list()
            .iter()
            .cloned()
            .partition::<Vec<_>, _>(|live| live.name() == name);
        if gone.is_empty() {
            return false;
        }
        self.sources.store(Arc::new(left));
        gone.iter().for_each(|live| live.end());
        true
    }

    /// Tasks of upstreams that have not ended.
    #[cfg(test)]
    fn tasks(&self) -> usize {
        self.surroundings.upstreams.metrics().num_alive_tasks()
    }
}

/// An age-bounded log shrinks also when nothing is published.
async fn sweep(sources: Arc<Sources>) {
    let mut ticks = interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = Instant::now();
        // No guard is held while others run: a source that is removed meanwhile ends when this is
        // through with it.
        for live in sources.load_full().iter() {
            live.sweep(now);
        }
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
