//! What a channel goes on from: the log of an earlier life, which was kept.

use super::channel::Channel;
use super::settings::Settings;
use crate::log::{Cursor, Draft, Epoch, Kind, Position, Reserved, Tip};
use crate::metrics::SourceMetrics;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

/// A log that was kept, and the numbering that goes on behind it.
#[derive(Debug)]
pub(crate) struct Past {
    /// The numbering.
    pub(crate) epoch: Epoch,
    /// The position before the first entry.
    pub(crate) before: Position,
    /// By their positions, which grow.
    pub(crate) entries: Vec<(Position, Draft)>,
    /// No number from this one on has been given: those up to it that no entry has are a hole.
    pub(crate) next: Position,
    /// The ids that the upstreams go on behind, in the order of the configuration; empty: none.
    pub(crate) places: Vec<Bytes>,
}

/// Where a channel's numbering was left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Left {
    /// The newest entry.
    pub(crate) head: Cursor,
    /// The number that would have come next.
    pub(crate) next: Position,
}

impl Channel {
    /// A channel that goes on behind what was kept.
    pub(crate) fn continuing(settings: Settings, metrics: Arc<SourceMetrics>, past: Past) -> Arc<Self> {
        let newest = past.entries.last().map(|(_, draft)| draft);
        let ended = newest
            .filter(|draft| draft.kind == Kind::Terminal)
            .map(|draft| draft.received);
        let is_passed = newest.is_some_and(|draft| draft.indexed);
        let goes_on = newest.is_some() || past.places.iter().any(|place| !place.is_empty());
        let channel = Self::empty_behind(settings, metrics, (past.epoch, past.before), past.places, goes_on);
        channel.writer_state().restore(past.entries, past.next);
        if is_passed {
            channel.ids.go_on_passing();
            channel.catching_up.open();
        }
        if ended.is_none() {
            let limits = channel.settings().load().log.limits();
            channel.writer_state().trim(limits, Instant::now());
        }
        if let Some(at) = ended {
            channel
                .ending
                .set_at(super::end::Cause::Terminal, channel.log().tip(), at);
        }
        channel
    }

    /// The name of its numbering.
    pub(crate) fn epoch(&self) -> &Epoch {
        self.ids.epoch()
    }

    /// From now on numbers are given only as far as they are reserved. `has_places`: whether it is
    /// kept of some upstream where it goes on.
    pub(crate) fn keep(&self, reserved: Arc<Reserved>, has_places: bool) {
        let mut writer_state = self.writer_state();
        writer_state.reserve(Some(reserved));
        writer_state.has_places |= has_places;
    }

    /// The number that the next entry would get.
    pub(crate) fn next_position(&self) -> Position {
        self.writer_state().next_position()
    }

    /// The next entry gets this number, or a higher one.
    pub(crate) fn go_on_at(&self, next: Position) {
        self.writer_state().skip_to(next);
    }

    /// Its log is kept no longer. What is still published gets numbers that no later life of the
    /// channel gives.
    pub(crate) fn left(&self, reserved: &Reserved) -> Left {
        let writer_state = self.writer_state();
        reserved.withdraw();
        Left {
            head: self.log().head(),
            next: writer_state.next_position(),
        }
    }

    /// Numbers are given as far as they go: nothing on disk knows of them.
    pub(crate) fn keep_no_longer(&self) {
        self.writer_state().reserve(None);
    }

    /// Whether its stream had begun before this process.
    pub(crate) fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// The id behind which the origin of an upstream is asked first.
    pub(crate) fn kept_place(&self, upstream: usize) -> Option<&Bytes> {
        self.places.get(upstream).filter(|place| !place.is_empty())
    }

    /// The newest entry, as one look.
    pub(crate) fn tip(&self) -> Tip {
        self.log().tip()
    }
}
