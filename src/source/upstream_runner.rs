//! What keeps a channel supplied: its upstreams, run until the stream has ended.

use crate::channel::{Channel, Publisher};
use crate::config::{Forward, Source, Target};
use crate::event_stream::ParserOptions;
use crate::fleet::{Coalescing, Lead, LeaderSink};
use crate::metrics::{Metrics, UpstreamMetrics};
use crate::upstream::handover::Taken;
use crate::upstream::{self, Fixed, Handles, Options, Phase, Reports, Setup, Sink, StatusCell};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Notify, watch};

/// One configured upstream, ready to be run for a channel of its source. What it is run with may be
/// replaced: then each channel's connection is made anew, and goes on behind its last event ID.
pub(crate) struct UpstreamRunner {
    setup: watch::Sender<Arc<Setup>>,
    /// Of a templated source: shared by all channels.
    reports: Option<Arc<Reports>>,
    /// Notified when an origin that has ended its stream is to be asked again at once.
    again: Notify,
}

/// What the `n`th upstream of a source is run with.
fn setup(source: &Source, n: usize, metrics: &Metrics) -> Arc<Setup> {
    let config = &source.upstreams[n];
    Arc::new(Setup {
        metrics: Arc::new(metrics.upstream(&source.name, &config.name)),
        config: Arc::new(config.clone()),
        parser: ParserOptions {
            event_bytes_max: source.event_bytes_max,
            comments: source.comments == Forward::Always,
        },
    })
}

impl UpstreamRunner {
    /// All upstreams of a source.
    pub(crate) fn of(source: &Source, metrics: &Metrics) -> Arc<[Self]> {
        let runner = |n| Self {
            setup: watch::Sender::new(setup(source, n, metrics)),
            reports: source.is_templated().then(Arc::default),
            again: Notify::new(),
        };
        (0..source.upstreams.len()).map(runner).collect()
    }

    /// From now on it is run as the `n`th upstream of this source.
    pub(crate) fn replace(&self, source: &Source, n: usize, metrics: &Metrics) {
        self.setup.send_replace(setup(source, n, metrics));
    }

    /// An origin that has ended its stream is asked again now, and not only in time.
    pub(crate) fn ask_again(&self) {
        self.again.notify_waiters();
    }

    /// The configured name.
    pub(crate) fn name(&self) -> String {
        self.setup.borrow().config.name.clone()
    }

    /// One run, until the origin or the sink ends it. `fill` puts the channel's parameters into
    /// what is configured; `place` is the id to go on behind, if there is one. `taken`: what another
    /// process has given of it, to go on with.
    pub(crate) async fn run<S: Sink>(
        &self,
        channel: &Channel,
        place: Option<&Bytes>,
        fill: impl Fn(&Target) -> Target,
        sink: S,
        status: Arc<StatusCell>,
        taken: Option<Box<Taken>>,
    ) {
        let fixed = Fixed {
            source: channel.name().to_owned(),
            fill,
            reports: self.reports.clone(),
            bytes_received: channel.metrics().bytes_received.clone(),
        };
        let place = place.map_or(&[][..], |place| place);
        upstream::run_by(self.setup.subscribe(), fixed, place, sink, status, taken).await;
    }

    /// One attempt from a place on, beside the run that feeds the channel: what it yields, and how
    /// it fails, moves nothing else.
    pub(crate) async fn ask<S: Sink>(&self, channel: &Channel, last_event_id: String, sink: S) {
        let source = channel.settings().snapshot();
        let config = self.setup.borrow().config.clone();
        let options = Options {
            source: source.name.clone(),
            target: config.target.clone(),
            last_event_id: Some(last_event_id),
            parser: ParserOptions {
                event_bytes_max: source.event_bytes_max,
                comments: false,
            },
            reports: Some(Arc::default()),
        };
        let handles = Handles {
            upstream: Arc::new(UpstreamMetrics::uncounted()),
            bytes_received: channel.metrics().bytes_received.clone(),
        };
        let status = Arc::new(StatusCell::new());
        upstream::run(config, options, sink, status, handles).await;
    }

    /// Keeps the channel of an untemplated source supplied. After a 204 the origin is asked again
    /// in time, or when it is to be; after a terminal event it is not. It is the `n`th of its source.
    /// `taken`: see [`run`](Self::run).
    pub(crate) async fn keep(
        &self,
        n: usize,
        channel: Arc<Channel>,
        status: Arc<StatusCell>,
        taken: Option<Box<Taken>>,
    ) {
        let mut taken = taken;
        let mut publisher = publisher_of(&channel, n, taken.as_deref());
        let mut ended_ago = taken.as_deref().and_then(|taken| taken.ended(&status));
        let mut place = channel.kept_place(n);
        if channel.has_terminated() {
            return status.ended();
        }
        loop {
            let mut setups = self.setup.subscribe();
            if ended_ago.is_none() {
                let run = self.run(
                    &channel,
                    place.take(),
                    Target::clone,
                    publisher,
                    status.clone(),
                    taken.take(),
                );
                tokio::select! {
                    () = run => {}
                    () = channel.terminated() => {}
                }
            }
            if channel.has_terminated() {
                return status.ended();
            }
            let ended = Instant::now().checked_sub(ended_ago.take().unwrap_or_default());
            let ended = ended.unwrap_or_else(Instant::now);
            if status.phase() != Phase::Ended {
                return;
            }
            let wait = async {
                tokio::select! {
                    () = channel.settings().sleep(ended, |source| source.retry_ended_after) => {}
                    () = self.again.notified() => {}
                    // What was replaced while it ran, it has obeyed.
                    _ = setups.changed() => {}
                }
            };
            upstream::wait_ended(&status, ended, wait).await;
            publisher = channel.publisher_again(n);
        }
    }
}

/// While this instance leads.
impl UpstreamRunner {
    /// Keeps a shared log supplied, as [`keep`](Self::keep) does a channel.
    pub(crate) async fn keep_leading(
        &self,
        n: usize,
        channel: Arc<Channel>,
        status: Arc<StatusCell>,
        (way, lead): (Arc<Coalescing>, Lead),
        taken: Option<Box<Taken>>,
    ) {
        // One that has not run, or has ended, begins as any.
        let mut taken = taken.filter(|taken| taken.is_of_a_run());
        let mut comes_back = channel.end().is_some();
        let mut place = lead.places.get(n).filter(|place| !place.is_empty());
        loop {
            if channel.has_terminated() {
                return status.ended();
            }
            let mut setups = self.setup.subscribe();
            let sink = LeaderSink::new(way.clone(), &lead, n, comes_back);
            tokio::select! {
                () = self.run(&channel, place.take(), Target::clone, sink, status.clone(), taken.take()) => {}
                () = channel.terminated() => continue,
            }
            if status.phase() != Phase::Ended {
                return;
            }
            let ended = Instant::now();
            tokio::select! {
                () = channel.settings().sleep(ended, |source| source.retry_ended_after) => {}
                () = self.again.notified() => {}
                // Its last event is in the log by now.
                () = channel.terminated() => {}
                _ = setups.changed() => {}
            }
            comes_back = true;
        }
    }
}

/// A channel's sink for its `n`th upstream, which another process may have run until now.
pub(super) fn publisher_of(channel: &Arc<Channel>, n: usize, taken: Option<&Taken>) -> Publisher {
    match taken {
        Some(taken) => channel.publisher_going_on(n, taken.last_event_id(), taken.has_been_connected()),
        None => channel.publisher(n),
    }
}
