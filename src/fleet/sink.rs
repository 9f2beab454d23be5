//! A leader's side of an upstream: what it yields goes towards the log, not to clients.

use super::inbox::Inbox;
use super::record::Content;
use super::shared::Lead;
use crate::channel::Channel;
use crate::event_stream::Item;
use crate::metrics::GapReason;
use crate::upstream::{Failure, Resume, Sink, Verdict};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

/// The sink of one upstream in one term.
pub(crate) struct LeaderSink {
    inbox: Arc<Inbox>,
    channel: Arc<Channel>,
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
    pub(crate) fn new(inbox: Arc<Inbox>, channel: Arc<Channel>, lead: &Lead, n: usize, comes_back: bool) -> Self {
        Self {
            inbox,
            channel,
            term: lead.term,
            upstream: n as u32,
            may_miss: !lead.is_first || comes_back,
            has_ended: comes_back,
            is_over: false,
        }
    }

    fn push(&self, content: Content) {
        self.inbox.push(self.term, content);
    }
}

impl Sink for LeaderSink {
    fn connected(&mut self, resume: Resume) {
        let upstream = self.upstream;
        if std::mem::take(&mut self.has_ended) {
            self.push(Content::Reopened { upstream });
        }
        if std::mem::replace(&mut self.may_miss, true) && resume != Resume::Sent {
            self.inbox.push_gap(self.term, upstream, GapReason::UpstreamReconnected);
        }
    }

    fn item(&mut self, item: Item<'_>, _received: Instant) {
        if self.is_over {
            return;
        }
        let upstream = self.upstream;
        match item {
            Item::Event(event) => {
                self.is_over = self.channel.is_last(&event);
                self.push(Content::Events {
                    upstream,
                    blocks: event.to_owned().into_block(),
                });
            }
            Item::Oversized { id, .. } => {
                if let Some(id) = id {
                    let id = Bytes::copy_from_slice(&id);
                    self.push(Content::Moved { upstream, id });
                }
                self.push(Content::Gap {
                    upstream,
                    reason: GapReason::OversizedEvent,
                    skipped: None,
                });
            }
            Item::Comment(line) => self.push(Content::Comment { upstream, line }),
            Item::Retry(time) => self.push(Content::Retry { upstream, time }),
        }
    }

    /// What has been pushed is on its way already.
    fn flush(&mut self) {}

    fn full(&self) -> bool {
        self.inbox.is_full()
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
        self.push(Content::Ended {
            upstream: self.upstream,
        });
    }

    async fn ready(&mut self) {
        self.inbox.until_room(self.term).await;
    }
}
