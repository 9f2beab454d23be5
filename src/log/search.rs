//! From a position to its entry, in a log whose positions may have holes.

use super::entry::EntryMeta;
use super::position::{Cursor, Position};
use super::ring::Log;
use crate::sync::Ordering;

/// What there is at a position.
#[derive(Debug)]
pub(super) enum Search {
    /// An entry, which is kept or was the last to be let go; or the place before the first.
    Found(Cursor),
    /// Nothing, and the entry before it.
    Hole(EntryMeta),
    /// An entry that was let go, or nothing: that is no longer known.
    Evicted,
    /// Nothing has come so far.
    NotYet,
}

impl Log {
    /// The entry at a position, if it is kept, was the last to be let go, or is the place before the
    /// first.
    pub(crate) fn cursor_of(&self, position: Position) -> Option<Cursor> {
        match self.search(position) {
            Search::Found(cursor) => Some(cursor),
            Search::Hole(_) | Search::Evicted | Search::NotYet => None,
        }
    }

    /// The first entry behind a position, which may be still to come. `None`: it is no longer known
    /// which that was.
    pub(crate) fn first_behind(&self, position: Position) -> Option<Cursor> {
        loop {
            let newest = self.meta_of_head();
            if position >= newest.position {
                return Some(newest.cursor.next());
            }
            match self.search(position) {
                Search::Found(cursor) => return Some(cursor.next()),
                Search::Hole(before) => return Some(before.cursor.next()),
                Search::Evicted => return None,
                // Not with a newer entry at the head.
                Search::NotYet => {}
            }
        }
    }

    /// Looks for a position. Costs one read where there are no holes, else a binary search.
    pub(super) fn search(&self, position: Position) -> Search {
        // The head before the last evicted, which only grows.
        let newest = self.meta_of_head();
        if position >= newest.position {
            let given_below = self.shared.given_below.load(Ordering::Relaxed);
            return match position == newest.position {
                true => Search::Found(newest.cursor),
                false if position.get() < given_below => Search::Hole(newest),
                false => Search::NotYet,
            };
        }
        let mut below = self.last_evicted();
        let mut above = (newest.cursor, newest.position);
        loop {
            if position <= below.position {
                return match position == below.position {
                    true => Search::Found(below.cursor),
                    false => Search::Evicted,
                };
            }
            debug_assert!(below.position < position && position < above.1);
            if below.cursor.next() >= above.0 {
                return Search::Hole(below);
            }
            let probe = probe(position, &below, above);
            match self.entry(probe) {
                Some(entry) if entry.position == position => return Search::Found(probe),
                Some(entry) if entry.position < position => below = entry.meta(),
                Some(entry) => above = (probe, entry.position),
                // Let go meanwhile: it is not after the last evicted any more.
                None => below = self.last_evicted(),
            }
        }
    }
}

/// Where to look next, between two entries. Positions grow at least as fast as cursors, from both
/// sides: where there is no hole, that leaves one place.
fn probe(position: Position, below: &EntryMeta, above: (Cursor, Position)) -> Cursor {
    let least = above.0.back(above.1.since(position)).max(below.cursor.next());
    let most = (below.cursor + position.since(below.position)).min(above.0.before());
    let (least, most) = match least <= most {
        true => (least, most),
        // It lies in a hole. What is wanted is the entry before it.
        false => (below.cursor.next(), above.0.before()),
    };
    least + most.since(least) / 2
}
