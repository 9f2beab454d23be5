//! A source without parameters: one channel, and its upstreams, from start to end.

use super::ask_origin;
use super::surroundings::Surroundings;
use super::upstream_runner::UpstreamRunner;
use crate::channel::{Channel, Settings, metrics_of};
use crate::config::Source;
use crate::log::Epoch;
use crate::upstream::StatusCell;
use std::sync::Arc;
use tokio::task::JoinSet;

/// A plain source at work. Dropping it closes its upstreams.
pub(crate) struct Plain {
    pub(crate) channel: Arc<Channel>,
    /// The configured names of its upstreams.
    pub(crate) upstreams: Vec<String>,
    /// Theirs, in the same order.
    pub(crate) statuses: Arc<[Arc<StatusCell>]>,
    _tasks: JoinSet<()>,
}

impl Plain {
    /// Opens the channel and connects the upstreams. A panic in one of its tasks fails the process:
    /// its clients would wait for ever.
    pub(super) fn start(source: &Arc<Source>, surroundings: &Surroundings) -> Self {
        let metrics = &surroundings.metrics;
        let channel = Channel::new(Settings::new(source.clone()), metrics_of(source, metrics), Epoch::new());
        let mut tasks = JoinSet::new();
        let (mut upstreams, mut statuses) = (Vec::new(), Vec::new());
        for runner in UpstreamRunner::of(source, metrics) {
            let status = Arc::new(StatusCell::new());
            upstreams.push(runner.name().to_owned());
            statuses.push(status.clone());
            let part = format!("the upstream {} of source {}", runner.name(), source.name);
            let task = surroundings
                .critical
                .clone()
                .watch(part, runner.keep(channel.clone(), status));
            tasks.spawn_on(task, &surroundings.upstreams);
        }
        if ask_origin::is_possible(source) {
            // Before the first client is let in.
            channel.begin_asking();
            for upstream in UpstreamRunner::of(source, metrics) {
                let part = format!("the questions to the origin of source {}", source.name);
                let asking = ask_origin::ask_origin(upstream, channel.clone());
                let task = surroundings.critical.clone().watch(part, asking);
                tasks.spawn_on(task, &surroundings.upstreams);
            }
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
            upstreams,
            statuses: statuses.into(),
            _tasks: tasks,
        }
    }
}
