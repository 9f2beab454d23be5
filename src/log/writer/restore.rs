//! A log that goes on with the entries of another: of a predecessor process, say.

use super::Writer;
use crate::config::LogLimits;
use crate::log::entry::Draft;
use crate::log::index::{Forgotten, Index};
use crate::log::position::{Cursor, Position};
use crate::log::ring::{Log, Origin};

impl Writer {
    /// A log without entries that goes on behind what was let go before, under other bounds if need
    /// be.
    pub(in crate::log) fn behind(origin: Origin, forgotten: &Forgotten, limits: LogLimits) -> Self {
        let (newest, offset) = (origin.newest(), origin.offset);
        let index = Index::remembering(limits.events.max(1), forgotten);
        Self {
            log: Log::behind(origin, limits.events, index),
            limits,
            newest,
            offset,
            tail_offset: offset,
        }
    }

    /// Where a successor's log begins.
    pub(in crate::log) fn origin(&self) -> Origin {
        let last_evicted = self.log.last_evicted();
        Origin {
            start: self.log.shared.start,
            last_evicted: (last_evicted.cursor != Cursor::START).then_some(last_evicted),
            offset: self.tail_offset,
        }
    }

    /// The position of the newest entry.
    pub(in crate::log) fn newest(&self) -> Position {
        self.newest
    }

    /// Puts in the next of the entries that there were: its place is known. The caller has checked
    /// that its position is above the newest, and that no id stands before its first use.
    pub(in crate::log) fn restore(&mut self, position: Position, first_with_id: Cursor, draft: Draft) {
        debug_assert!(position > self.newest);
        let last_use = if draft.is_indexed() {
            self.last_use(&draft.id)
        } else {
            None
        };
        self.place(position, first_with_id, last_use, draft);
    }
}
