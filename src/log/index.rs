//! From an event id to the newest entry that carries it, in constant time, while the writer goes
//! on.
//!
//! A hash table whose chains run through cursors, newest first, as in the match finders of
//! compressors: a bucket holds the newest cursor with that hash, a cell per cursor how far back the
//! next older one is. An id that comes again replaces itself, so a chain holds each id once.
//! Nothing else is removed: for readers a chain ends where it falls behind the log's tail. The
//! table doubles with the log, up to the log's bound, so that a short log stays small.
//!
//! What has fallen behind the tail stays readable until its cell is used again, by the hash alone.
//! So a reader can tell an id that has gone from one that never was, which is for people only: it
//! may meet a cell that has just been reused. And the writer knows an id that comes back although
//! the log has let it go: at least over the last [`CELLS_MIN`] entries, and over half as many again
//! as a full log holds.
//!
//! Ids that come back as one have the same hash, since a header loses the spaces around a value and
//! a client replaces what is no UTF-8: so they stand in one chain, and an id that came back changed
//! is found as well.
//!
//! One writer; readers take no lock. A reader can meet a cell that the writer has just reused: then
//! the tail has moved past the cell's cursor before, and whatever the cell says leads further back,
//! where the reader sees the tail and stops. It may miss an id that is being let go at that moment,
//! never invent one: what is found is compared with the entry.

mod carry;
mod seed;

use super::entry::Entry;
use super::position::{AtomicCursor, Cursor};
use crate::sync::{AtomicU64, AtomicUsize, Ordering, Swap};
use std::borrow::Cow;
use std::hash::Hasher as _;
use std::sync::Arc;

pub(super) use carry::Forgotten;
pub(super) use seed::{SEED_BYTES, Seed};

/// Cells at first: small enough for a log of one short job.
const CELLS_MIN: usize = if cfg!(fanfare_loom) { 2 } else { 64 };

#[derive(Debug)]
pub(super) struct Index {
    /// Never empty.
    table: Swap<Table>,
    seed: Seed,
    cells_max: AtomicUsize,
}

/// The last use of an id, as far as the writer remembers.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastUse {
    /// Where. Behind the tail this is known by its hash alone.
    pub(super) cursor: Cursor,
    /// The next newer use in its chain; the start: it is the newest.
    newer: Cursor,
}

#[derive(Debug)]
struct Table {
    /// Newest entry by hash; the start: none. A power of two.
    newest: Box<[AtomicCursor]>,
    /// [`Cell`]s by cursor modulo the length; as many. A cell holds for its cursor until one of
    /// `len` more is entered, and `len` is at least the number of entries kept that are entered.
    older: Box<[AtomicU64]>,
    /// The newest cursor entered. The writer's.
    entered: AtomicCursor,
}

/// A cursor's part of a chain.
#[derive(Debug, Clone, Copy)]
struct Cell {
    /// Upper half of the id's hash: spares a look at entries with another id.
    tag: u32,
    /// How far back the next older cursor of the chain is; 0: none that still has a cell.
    back: u32,
}

