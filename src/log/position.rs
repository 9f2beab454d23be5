//! Where something is in a log: by the number that ids name, and by the count that readers walk
//! along.

use crate::sync::{AtomicU64, Ordering};
use std::fmt;
use std::ops::Add;

/// An entry's number, as ids name it: `<epoch>.<position>`.
///
/// Positions increase from entry to entry. They may be given from outside and have holes: a shared
/// log counts what is no event as well, and a log that was kept over an unclean end goes on above
/// every number that may have been given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

/// Where a reader is: how many entries this process has appended up to there, whatever their
/// positions are.
///
/// Cursors have no holes, so a slot of the ring is a remainder and a lag is a difference. They
/// never leave the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor(u64);

/// A cursor that one thread moves and others read.
#[derive(Debug)]
pub(crate) struct AtomicCursor(AtomicU64);

/// A position that is not above the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("position {given} comes after {newest}")]
pub struct OutOfOrder {
    /// The position that was given.
    pub given: Position,
    /// The newest one that the log has.
    pub newest: Position,
}

impl Position {
    /// The place before the first entry of a numbering.
    pub const START: Self = Self(0);

    /// The position with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The lowest position after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How far it is from an earlier one; 0 if that one is not earlier.
    pub(super) const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Cursor {
    /// The place before the first entry.
    pub const START: Self = Self(0);

    /// The first entry.
    pub const FIRST: Self = Self(1);

    /// The cursor of the `n`th entry, counted from 1.
    pub const fn nth(n: u64) -> Self {
        Self(n)
    }

    /// Which entry it is, counted from 1; 0: the place before the first.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The entry after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The entry before it; before the first there is no other place.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// How many entries it is ahead of another; 0 if it is not ahead.
    pub const fn since(self, other: Self) -> u64 {
        self.0.saturating_sub(other.0)
    }

    /// The cursors from this one to before `end`.
    pub fn up_to(self, end: Self) -> impl DoubleEndedIterator<Item = Self> {
        (self.0..end.0).map(Self)
    }

    /// The cursor so many entries earlier; not before the first place.
    pub(crate) const fn back(self, entries: u64) -> Self {
        Self(self.0.saturating_sub(entries))
    }
}

impl Add<u64> for Cursor {
    type Output = Self;

    fn add(self, entries: u64) -> Self {
        // A distance between positions may be any number.
        Self(self.0.saturating_add(entries))
    }
}

impl AtomicCursor {
    pub(crate) fn new(cursor: Cursor) -> Self {
        Self(AtomicU64::new(cursor.0))
    }

    pub(crate) fn load(&self, ordering: Ordering) -> Cursor {
        Cursor(self.0.load(ordering))
    }

    pub(crate) fn store(&self, cursor: Cursor, ordering: Ordering) {
        self.0.store(cursor.0, ordering);
    }
}
