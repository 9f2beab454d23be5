//! A history while the origin returns it: what comes is kept until it meets the channel's log.

use super::channel::Channel;
use super::history::History;
use super::ids::{AtUpstream, IdInForce, Ids};
use super::writer_state::WriterState;
use crate::config;
use crate::event_stream::Item;
use crate::log::{Cursor, Epoch, Log, Read};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

/// A history while the origin returns it. It keeps as much as the channel's log would.
pub(crate) struct HistoryWriter {
    channel: Arc<Channel>,
    asked: Bytes,
    log: Log,
    writer_state: WriterState,
    ids: Ids,
    /// The id in force in it.
    id: IdInForce,
    /// An event was too large: what comes before it can't be vouched for.
    is_broken: bool,
}

/// Where a history stands to the channel's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meeting {
    /// The log is still empty.
    Empty,
    /// It has not come to the log's first event.
    Before,
    /// With this entry it has.
    At(Cursor),
    /// It does not come from before the log: the origin went on somewhere else.
    Elsewhere,
}

impl HistoryWriter {
    /// For what the origin returns after an id.
    pub(crate) fn new(channel: Arc<Channel>, asked: Bytes) -> Self {
        let (writer, log) = Log::new(channel.settings().load().log.limits());
        Self {
            log,
            writer_state: WriterState::new(writer),
            ids: Ids::new(Epoch::new(), config::Ids::Pass, 1),
            id: IdInForce::Id(asked.clone()),
            is_broken: false,
            channel,
            asked,
        }
    }

    /// One item of what the origin returns.
    pub(crate) fn item(&mut self, item: Item<'_>, received: Instant) {
        match item {
            Item::Event(event) => {
                if let Some(id) = event.id() {
                    self.id.follow(id);
                }
                let at = AtUpstream {
                    upstream: 0,
                    id: &self.id,
                };
                self.writer_state.publish(&self.ids, &event, at, received);
            }
            Item::Oversized { .. } => self.is_broken = true,
            Item::Comment(_) | Item::Retry(_) => {}
        }
    }

    /// Where it stands to the channel's log.
    pub(crate) fn meeting(&self) -> Meeting {
        let log = self.channel.log();
        let first = match log.read(Cursor::FIRST) {
            Read::NotYet => return Meeting::Empty,
            Read::Gone => return Meeting::Elsewhere,
            Read::Entry(entry) => entry,
        };
        // Only an id tells that two events are the same.
        if self.is_broken || first.id().is_empty() || !self.channel.ids.are_passed() {
            return Meeting::Elsewhere;
        }
        // Of several events with this id it may be any: the last of them leaves none out.
        if let Some(cursor) = self.log.newest_with(first.id()) {
            return Meeting::At(cursor);
        }
        match self.log.read(self.log.tail()) {
            Read::Entry(oldest) if log.newest_with(oldest.id()).is_some() => Meeting::Elsewhere,
            _ => Meeting::Before,
        }
    }

    /// What there is, if it joins the log. `is_all`: the origin has returned everything that there
    /// was.
    pub(crate) fn finish(self, is_all: bool) -> Option<History> {
        let end = match self.meeting() {
            Meeting::At(cursor) => cursor,
            Meeting::Empty if is_all && !self.is_broken => self.log.head().next(),
            _ => return None,
        };
        Some(History::new(self.asked, self.log, end))
    }
}
