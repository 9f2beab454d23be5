//! A source without parameters: one channel, and its upstreams, from start to end.

use super::ask_origin;
use super::carried::CarriedSharing;
use super::keeping::KeptSlot;
use super::sharing::{Sharing, feed_while_leading};
use super::surroundings::Surroundings;
use super::taken_upstreams::TakenUpstreams;
use super::upstream_runner::UpstreamRunner;
use crate::channel::{Channel, KeepsDerived, Settings, metrics_of};
use crate::config::Source;
use crate::fleet::FleetState;
use crate::kept::Opened;
use crate::upstream::StatusCell;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// A plain source, which is at work once it has begun. Dropping it closes its upstreams.
pub(crate) struct Plain {
    pub(crate) channel: Arc<Channel>,
    /// Its upstreams, in the order of the configuration.
    pub(super) runners: Arc<[UpstreamRunner]>,
    /// Theirs, in the same order.
    pub(crate) statuses: Arc<[Arc<StatusCell>]>,
    /// Whether the origin may be asked for what came before the log.
    is_asking: bool,
    tasks: Mutex<JoinSet<()>>,
    pub(super) kept: KeptSlot,
    _derived: KeepsDerived,
    /// If its log is shared with other instances.
    sharing: Option<Box<Sharing>>,
    upstreams: Handle,
}

impl Plain {
    /// Opens the channel, which goes on behind what is kept of it.
    pub(super) fn open(source: &Arc<Source>, surroundings: &Surroundings) -> Self {
        if let Some(shared) = Sharing::channel(source, surroundings) {
            return Self::go_on_sharing(source, shared, surroundings);
        }
        let metrics = metrics_of(source, &surroundings.metrics);
        let directory = surroundings.directory_of(source);
        let opened = directory.map(|directory| Opened::plain(&directory, source, &metrics));
        let (channel, kept) = KeptSlot::channel(Settings::new(source.clone()), metrics, opened);
        let is_asking = !channel.goes_on();
        Self::of(source, (channel, kept), is_asking, surroundings)
    }

    /// Goes on with a channel of a predecessor. `is_asking`: whether clients may still come back whose
    /// ids the origin knows and the log does not.
    pub(super) fn go_on(
        source: &Arc<Source>,
        channel: Arc<Channel>,
        is_asking: bool,
        surroundings: &Surroundings,
    ) -> Self {
        Self::of(source, (channel, KeptSlot::none()), is_asking, surroundings)
    }

    /// Goes on with a channel of a predecessor whose log is shared with other instances.
    pub(super) fn go_on_sharing(
        source: &Arc<Source>,
        (channel, sharing): (Arc<Channel>, Sharing),
        surroundings: &Surroundings,
    ) -> Self {
        Self {
            sharing: Some(Box::new(sharing)),
            ..Self::of(source, (channel, KeptSlot::none()), false, surroundings)
        }
    }

    fn of(
        source: &Source,
        (channel, kept): (Arc<Channel>, KeptSlot),
        is_asking: bool,
        surroundings: &Surroundings,
    ) -> Self {
        let runners = UpstreamRunner::of(source, &surroundings.metrics);
        let is_asking = is_asking && ask_origin::is_possible(source);
        if is_asking {
            // Before the first client is let in.
            channel.begin_asking();
        }
        Self {
            _derived: KeepsDerived::of(&channel),
            channel,
            statuses: runners.iter().map(|_| Arc::new(StatusCell::new())).collect(),
            runners,
            is_asking,
            tasks: Mutex::default(),
            kept,
            sharing: None,
            upstreams: surroundings.upstreams.clone(),
        }
    }

    /// Connects the upstreams, or goes on with those of a predecessor. A panic in one of its tasks fails the process: its clients would wait
    /// for ever.
    pub(super) fn begin(&self, surroundings: &Surroundings, taken: &mut TakenUpstreams) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let (runners, channel, name) = (&self.runners, &self.channel, self.channel.name());
        if let Some(sharing) = &self.sharing {
            let taken = taken.of(name, Vec::new(), runners.len());
            sharing.begin(&channel.settings().snapshot(), surroundings, taken);
            let part = format!("the leading of source {name}");
            let shared = sharing.shared().clone();
            let leading = feed_while_leading(runners.clone(), channel.clone(), self.statuses.clone(), shared);
            tasks.spawn_on(
                surroundings.critical.clone().watch(part, leading),
                &surroundings.upstreams,
            );
            return;
        }
        let mut taken = taken.of(name, Vec::new(), runners.len());
        for (n, (runner, status)) in runners.iter().zip(&*self.statuses).enumerate() {
            let taken = taken[n].take();
            let part = format!("the upstream {} of source {name}", runner.name());
            let (all, channel, status) = (runners.clone(), channel.clone(), status.clone());
            let keep = async move { all[n].keep(n, channel, status, taken).await };
            tasks.spawn_on(surroundings.critical.clone().watch(part, keep), &surroundings.upstreams);
        }
        if channel.goes_on() {
            let part = format!("the catching up of source {name}");
            let goes_on = channel.clone();
            let task = surroundings
                .critical
                .clone()
                .watch(part, async move { goes_on.caught_up().await });
            tasks.spawn_on(task, &surroundings.upstreams);
        }
        if self.is_asking {
            let part = format!("the questions to the origin of source {name}");
            let asking = ask_origin::ask_origin(runners.clone(), channel.clone());
            let task = surroundings.critical.clone().watch(part, asking);
            tasks.spawn_on(task, &surroundings.upstreams);
        }
        // Whether anything is held back, the settings say at the time.
        let part = format!("the coalescing of source {name}");
        let held = channel.clone();
        let task = surroundings
            .critical
            .clone()
            .watch(part, async move { held.release_in_time().await });
        tasks.spawn_on(task, &surroundings.upstreams);
    }

    /// Closes the upstreams. Nothing will come any more.
    pub(super) fn close(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        if let Some(sharing) = &self.sharing {
            sharing.close(&self.upstreams);
        }
    }

    /// What takes part in the fleet for it, if its log is shared.
    pub(super) fn sharing(&self) -> Option<&Sharing> {
        self.sharing.as_deref()
    }

    /// What a successor goes on with of a shared log, which has been stopped.
    pub(super) fn give_shared(&self) -> Option<CarriedSharing> {
        self.sharing()?.give()
    }

    /// How its shared log stands; `None`: it is this process's alone.
    pub(crate) fn fleet(&self) -> Option<FleetState> {
        self.sharing.as_deref().map(Sharing::state)
    }

    /// The configured names of its upstreams.
    pub(crate) fn upstreams(&self) -> impl Iterator<Item = String> {
        self.runners.iter().map(UpstreamRunner::name)
    }
}
