//! A source without parameters: one channel, and its upstreams, from start to end.

use super::ask_origin;
use super::surroundings::Surroundings;
use super::upstream_runner::UpstreamRunner;
use crate::channel::{Channel, Settings, metrics_of};
use crate::config::Source;
use crate::log::Epoch;
use crate::upstream::StatusCell;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

/// A plain source at work. Dropping it closes its upstreams.
pub(crate) struct Plain {
    pub(crate) channel: Arc<Channel>,
    /// Its upstreams, in the order of the configuration.
    pub(super) runners: Arc<[UpstreamRunner]>,
    /// Theirs, in the same order.
    pub(crate) statuses: Arc<[Arc<StatusCell>]>,
    tasks: Mutex<JoinSet<()>>,
}

impl Plain {
    /// Opens the channel and connects the upstreams. A panic in one of its tasks fails the process:
    /// its clients would wait for ever.
    pub(super) fn start(source: &Arc<Source>, surroundings: &Surroundings) -> Self {
        let metrics = &surroundings.metrics;
        let channel = Channel::new(Settings::new(source.clone()), metrics_of(source, metrics), Epoch::new());
        let mut tasks = JoinSet::new();
        let runners = UpstreamRunner::of(source, metrics);
        let statuses: Arc<[_]> = runners.iter().map(|_| Arc::new(StatusCell::new())).collect();
        for (n, (runner, status)) in runners.iter().zip(&*statuses).enumerate() {
            let part = format!("the upstream {} of source {}", runner.name(), source.name);
            let (all, channel, status) = (runners.clone(), channel.clone(), status.clone());
            let keep = async move { all[n].keep(channel, status).await };
            tasks.spawn_on(surroundings.critical.clone().watch(part, keep), &surroundings.upstreams);
        }
        if ask_origin::is_possible(source) {
            // Before the first client is let in.
            channel.begin_asking();
            let part = format!("the questions to the origin of source {}", source.name);
            let asking = ask_origin::ask_origin(runners.clone(), channel.clone());
            let task = surroundings.critical.clone().watch(part, asking);
            tasks.spawn_on(task, &surroundings.upstreams);
        }
        // Whether anything is held back, the settings say at the time.
        let part = format!("the coalescing of source {}", source.name);
        let held = channel.clone();
        let task = surroundings
            .critical
            .clone()
            .watch(part, async move { held.release_in_time().await });
        tasks.spawn_on(task, &surroundings.upstreams);
        Self {
            channel,
            runners,
            statuses,
            tasks: Mutex::new(tasks),
        }
    }

    /// Closes the upstreams. Nothing will come any more.
    pub(super) fn close(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    /// The configured names of its upstreams.
    pub(crate) fn upstreams(&self) -> impl Iterator<Item = String> {
        self.runners.iter().map(UpstreamRunner::name)
    }
}
