//! From an event id to the newest entry that carries it, in constant time, while the writer goes on.
//!
//! A hash table whose chains run through positions, newest first, as in the match finders of compressors: a bucket holds
//! the newest position with that hash, a cell per position how far back the next older one is. An id that comes again
//! replaces itself, so a chain holds each id once. Nothing else is removed: for readers a chain ends where it falls
//! behind the log's tail. The table doubles with the log, up to the log's bound, so that a short log stays small.
//!
//! What has fallen behind the tail stays readable until its cell is used again, by the hash alone. So a reader can tell an id that has gone
//! from one that never was, which is for people only: it may meet a cell that has just been reused. And the writer knows an id that comes back although the log has let it go: at least over the last [`CELLS_MIN`] positions, and over
//! half as many again as a full log holds.
//!
//! Ids that come back as one have the same hash, since a header loses the spaces around a value and a client replaces what is no UTF-8:
//! so they stand in one chain, and an id that came back changed is found as well.
//!
//! One writer; readers take no lock. A reader can meet a cell that the writer has just reused: then the tail has moved past
//! the cell's position before, and whatever the cell says leads further back, where the reader sees the tail and stops.
//! It may miss an id that is being let go at that moment, never invent one: what is found is compared with the entry.

use super::entry::Entry;
use crate::sync::{AtomicU64, Ordering, Swap};
use std::borrow::Cow;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Cells at first: small enough for a log of one short job.
const CELLS_MIN: usize = if cfg!(fanfare_loom) { 2 } else { 64 };

#[cfg(not(fanfare_loom))]
type Hasher = std::hash::RandomState;
/// The checker runs a model many times, and each time has to be the same.
#[cfg(fanfare_loom)]
type Hasher = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

#[derive(Debug)]
pub(super) struct Index {
    /// Never empty.
    table: Swap<Table>,
    hasher: Hasher,
    cells_max: usize,
}

/// The last use of an id, as far as the writer remembers.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastUse {
    /// Where. Behind the tail this is known by its hash alone.
    pub(super) position: u64,
    /// The next newer position in its chain; 0: it is the newest.
    newer: u64,
}

#[derive(Debug)]
struct Table {
    /// Newest position by hash; 0: none. A power of two.
    newest: Box<[AtomicU64]>,
    /// [`Cell`]s by position modulo the length; as many. A cell holds for its position until one of `len` more is entered,
    /// and `len` is at least the number of entries kept that are entered.
    older: Box<[AtomicU64]>,
    /// The newest position entered. The writer's.
    entered: AtomicU64,
}

/// A position's part of a chain.
#[derive(Debug, Clone, Copy)]
struct Cell {
    /// Upper half of the id's hash: spares a look at entries with another id.
    tag: u32,
    /// How far back the next older position of the chain is; 0: none that still has a cell.
    back: u32,
}

impl Cell {
    fn new(hash: u64, position: u64, older: u64) -> Self {
        let back = if older == 0 {
            0
        } else {
            u32::try_from(position - older).unwrap_or(0)
        };
        Self { tag: tag(hash), back }
    }

    fn unpack(packed: u64) -> Self {
        Self {
            tag: (packed >> 32) as u32,
            back: packed as u32,
        }
    }

    fn pack(self) -> u64 {
        u64::from(self.tag) << 32 | u64::from(self.back)
    }

    /// The next older position, seen from this cell's; 0: none.
    fn older(self, position: u64) -> u64 {
        if self.back == 0 {
            0
        } else {
            position.saturating_sub(self.back.into())
        }
    }
}

fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

impl Table {
    fn new(cells: usize) -> Self {
        let zeros = || (0..cells).map(|_| AtomicU64::new(0)).collect();
        Self {
            newest: zeros(),
            older: zeros(),
            entered: AtomicU64::new(0),
        }
    }

    fn len(&self) -> usize {
        self.older.len()
    }

