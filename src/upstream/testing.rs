//! What the tests of this folder share.

use crate::config::{Target, Upstream, UpstreamTls};
use crate::event_stream::Item;
use crate::upstream::{Failure, Resume, Sink, Verdict};
use std::time::{Duration, Instant};

/// An upstream as it is configured by nothing but its URL.
pub(super) fn config(url: &str) -> Upstream {
    Upstream {
        name: "test".to_owned(),
        target: Target::Urls(vec![url.to_owned()]),
        credentials: None,
        headers: Vec::new(),
        tls: UpstreamTls::default(),
        http2: false,
        read_timeout: Duration::from_secs(60),
        connect_timeout: Duration::from_secs(10),
        reconnect: Duration::from_secs(3),
        reconnect_max: Duration::from_secs(60),
    }
}

/// A sink that counts, and that takes its time.
#[derive(Default)]
pub(super) struct Recorder {
    /// How long it takes to be ready.
    pub(super) pace: Duration,
    pub(super) items: usize,
    pub(super) flushes: usize,
}

impl Sink for Recorder {
    fn connected(&mut self, _: Resume) {}
    fn item(&mut self, _: Item<'_>, _: Instant) {
        self.items += 1;
    }
    fn flush(&mut self) {
        self.flushes += 1;
    }
    fn failed(&mut self, _: &Failure, _: bool) -> Verdict {
        Verdict::Stop
    }
    fn ended(&mut self) {}
    async fn ready(&mut self) {
        if !self.pace.is_zero() {
            tokio::time::sleep(self.pace).await;
        }
    }
}
