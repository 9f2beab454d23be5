//! From an event id to the newest entry that introduced it, in constant time, while the writer goes on.
//!
//! A hash table whose chains run through positions, newest first, as in the match finders of compressors: a bucket holds the
//! newest position with that hash, `older[position]` the one before it. Nothing is ever removed: a chain ends where it
//! falls behind the log's tail. The table doubles with the log, up to the log's bound, so that a short log stays small.
//!
//! One writer; readers take no lock. A reader can meet a cell that the writer has just reused; it then sees, by the
//! tail, that what it followed is gone, and stops. It may miss an id that is being let go at that moment, never invent one.

use crate::sync::{AtomicU64, Ordering};
use arc_swap::ArcSwap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// Cells at first: small enough for a log of one short job.
const CELLS_MIN: usize = 64;

#[derive(Debug)]
pub(super) struct Index {
    table: ArcSwap<Table>,
    hasher: RandomState,
    cells_max: usize,
}

#[derive(Debug)]
struct Table {
    /// Newest position by hash; 0: none. A power of two.
    newest: Box<[AtomicU64]>,
    /// The next older position of the same bucket, by position modulo the length; 0: none.
    /// Holds for every position above `head - len`, and `len` is at least the number of entries kept.
    older: Box<[AtomicU64]>,
}

impl Table {
    fn new(cells: usize) -> Self {
        let zeros = || (0..cells).map(|_| AtomicU64::new(0)).collect();
        Self { newest: zeros(), older: zeros() }
    }

    fn cell(&self, n: u64) -> usize {
        n as usize & (self.older.len() - 1)
    }

    fn insert(&self, hash: u64, position: u64) {
        let bucket = &self.newest[self.cell(hash)];
        self.older[self.cell(position)].store(bucket.load(Ordering::Relaxed), Ordering::Release);
        bucket.store(position, Ordering::Release);
    }
}

impl Index {
    pub(super) fn new(events_max: usize) -> Self {
        let cells_max = events_max.next_power_of_two().max(CELLS_MIN);
        let table = ArcSwap::from_pointee(Table::new(CELLS_MIN));
        Self { table, hasher: RandomState::new(), cells_max }
    }

    /// Enters an id. Only the writer calls this. `kept` is how many entries the log holds with this one; `again` yields
    /// every entry before this one that has to be in the index, oldest first, when the table has to grow.
    pub(super) fn insert<I>(&self, id: &[u8], position: u64, kept: usize, again: impl FnOnce() -> I)
    where
        I: Iterator<Item = (u64, bytes::Bytes)>,
    {
        let table = self.table.load();
        if kept > table.older.len() && table.older.len() < self.cells_max {
            let grown = Table::new((kept * 2).next_power_of_two().min(self.cells_max));
            for (position, id) in again() {
                grown.insert(self.hasher.hash_one(&id[..]), position);
            }
            grown.insert(self.hasher.hash_one(id), position);
            self.table.store(Arc::new(grown));
        } else {
            table.insert(self.hasher.hash_one(id), position);
        }
    }

    /// The positions that may have introduced `id`, newest first; `kept` says whether a position is still in the log.
    /// The first for which `matches` holds is returned.
    pub(super) fn find(
        &self,
        id: &[u8],
        kept: impl Fn(u64) -> bool,
        matches: impl Fn(u64, &[u8]) -> bool,
    ) -> Option<u64> {
        let table = self.table.load();
        let mut position = table.newest[table.cell(self.hasher.hash_one(id))].load(Ordering::Acquire);
        while position != 0 && kept(position) {
            if matches(position, id) {
                return Some(position);
            }
            let older = table.older[table.cell(position)].load(Ordering::Acquire);
            // Reused while we read it: what stood there pointed behind the tail anyway.
            if older >= position || !kept(position) {
                return None;
            }
            position = older;
        }
        None
    }
}