    fn bucket(&self, hash: u64) -> &AtomicU64 {
        &self.newest[hash as usize & (self.len() - 1)]
    }

    fn cell(&self, position: u64) -> &AtomicU64 {
        &self.older[position as usize & (self.len() - 1)]
    }

    /// The writer's look: `entry` yields what is still kept.
    fn last_use(&self, hash: u64, id: &[u8], entry: &impl Fn(u64) -> Option<Arc<Entry>>) -> Option<LastUse> {
        let mut newer = 0;
        let mut position = self.bucket(hash).load(Ordering::Relaxed);
        while position != 0 && self.holds(position) {
            let cell = Cell::unpack(self.cell(position).load(Ordering::Relaxed));
            if cell.tag == tag(hash) && entry(position).is_none_or(|entry| entry.id() == id) {
                return Some(LastUse { position, newer });
            }
            newer = position;
            position = cell.older(position);
        }
        None
    }

    /// Whether a position's cell has not been used again. The table may yet have to grow before the next one is entered, so
    /// that nothing else will do: not the distance from that one.
    fn holds(&self, position: u64) -> bool {
        position + self.len() as u64 > self.entered.load(Ordering::Relaxed)
    }

    fn insert(&self, hash: u64, position: u64) {
        let bucket = self.bucket(hash);
        let cell = Cell::new(hash, position, bucket.load(Ordering::Relaxed));
        self.cell(position).store(cell.pack(), Ordering::Release);
        bucket.store(position, Ordering::Release);
        self.entered.store(position, Ordering::Relaxed);
    }

    /// Takes a use out of its chain, now that there is a newer one, at `again`.
    fn unlink(&self, hash: u64, last: LastUse, again: u64) {
        let newer = if last.newer == 0 { again } else { last.newer };
        if !self.holds(newer) {
            // `again` has its cell now, and with it the chain has ended before.
            return;
        }
        let older = if self.holds(last.position) {
            Cell::unpack(self.cell(last.position).load(Ordering::Relaxed)).older(last.position)
        } else {
            0
        };
        let tag = Cell::unpack(self.cell(newer).load(Ordering::Relaxed)).tag;
        debug_assert!(last.newer != 0 || tag == self::tag(hash));
        let cell = Cell {
            tag,
            ..Cell::new(hash, newer, older)
        };
        self.cell(newer).store(cell.pack(), Ordering::Release);
    }
}

impl Index {
    pub(super) fn new(events_max: usize) -> Self {
        // Half as many again: what a full log has let go lately is remembered.
        let cells_max = events_max
            .saturating_add(events_max / 2)
            .next_power_of_two()
            .max(CELLS_MIN);
        let table = Swap::empty();
        table.store(Some(Arc::new(Table::new(CELLS_MIN))));
        Self {
            table,
            hasher: Hasher::default(),
            cells_max,
        }
    }

    fn table(&self) -> Arc<Table> {
        self.table.load().expect("never emptied")
    }

    /// The last use of an id, kept or not. Only the writer calls this.
    pub(super) fn last_use(&self, id: &[u8], entry: impl Fn(u64) -> Option<Arc<Entry>>) -> Option<LastUse> {
        self.table().last_use(self.hash(id), id, &entry)
    }

    /// Enters the id of `position`; `tail..position` are the kept entries before it. Only the writer calls this, and calls
    /// [`Index::entered`] once readers can see the entry.
    pub(super) fn enter(&self, id: &[u8], position: u64, tail: u64, entry: impl Fn(u64) -> Option<Arc<Entry>>) -> bool {
        let table = self.table();
        let hash = self.hash(id);
        let kept = (position + 1 - tail) as usize;
        if kept <= table.len() || table.len() >= self.cells_max {
            table.insert(hash, position);
            return true;
        }
        let grown = Table::new((kept * 2).next_power_of_two().min(self.cells_max));
        for position in tail..position {
            let Some(kept) = entry(position).filter(|entry| entry.is_indexed()) else {
                continue;
            };
            let hash = self.hash(kept.id());
            let last = grown.last_use(hash, kept.id(), &entry);
            grown.insert(hash, position);
            if let Some(last) = last {
                grown.unlink(hash, last, position);
            }
        }
        grown.insert(hash, position);
        self.table.store(Some(Arc::new(grown)));
        false
    }

