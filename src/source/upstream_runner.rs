//! What keeps a channel supplied: its upstreams, run until the stream has ended.

use crate::channel::{Channel, Publisher};
use crate::config::{self, Forward, Source, Target};
use crate::event_stream::ParserOptions;
use crate::metrics::{Metrics, UpstreamMetrics};
use crate::upstream::{self, Handles, Options, Phase, Reports, Sink, StatusCell};
use std::sync::Arc;

/// One configured upstream, ready to be run for a channel of its source.
pub(crate) struct UpstreamRunner {
    config: Arc<config::Upstream>,
    metrics: Arc<UpstreamMetrics>,
    /// Of a templated source: shared by all channels.
    reports: Option<Arc<Reports>>,
}

impl UpstreamRunner {
    /// All upstreams of a source.
    pub(crate) fn of(source: &Source, metrics: &Metrics) -> Vec<Self> {
        let runner = |config: &config::Upstream| Self {
            metrics: Arc::new(metrics.upstream(&source.name, &config.name)),
            config: Arc::new(config.clone()),
            reports: source.is_templated().then(Arc::default),
        };
        source.upstreams.iter().map(runner).collect()
    }

    /// The configured name.
    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// Where the stream is, as configured.
    pub(crate) fn target(&self) -> &Target {
        &self.config.target
    }

    /// One run, until the origin or the sink ends it.
    pub(crate) async fn run<S: Sink>(&self, channel: &Channel, target: Target, sink: S, status: Arc<StatusCell>) {
        let source = channel.settings().snapshot();
        let options = Options {
            source: source.name.clone(),
            target,
            last_event_id: None,
            parser: ParserOptions {
                event_bytes_max: source.event_bytes_max,
                comments: source.comments == Forward::Always,
            },
            reports: self.reports.clone(),
        };
        let handles = Handles {
            upstream: self.metrics.clone(),
            bytes_received: channel.metrics().bytes_received.clone(),
        };
        upstream::run(self.config.clone(), options, sink, status, handles).await;
    }

    /// One attempt from a place on, beside the run that feeds the channel: what it yields, and how it
    /// fails, moves nothing else.
    pub(crate) async fn ask<S: Sink>(&self, channel: &Channel, last_event_id: String, sink: S) {
        let source = channel.settings().snapshot();
        let options = Options {
            source: source.name.clone(),
            target: self.target().clone(),
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
        upstream::run(self.config.clone(), options, sink, status, handles).await;
    }

    /// Keeps the channel of an untemplated source supplied. After a 204 the origin is asked again
    /// in time; after a terminal event it is not.
    pub(crate) async fn keep(self, channel: Arc<Channel>, status: Arc<StatusCell>) {
        let mut publisher: Publisher = channel.publisher();
        loop {
            tokio::select! {
                () = self.run(&channel, self.target().clone(), publisher, status.clone()) => {}
                () = channel.terminated() => {}
            }
            if channel.has_terminated() {
                return status.ended();
            }
            if status.phase() != Phase::Ended {
                return;
            }
            let pause = channel.settings().load().retry_ended_after;
            tokio::time::sleep(pause).await;
            publisher = channel.publisher_again();
        }
    }
}
