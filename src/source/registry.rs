//! The registry: every live source by its name, in the order of the configuration.
//!
//! Sources are added, changed and removed while others are served. Router, status and links are
//! made of [`Registry::list`], and hold channels, never a source: so one that is removed ends at
//! once.

use super::carried::{CarriedChannel, CarriedChannelError};
use super::change::Change;
use super::combined::{Combined, NamedChannel};
use super::live_source::LiveSource;
use super::surroundings::Surroundings;
use super::taken_upstreams::TakenUpstreams;
use crate::channel::{Channel, LongIds, Removal, Settings};
use crate::config::{Combine, Source};
use crate::critical::CriticalTasks;
use crate::fleet::Fleet;
use crate::kept::{Directories, OnDisk};
use crate::metrics::Metrics;
use crate::quotas::Quotas;
use crate::upstream::UpstreamRuntime;
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// Sources that are live no more, and whose clients are still in. Dropping it closes their
/// upstreams.
#[must_use]
pub(crate) struct Gone(Vec<Arc<LiveSource>>);

impl Gone {
    /// Ends them: their upstreams are closed, and their clients get what there is, then their
    /// streams end. A router that still leads to one opens no channel any more: so the next one has
    /// to be in force.
    pub(crate) fn remove(self, removal: Removal) {
        self.0.iter().for_each(|live| live.remove(removal));
    }
}

/// How often the logs let go of what is too old.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// All live sources. Dropping it closes their upstreams.
pub(crate) struct Registry {
    sources: Arc<Sources>,
    combined: Arc<CombinedPaths>,
    long_ids: Arc<LongIds>,
    surroundings: Surroundings,
    /// Held while the list is changed: each change begins with what the one before has left.
    changing: Mutex<()>,
    _sweep: JoinSet<()>,
    _runtime: UpstreamRuntime,
}

type Sources = ArcSwap<Vec<Arc<LiveSource>>>;
type CombinedPaths = ArcSwap<Vec<Arc<Combined>>>;

/// Combined paths that are no more, and whose clients are still in.
#[must_use]
pub(crate) struct GonePaths(Vec<Arc<Combined>>);

impl GonePaths {
    /// Ends their clients' streams. The router that is in force has to lead elsewhere by now.
    pub(crate) fn remove(self, removal: Removal) {
        self.0.iter().for_each(|combined| combined.remove(removal));
    }
}

