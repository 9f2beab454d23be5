//! What keeps a channel supplied: its upstreams, run until the stream has ended.

use crate::channel::{Channel, Publisher};
use crate::config::{Forward, Source, Target};
use crate::event_stream::ParserOptions;
use crate::metrics::{Metrics, UpstreamMetrics};
use crate::upstream::{self, Fixed, Handles, Options, Phase, Reports, Setup, Sink, StatusCell};
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
    /// what is configured.
    pub(crate) async fn run<S: Sink>(
        &self,
        channel: &Channel,
        fill: impl Fn(&Target) -> Target,
        sink: S,
        status: Arc<StatusCell>,
    ) {
        let fixed = Fixed {
            source: channel.name().to_owned(),
            fill,
            reports: self.reports.clone(),
            bytes_received: channel.metrics().bytes_received.clone(),
        };
        upstream::run_by(self.setup.subscribe(), fixed, sink, status).await;
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
    /// in time, or when it is to be; after a terminal event it is not.
    pub(crate) async fn keep(&self, channel: Arc<Channel>, status: Arc<StatusCell>) {
        let mut publisher: Publisher = channel.publisher();
        loop {
            let mut setups = self.setup.subscribe();
            tokio::select! {
                () = self.run(&channel, Target::clone, publisher, status.clone()) => {}
                () = channel.terminated() => {}
            }
            if channel.has_terminated() {
                return status.ended();
            }
            if status.phase() != Phase::Ended {
                return;
            }
            tokio::select! {
                () = channel.settings().sleep(Instant::now(), |source| source.retry_ended_after) => {}
                () = self.again.notified() => {}
                // What was replaced while it ran, it has obeyed.
                _ = setups.changed() => {}
            }
            publisher = channel.publisher_again();
        }
    }
}
