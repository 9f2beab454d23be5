//! The channels of the configured sources, and the tasks that feed them.

use super::not_yet::template;
use super::{SWEEP_EVERY, StartError};
use crate::channel::Channel;
use crate::config::{Config, Relay, Source};
use crate::event_stream::ParserOptions;
use crate::metrics::Metrics;
use crate::pass::Links;
use crate::upstream::{self, Handles, Options, State};
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// All sources. Dropping it closes the upstreams.
pub(super) struct Sources {
    live: Vec<Live>,
    _tasks: JoinSet<()>,
}

/// A source with its channel and the states of its upstreams, in the order of the configuration.
pub(super) struct Live {
    pub(super) channel: Arc<Channel>,
    pub(super) upstreams: Vec<(String, Arc<State>)>,
}

impl Sources {
    /// Opens a channel for each source and connects its upstreams.
    pub(super) fn start(config: &Config, metrics: &Metrics) -> Result<Self, StartError> {
        let mut tasks = JoinSet::new();
        let live = config
            .sources
            .iter()
            .map(|source| start_source(source, metrics, &mut tasks))
            .collect::<Result<Vec<_>, _>>()?;
        let channels: Vec<_> = live.iter().map(|live| live.channel.clone()).collect();
        tasks.spawn(sweep(channels));
        Ok(Self { live, _tasks: tasks })
    }

    pub(super) fn channels(&self) -> impl Iterator<Item = &Arc<Channel>> {
        self.live.iter().map(|live| &live.channel)
    }

    /// Which URLs are theirs.
    pub(super) fn links(&self) -> Links {
        let states = |live: &Live| live.upstreams.iter().map(|(_, state)| state.clone()).collect();
        Links::new(self.live.iter().map(|live| (&**live.channel.source(), states(live))))
    }

    pub(super) fn live(&self) -> &[Live] {
        &self.live
    }
}

fn start_source(source: &Arc<Source>, metrics: &Metrics, tasks: &mut JoinSet<()>) -> Result<Live, StartError> {
    if let Some(path) = template(source) {
        let name = &source.name;
        return Err(StartError::Unsupported(format!(
            "sources.{name}.path: {path}: this version has no templated sources"
        )));
    }
    let channel = Channel::new(source.clone(), metrics.source(&source.name));
    let mut upstreams = Vec::new();
    for upstream in &source.upstreams {
        let state = Arc::new(State::new());
        let options = Options {
            source: source.name.clone(),
            target: upstream.target.clone(),
            last_event_id: None,
            parser: ParserOptions {
                event_bytes_max: source.event_bytes_max,
                comments: source.comments == Relay::Relay,
            },
        };
        let handles = Handles {
            upstream: metrics.upstream(&source.name, &upstream.name),
            bytes_received: channel.metrics().bytes_received.clone(),
        };
        let config = Arc::new(upstream.clone());
        tasks.spawn(upstream::run(
            config,
            options,
            channel.publisher(),
            state.clone(),
            handles,
        ));
        upstreams.push((upstream.name.clone(), state));
    }
    Ok(Live { channel, upstreams })
}

/// An age-bounded log shrinks also when nothing is published.
async fn sweep(channels: Vec<Arc<Channel>>) {
    let mut ticks = interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = Instant::now();
        for channel in &channels {
            channel.sweep(now);
        }
    }
}
