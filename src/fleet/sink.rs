//! A leader's side of an upstream: what it yields goes towards the log, not to clients.

use super::coalescing::Coalescing;
use super::record::Content;
use super::shared::Lead;
use crate::event_stream::Item;
use crate::metrics::GapReason;
use crate::upstream::{Failure, Resume, Sink, Verdict};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

/// The sink of one upstream in one term.
pub(crate) struct LeaderSink {
    way: Arc<Coalescing>,
    term: u64,
    upstream: u32,
    /// Whether events may be missing where it connects and can't resume.
    may_miss: bool,
    /// Whether the origin has said that its stream has ended for good.
    has_ended: bool,
    /// Whether the stream's last event has come.
    is_over: bool,
}

impl LeaderSink {
    /// For the `n`th upstream. `comes_back`: the origin had ended it.
    pub(crate) fn new(way: Arc<Coalescing>, lead: &Lead, n: usize, comes_back: bool) -> Self {
        Self {
            way,
            term: lead.term,
            upstream: n as u32,
            may_miss: !lead.is_first || comes_back,
            has_ended: comes_back,
            is_over: false,
        }
    }
}

impl Sink for LeaderSink {
    fn connected(&mut self, resume: Resume) {
        let upstream = self.upstream;
        if std::mem::take(&mut self.has_ended) {
            self.way.between(Content::Reopened { upstream });
        }
        if std::mem::replace(&mut self.may_miss, true) && resume != Resume::Sent {
            self.way.gap(upstream, GapReason::UpstreamReconnected);
        }
    }

    fn item(&mut self, item: Item<'_>, received: Instant) {
        if self.is_over {
            return;
        }
        let upstream = self.upstream;
        match item {
            Item::Event(event) => self.is_over = self.way.event(upstream, &event, received),
            Item::Oversized { id, .. } => {
                if let Some(id) = id {
                    let id = Bytes::copy_from_slice(&id);
                    self.way.between(Content::Moved { upstream, id });
                }
                self.way.between(Content::Gap {
                    upstream,
                    reason: GapReason::OversizedEvent,
                    skipped: None,
                });
            }
            Item::Comment(line) => self.way.beside(Content::Comment { upstream, line }),
            Item::Retry(time) => self.way.beside(Content::Retry { upstream, time }),
        }
    }

    /// What has been pushed is on its way already.
    fn flush(&mut self) {}

    fn full(&self) -> bool {
        self.way.inbox().is_full()
    }

    fn is_over(&self) -> bool {
        self.is_over
    }

    /// Clients stay, and wait for the origin to come back.
    fn failed(&mut self, _failure: &Failure, _more: bool) -> Verdict {
        Verdict::Retry
    }

    fn ended(&mut self) {
        self.has_ended = true;
        self.way.between(Content::Ended {
            upstream: self.upstream,
        });
    }

    async fn ready(&mut self) {
        self.way.inbox().until_room(self.term).await;
    }
}