    /// Forgets the use before `position`, which readers had to find until now. Not after the table has grown.
    pub(super) fn entered(&self, id: &[u8], position: u64, last: LastUse) {
        self.table().unlink(self.hash(id), last, position);
    }

    /// The newest entry between the tail and the head whose id is this one, or if there is none, comes back as this.
    pub(super) fn find(
        &self,
        id: &[u8],
        tail: impl Fn() -> u64,
        entry: impl Fn(u64) -> Option<Arc<Entry>>,
    ) -> Option<Arc<Entry>> {
        let table = self.table();
        let hash = self.hash(id);
        let mut position = table.bucket(hash).load(Ordering::Acquire);
        let mut alike = None;
        while position != 0 && position >= tail() {
            let cell = Cell::unpack(table.cell(position).load(Ordering::Acquire));
            if cell.tag == tag(hash)
                && let Some(entry) = entry(position)
            {
                if entry.id() == id {
                    return Some(entry);
                }
                // The oldest of several: repeating is better than losing.
                alike = Some(entry).filter(|entry| comes_back_as(entry.id(), id)).or(alike);
            }
            position = cell.older(position);
        }
        alike
    }

    /// Whether an id was in use lately, and the log has let it go: as far as its hash can tell.
    pub(super) fn remembers(&self, id: &[u8], tail: u64) -> bool {
        let table = self.table();
        let hash = self.hash(id);
        let mut position = table.bucket(hash).load(Ordering::Acquire);
        while position != 0 && table.holds(position) {
            let cell = Cell::unpack(table.cell(position).load(Ordering::Acquire));
            if position < tail && cell.tag == tag(hash) {
                return true;
            }
            position = cell.older(position);
        }
        false
    }

    fn hash(&self, id: &[u8]) -> u64 {
        self.hasher.hash_one(&*as_it_comes_back(id))
    }
}

/// Around a header's value it is no part of it (RFC 9110, 5.5).
const WHITE_SPACE: [char; 2] = [' ', '\t'];

/// An id as an EventSource sends it back: decoded (9.2.5 of the HTML standard), and without what a header loses.
fn as_it_comes_back(id: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(id) {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_matches(WHITE_SPACE)),
        Cow::Owned(text) => Cow::Owned(text.trim_matches(WHITE_SPACE).to_owned()),
    }
}

/// Whether `back` is what came back of an id. One of nothing but spaces does not.
pub(crate) fn comes_back_as(id: &[u8], back: &[u8]) -> bool {
    id == back || {
        let changed = as_it_comes_back(id);
        !changed.is_empty() && std::str::from_utf8(back).is_ok_and(|back| back.trim_matches(WHITE_SPACE) == changed)
    }
}

#[cfg(all(test, not(fanfare_loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_of_an_id() {
        for (id, back, same) in [
            (&b"7"[..], &b"7"[..], true),
            (b" 7\t", b"7", true),
            (b"7  ", b"\t7", true),
            (b"a b", b"a  b", false),
            (b"  ", b"  ", true),
            (b"  ", b"", false),
            (b"  ", b"\t", false),
            (b" \xff", "\u{fffd}".as_bytes(), true),
            (b"\xe2\x82", "\u{fffd}".as_bytes(), true),
            (b"\xff\xff", "\u{fffd}".as_bytes(), false),
            (b"\xff", b"\xfe", false),
        ] {
            assert_eq!(
                comes_back_as(id, back),
                same,
                "{} {}",
                id.escape_ascii(),
                back.escape_ascii()
            );
        }
    }
}