impl Cell {
    fn new(hash: u64, cursor: Cursor, older: Cursor) -> Self {
        let back = match older {
            Cursor::START => 0,
            older => u32::try_from(cursor.since(older)).unwrap_or(0),
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

    /// The next older use, seen from this cell's; the start: none.
    fn older(self, cursor: Cursor) -> Cursor {
        match self.back {
            0 => Cursor::START,
            back => cursor.back(back.into()),
        }
    }
}

fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

impl Table {
    fn new(cells: usize) -> Self {
        let none = || AtomicCursor::new(Cursor::START);
        Self {
            newest: (0..cells).map(|_| none()).collect(),
            older: (0..cells).map(|_| AtomicU64::new(0)).collect(),
            entered: none(),
        }
    }

    fn len(&self) -> usize {
        self.older.len()
    }

    fn bucket(&self, hash: u64) -> &AtomicCursor {
        &self.newest[hash as usize & (self.len() - 1)]
    }

    fn cell(&self, cursor: Cursor) -> &AtomicU64 {
        &self.older[cursor.get() as usize & (self.len() - 1)]
    }

    /// The writer's look: `entry` yields what is still kept.
    fn last_use(&self, hash: u64, id: &[u8], entry: &impl Fn(Cursor) -> Option<Arc<Entry>>) -> Option<LastUse> {
        let mut newer = Cursor::START;
        let mut cursor = self.bucket(hash).load(Ordering::Relaxed);
        while cursor != Cursor::START && self.holds(cursor) {
            let cell = Cell::unpack(self.cell(cursor).load(Ordering::Relaxed));
            if cell.tag == tag(hash) && entry(cursor).is_none_or(|entry| entry.id() == id) {
                return Some(LastUse { cursor, newer });
            }
            newer = cursor;
            cursor = cell.older(cursor);
        }
        None
    }

    /// Whether a cursor's cell has not been used again. The table may yet have to grow before the
    /// next one is entered, so that nothing else will do: not the distance from that one.
    fn holds(&self, cursor: Cursor) -> bool {
        cursor + self.len() as u64 > self.entered.load(Ordering::Relaxed)
    }

    fn insert(&self, hash: u64, cursor: Cursor) {
        let bucket = self.bucket(hash);
        let cell = Cell::new(hash, cursor, bucket.load(Ordering::Relaxed));
        self.cell(cursor).store(cell.pack(), Ordering::Release);
        bucket.store(cursor, Ordering::Release);
        self.entered.store(cursor, Ordering::Relaxed);
    }

    /// Takes a use out of its chain, now that there is a newer one, at `again`.
    fn unlink(&self, hash: u64, last: LastUse, again: Cursor) {
        let newer = if last.newer == Cursor::START { again } else { last.newer };
        if !self.holds(newer) {
            // `again` has its cell now, and with it the chain has ended before.
            return;
        }
        let older = if self.holds(last.cursor) {
            Cell::unpack(self.cell(last.cursor).load(Ordering::Relaxed)).older(last.cursor)
        } else {
            Cursor::START
        };
        let tag = Cell::unpack(self.cell(newer).load(Ordering::Relaxed)).tag;
        debug_assert!(last.newer != Cursor::START || tag == self::tag(hash));
        let cell = Cell {
            tag,
            ..Cell::new(hash, newer, older)
        };
        self.cell(newer).store(cell.pack(), Ordering::Release);
    }
}

/// Half as many again as events: what a full log has let go lately is remembered.
fn cells_of(events_max: usize) -> usize {
    events_max
        .saturating_add(events_max / 2)
        .next_power_of_two()
        .max(CELLS_MIN)
}

impl Index {
    pub(super) fn new(events_max: usize) -> Self {
        let table = Swap::empty();
        table.store(Some(Arc::new(Table::new(CELLS_MIN))));
        Self {
            table,
            seed: Seed::new(),
            cells_max: AtomicUsize::new(cells_of(events_max)),
        }
    }

    /// From now on more events may be kept. Only the writer calls this; the table grows as they
    /// come.
    pub(super) fn enlarge(&self, events_max: usize) {
        self.cells_max.store(cells_of(events_max), Ordering::Relaxed);
    }

    fn table(&self) -> Arc<Table> {
        self.table.load().expect("never emptied")
    }

    /// The last use of an id, kept or not. Only the writer calls this.
    pub(super) fn last_use(&self, id: &[u8], entry: impl Fn(Cursor) -> Option<Arc<Entry>>) -> Option<LastUse> {
        self.table().last_use(self.hash(id), id, &entry)
    }

    /// Enters the id of `cursor`; `tail..cursor` are the kept entries before it. Only the writer
    /// calls this, and calls [`Index::entered`] once readers can see the entry.
    pub(super) fn enter(
        &self,
        id: &[u8],
        cursor: Cursor,
        tail: Cursor,
        entry: impl Fn(Cursor) -> Option<Arc<Entry>>,
    ) -> bool {
        let table = self.table();
        let hash = self.hash(id);
        let kept = cursor.next().since(tail) as usize;
        let cells_max = self.cells_max.load(Ordering::Relaxed);
        if kept <= table.len() || table.len() >= cells_max {
            table.insert(hash, cursor);
            return true;
        }
        let grown = Table::new((kept * 2).next_power_of_two().min(cells_max));
        for cursor in tail.up_to(cursor) {
            let Some(kept) = entry(cursor).filter(|entry| entry.is_indexed()) else {
                continue;
            };
            let hash = self.hash(kept.id());
            let last = grown.last_use(hash, kept.id(), &entry);
            grown.insert(hash, cursor);
            if let Some(last) = last {
                grown.unlink(hash, last, cursor);
            }
        }
        grown.insert(hash, cursor);
        self.table.store(Some(Arc::new(grown)));
        false
    }

    /// Forgets the use before `cursor`, which readers had to find until now. Not after the table
    /// has grown.
    pub(super) fn entered(&self, id: &[u8], cursor: Cursor, last: LastUse) {
        self.table().unlink(self.hash(id), last, cursor);
    }

    /// The newest entry between the tail and the head whose id is this one, or if there is none,
    /// comes back as this.
    pub(super) fn find(
        &self,
        id: &[u8],
        tail: impl Fn() -> Cursor,
        entry: impl Fn(Cursor) -> Option<Arc<Entry>>,
    ) -> Option<Arc<Entry>> {
        let table = self.table();
        let hash = self.hash(id);
        let mut cursor = table.bucket(hash).load(Ordering::Acquire);
        let mut alike = None;
        while cursor != Cursor::START && cursor >= tail() {
            let cell = Cell::unpack(table.cell(cursor).load(Ordering::Acquire));
            if cell.tag == tag(hash)
                && let Some(entry) = entry(cursor)
            {
                if entry.id() == id {
                    return Some(entry);
                }
                // The oldest of several: repeating is better than losing.
                alike = Some(entry).filter(|entry| comes_back_as(entry.id(), id)).or(alike);
            }
            cursor = cell.older(cursor);
        }
        alike
    }

    /// Whether an id was in use lately, and the log has let it go: as far as its hash can tell.
    pub(super) fn remembers(&self, id: &[u8], tail: Cursor) -> bool {
        let table = self.table();
        let hash = self.hash(id);
        let mut cursor = table.bucket(hash).load(Ordering::Acquire);
        while cursor != Cursor::START && table.holds(cursor) {
            let cell = Cell::unpack(table.cell(cursor).load(Ordering::Acquire));
            if cursor < tail && cell.tag == tag(hash) {
                return true;
            }
            cursor = cell.older(cursor);
        }
        false
    }

    /// The bytes alone: nothing else is hashed with them that they would have to be told from.
    fn hash(&self, id: &[u8]) -> u64 {
        let mut hasher = self.seed.hasher();
        match comes_back_unchanged(id) {
            true => hasher.write(id),
            false => hasher.write(as_it_comes_back(id).as_bytes()),
        }
        hasher.finish()
    }
}

/// Around a header's value it is no part of it (RFC 9110, 5.5).
const WHITE_SPACE: [char; 2] = [' ', '\t'];

/// Whether it is so at the first glance: for almost all ids it is.
fn comes_back_unchanged(id: &[u8]) -> bool {
    let is_white = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    id.is_ascii() && !is_white(id.first()) && !is_white(id.last())
}

/// An id as an EventSource sends it back: decoded (9.2.5 of the HTML standard), and without what a
/// header loses.
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
