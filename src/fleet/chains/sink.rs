//! A leader's side of an upstream of a channel: beside what every leader's does, it says whether the
//! origin has such a stream.

use crate::event_stream::Item;
use crate::fleet::inbox::Inbox;
use crate::fleet::record::Content;
use crate::fleet::sink::LeaderSink;
use crate::upstream::{Failure, Resume, Sink, Verdict};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// The sink of one upstream of a channel in one term.
pub(crate) struct ChannelLeaderSink {
    inner: LeaderSink,
    inbox: Arc<Inbox>,
    term: u64,
    upstream: u32,
    /// Whether clients are in.
    opened: watch::Receiver<bool>,
    has_said: bool,
}

impl ChannelLeaderSink {
    /// For the `n`th upstream. `opened`: whether clients are in already.
    pub(crate) fn new(
        inner: LeaderSink,
        inbox: Arc<Inbox>,
        (term, n): (u64, usize),
        opened: watch::Receiver<bool>,
    ) -> Self {
        Self {
            inner,
            inbox,
            term,
            upstream: n as u32,
            opened,
            has_said: false,
        }
    }

    /// Clients may come in, wherever they wait.
    fn open(&mut self) {
        if !std::mem::replace(&mut self.has_said, true) {
            self.inbox.push(self.term, Content::Opened);
        }
    }

    /// Whether a failure is final for this stream: that it is gone; and before it has ever been open, that
    /// it is not for us.
    fn last_word(&self, failure: &Failure) -> Option<u16> {
        let is_refusal = match failure.status? {
            404 | 410 => true,
            401 | 403 => !self.has_said && !*self.opened.borrow(),
            _ => false,
        };
        failure.status.filter(|_| is_refusal)
    }
}

impl Sink for ChannelLeaderSink {
    fn connected(&mut self, resume: Resume) {
        self.open();
        self.inner.connected(resume);
    }

    fn item(&mut self, item: Item<'_>, received: Instant) {
        self.inner.item(item, received);
    }

    fn flush(&mut self) {
        self.inner.flush();
    }

    fn full(&self) -> bool {
        self.inner.full()
    }

    fn is_over(&self) -> bool {
        self.inner.is_over()
    }

    fn failed(&mut self, failure: &Failure, more: bool) -> Verdict {
        // Another URL of the same stream may still be there.
        if more {
            return self.inner.failed(failure, more);
        }
        if let Some(status) = self.last_word(failure) {
            let upstream = self.upstream;
            self.inbox.push(self.term, Content::Refused { upstream, status });
            return Verdict::Stop;
        }
        // It will be tried again: clients wait in their streams.
        self.open();
        self.inner.failed(failure, more)
    }

    fn ended(&mut self) {
        self.inner.ended();
    }

    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}