impl Registry {
    /// An empty one. To be called within the runtime that serves requests, which sweeps the logs;
    /// the upstreams get a runtime of their own.
    pub(crate) fn new(
        runtime: UpstreamRuntime,
        metrics: Arc<Metrics>,
        quotas: Arc<Quotas>,
        critical: CriticalTasks,
        directories: Arc<Directories>,
        fleet: Option<Arc<Fleet>>,
    ) -> Self {
        let sources: Arc<Sources> = Arc::default();
        let combined: Arc<CombinedPaths> = Arc::default();
        let mut sweeping = JoinSet::new();
        sweeping.spawn(critical.clone().watch(
            "the sweep of the logs".to_owned(),
            sweep(sources.clone(), combined.clone()),
        ));
        Self {
            sources,
            combined,
            long_ids: Arc::new(LongIds::new()),
            surroundings: Surroundings {
                metrics,
                quotas,
                critical,
                upstreams: runtime.handle().clone(),
                directories,
                fleet,
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

    /// The live sources, in the order of the configuration.
    pub(crate) fn list(&self) -> Arc<Vec<Arc<LiveSource>>> {
        self.sources.load_full()
    }

    /// The settings of a source.
    pub(crate) fn settings(&self, name: &str) -> Option<Settings> {
        let list = self.list();
        let live = list.iter().find(|live| live.name() == name);
        live.map(|live| live.settings().clone())
    }

    /// Makes these live; there is none yet.
    pub(crate) fn start(&self, sources: &[(Arc<Source>, Change)]) {
        let Gone(none) = self.change(sources);
        debug_assert!(none.is_empty());
    }

    /// Makes these the live sources, in this order. What a change asks for is done; sources that
    /// are not among them, or can't go on, are returned: they are served until they are removed.
    pub(crate) fn change(&self, wanted: &[(Arc<Source>, Change)]) -> Gone {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.list();
        let mut gone: HashMap<String, Arc<LiveSource>> =
            before.iter().map(|live| (live.name(), live.clone())).collect();
        let live = wanted.iter().map(|(source, change)| {
            match gone.remove(&source.name) {
                Some(live) if live.can_follow(change) => {
                    live.follow(source, change, &self.surroundings);
                    return live;
                }
                Some(live) => {
                    live.make_way();
                    gone.insert(source.name.clone(), live);
                }
                None => {}
            }
            let live = self.open_source(source);
            self.begin_source(&live, &mut TakenUpstreams::default());
            Arc::new(live)
        });
        self.sources.store(Arc::new(live.collect()));
        Gone(gone.into_values().collect())
    }

    /// The combined paths, in the order of the configuration.
    pub(crate) fn combined(&self) -> Arc<Vec<Arc<Combined>>> {
        self.combined.load_full()
    }

    /// Makes these the combined paths, over the sources that are live. Those that are put together
    /// from something else now are returned: they are served until they are removed.
    pub(crate) fn combine(&self, wanted: &[Combine], configured: &[Arc<Source>]) -> GonePaths {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before: Vec<Arc<Combined>> = self.combined().to_vec();
        let paths = wanted.iter().filter_map(|combine| {
            let (settings, sources) = (combine.settings(configured)?, self.channels_of(combine));
            match before.iter().position(|path| path.is_of(combine, &sources)) {
                Some(at) => {
                    let same = before.swap_remove(at);
                    same.follow(settings, &self.surroundings.metrics);
                    Some(same)
                }
                None => {
                    let Surroundings { metrics, quotas, .. } = &self.surroundings;
                    let around = (&**metrics, quotas.clone(), self.long_ids.clone());
                    Some(Combined::new(combine, sources, settings, around))
                }
            }
        });
        let paths = paths.collect();
        self.combined.store(Arc::new(paths));
        GonePaths(before)
    }

    /// The channels that are combined, in the order of their sources' names.
    fn channels_of(&self, combine: &Combine) -> Vec<NamedChannel> {
        let list = self.list();
        let plain = list.iter().filter_map(|live| match &**live {
            LiveSource::Plain(plain) => Some(&plain.channel),
            LiveSource::Templated(_) => None,
        });
        let mut sources: Vec<NamedChannel> = plain
            .filter(|channel| combine.sources.iter().any(|name| *name == *channel.name()))
            .map(|channel| (channel.name().into(), channel.clone()))
            .collect();
        sources.sort_by(|(one, _), (other, _)| one.cmp(other));
        sources
    }

    pub(super) fn open_source(&self, source: &Arc<Source>) -> LiveSource {
        LiveSource::open(source, &self.surroundings)
    }

    pub(super) fn open_taking(
        &self,
        source: &Arc<Source>,
        carried: &CarriedChannel,
        log: impl Read,
    ) -> Result<(LiveSource, Arc<Channel>), CarriedChannelError> {
        LiveSource::open_taking(source, carried, log, &self.surroundings)
    }

    pub(super) fn begin_source(&self, live: &LiveSource, taken: &mut TakenUpstreams) {
        live.begin(&self.surroundings, taken);
    }

    /// Makes these the live sources, where there are none yet.
    pub(super) fn put(&self, live: Vec<Arc<LiveSource>>) {
        debug_assert!(self.list().is_empty());
        self.sources.store(Arc::new(live));
    }

    /// Where logs may be kept.
    pub(crate) fn directories(&self) -> &Directories {
        &self.surroundings.directories
    }

    /// After a hand-over, or one that has failed: keeps all logs where the settings say, in
    /// directories that have been opened since. Blocks until it is known what is there, and the numbers
    /// that follow are reserved.
    pub(crate) fn keep(&self, on_disk: OnDisk) {
        self.list()
            .iter()
            .for_each(|live| live.keep(&self.surroundings, on_disk));
    }

    /// Leaves what is kept of the logs to a process that takes over, or to this one again. Blocks while
    /// the rest is written.
    pub(crate) fn hand_over_kept(&self) {
        self.list().iter().for_each(|live| live.hand_over_kept());
    }

    /// Ends the keeping of all logs in order: the next process goes on there. Blocks while the rest
    /// is written.
    pub(crate) fn close_kept(&self) {
        self.list().iter().for_each(|live| live.close_kept());
    }

    /// This process leads no more where logs are shared: others do from now on. Clients are served on.
    pub(crate) fn leave_fleet(&self) {
        self.list().iter().for_each(|live| live.leave_fleet());
    }

    /// Completes when it leads nowhere.
    pub(crate) async fn left_fleet(&self) {
        for live in self.list().iter() {
            live.left_fleet().await;
        }
    }

    /// Tasks of upstreams that have not ended.
    #[cfg(test)]
    fn tasks(&self) -> usize {
        self.surroundings.upstreams.metrics().num_alive_tasks()
    }
}

/// An age-bounded log shrinks also when nothing is published.
async fn sweep(sources: Arc<Sources>, combined: Arc<CombinedPaths>) {
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
        for combined in combined.load_full().iter() {
            combined.sweep(now);
        }
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
