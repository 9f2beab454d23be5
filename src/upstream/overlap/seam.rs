//! Where two connections that carry the same stream are joined: found by what comes in both, without
//! I/O.
//!
//! What is known of an origin is little: each connection gets the events in the same order, and a new
//! one may begin with some of its own (a greeting, or some of the past). Ids there are none, and the
//! same event may come many times in a row. So a place is believed only if it is the only one that
//! fits, under three assumptions, each with a bound in time:
//!
//! - what one connection brings the other brings within [`LAG_MAX`];
//! - what a connection has of its own, it has within [`OPENING_MAX`] after it was opened;
//! - from then on everything that comes in one comes in the other.
//!
//! A place is told by its *shift*: by how much the number of an event on the old connection is higher
//! than its number on the new one. Each shift has a run: how many events at the end of what both have
//! brought are the same. Where several shifts fit, as in a burst of the same event, more is waited
//! for: the first other event, or a pause, leaves one of them.

use crate::event_stream::Item;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

/// How much later than on the one connection an event may come on the other.
pub(super) const LAG_MAX: Duration = Duration::from_secs(1);
/// For how long a new connection may bring what the old one does not, and miss what that one brings.
const OPENING_MAX: Duration = Duration::from_secs(1);
/// Nothing is decided before: what contradicts a place has come by then.
pub(super) const SETTLED_AFTER: Duration = Duration::from_secs(2);
/// Events of either connection that are remembered, of 16 bytes each, with 8 bytes for each shift.
const EVENTS_MAX: usize = 16 * 1024;

/// What has come of the two connections.
pub(super) struct Seam {
    hashes: RandomState,
    /// Since when both are open.
    opened: Instant,
    old: Vec<Told>,
    new: Vec<Told>,
    /// By shifts from 0 on.
    later: Vec<Run>,
    /// By shifts from -1 down.
    earlier: Vec<Run>,
}

/// An event.
#[derive(Debug, Clone, Copy)]
struct Told {
    digest: u64,
    at: Instant,
}

/// Events that are the same, up to the end of what both have brought.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    /// The first of them, by its number on the new connection.
    begin: u32,
    len: u32,
}

/// What is known of the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing yet.
    NotYet,
    /// The stream goes on with the event that has this number on the new connection.
    At(usize),
}

impl Seam {
    /// Both are open from now on.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            hashes: RandomState::new(),
            opened: now,
            old: Vec::new(),
            new: Vec::new(),
            later: Vec::new(),
            earlier: Vec::new(),
        }
    }

    /// Whether it is an event, and no word beside the stream.
    pub(super) fn counts(item: &Item<'_>) -> bool {
        matches!(item, Item::Event(_) | Item::Oversized { .. })
    }

    /// An event of the old connection.
    pub(super) fn old(&mut self, item: &Item<'_>, at: Instant) {
        let Some(digest) = self.digest(item) else { return };
        self.old.push(Told { digest, at });
        self.later.push(Run::default());
        (0..self.new.len()).for_each(|new| self.pair(self.old.len() - 1, new));
    }

    /// An event of the new one.
    pub(super) fn new_one(&mut self, item: &Item<'_>, at: Instant) {
        let Some(digest) = self.digest(item) else { return };
        self.new.push(Told { digest, at });
        self.earlier.push(Run::default());
        (0..self.old.len()).for_each(|old| self.pair(old, self.new.len() - 1));
    }

    /// Whether it is too much to go on.
    pub(super) fn is_full(&self) -> bool {
        self.old.len().max(self.new.len()) >= EVENTS_MAX
    }

    /// Whether all has come that can decide it: of an old connection that is gone.
    pub(super) fn is_settled(&self, now: Instant) -> bool {
        now >= self.opened + SETTLED_AFTER
    }

    /// Events of the new connection so far.
    pub(super) fn new_count(&self) -> usize {
        self.new.len()
    }

    /// The place, if there is but one. `old_end`: since when the old connection brings nothing more.
    pub(super) fn found(&self, now: Instant, old_end: Option<Instant>) -> Found {
        if !self.is_settled(now) {
            return Found::NotYet;
        }
        let later = (0..).zip(&self.later);
        let earlier = (1..).zip(&self.earlier).map(|(shift, run): (isize, _)| (-shift, run));
        let mut fitting = later
            .chain(earlier)
            .filter(|(shift, run)| self.fits(*shift, **run, now, old_end.unwrap_or(now)));
        match (fitting.next(), fitting.next()) {
            (Some((shift, _)), None) => Found::At(self.old.len().saturating_add_signed(-shift)),
            _ => Found::NotYet,
        }
    }

    /// Whether this item, the `number`th event of the new connection, is the one that the old one has
    /// brought at its place; `at`: where the stream goes on.
    pub(super) fn repeats(&self, item: &Item<'_>, number: usize, at: usize) -> bool {
        // Both ends are the same event.
        let old = (self.old.len() + number)
            .checked_sub(at)
            .and_then(|old| self.old.get(old));
        old.is_some_and(|old| self.digest(item) == Some(old.digest))
    }

    fn pair(&mut self, old: usize, new: usize) {
        let same = self.old[old].digest == self.new[new].digest;
        let agree = same && apart(self.old[old].at, self.new[new].at) <= LAG_MAX;
        let run = match old.checked_sub(new) {
            Some(shift) => &mut self.later[shift],
            None => &mut self.earlier[new - old - 1],
        };
        if !agree {
            run.len = 0;
            return;
        }
        if run.len == 0 {
            run.begin = u32::try_from(new).unwrap_or(u32::MAX);
        }
        run.len += 1;
    }

    fn fits(&self, shift: isize, run: Run, now: Instant, old_now: Instant) -> bool {
        if run.len == 0 {
            return false;
        }
        let new = run.begin as usize;
        let old = new.saturating_add_signed(shift);
        let len = run.len as usize;
        let opening = self.opened + OPENING_MAX;
        let before = |told: &[Told], begin: usize| {
            let last = begin.checked_sub(1).and_then(|last| told.get(last));
            last.is_none_or(|last| last.at <= opening)
        };
        // What only one of them has yet is on its way in the other.
        let after =
            |told: &[Told], end: usize, now: Instant| told.get(end).is_none_or(|first| now <= first.at + LAG_MAX);
        before(&self.new, new)
            && before(&self.old, old)
            && after(&self.new, new + len, old_now)
            && after(&self.old, old + len, now)
    }

    fn digest(&self, item: &Item<'_>) -> Option<u64> {
        match item {
            Item::Event(event) => Some(self.hashes.hash_one(event.block())),
            Item::Oversized { bytes, id } => Some(self.hashes.hash_one((bytes, id))),
            Item::Retry(_) | Item::Comment(_) => None,
        }
    }
}

fn apart(one: Instant, other: Instant) -> Duration {
    one.saturating_duration_since(other)
        .max(other.saturating_duration_since(one))
}

#[cfg(test)]
#[path = "seam_tests.rs"]
mod tests;
