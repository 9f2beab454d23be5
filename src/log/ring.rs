//! The ring: slots by cursor, written by one, read by many without a lock.
//!
//! The writer's order is what readers rely on: an entry that goes becomes the last evicted, then
//! the tail moves, then its slot is reused; a slot is filled before the head moves. So a reader
//! that finds another entry than it asked for, or none, knows that its entry is gone; and an entry
//! at or below the head that is not behind the tail is there.
//!
//! A ring that is to hold more is replaced by a larger one with the same entries; what comes after
//! lies in the larger one only. A reader looks at the head before it looks for the ring: so the
//! ring that it finds is no older than the entry that it asks for. The first ring is emptied behind
//! the replacement, so a reader that misses its entry there looks once more which ring is in use.

use super::entry::{Entry, EntryMeta};
use super::index::Index;
use super::position::{AtomicCursor, Cursor, Position};
use crate::sync::{AtomicBool, AtomicU64, Ordering, Swap, spin_loop};
use bytes::Bytes;
use std::sync::{Arc, OnceLock};

/// Slots are allocated in pages, when the log first reaches them: a log of a few events is a few
/// kilobytes.
const PAGE_SLOTS: usize = if cfg!(fanfare_loom) { 2 } else { 128 };

type Slot = Swap<Entry>;

/// The readers' side. Clones are the same log.
#[derive(Debug, Clone)]
pub struct Log {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    /// The place before the first entry.
    pub(super) start: Position,
    /// The newest entry; the start before the first.
    pub(super) head: AtomicCursor,
    /// The oldest entry kept; the one after the head when none is.
    pub(super) tail: AtomicCursor,
    /// The newest entry that a client dispatches; the start before the first.
    pub(super) newest_event: AtomicCursor,
    /// No number from this one on can have been given before the newest entry's: a client that
    /// names a lower one which no entry has stands in a hole.
    pub(super) given_below: AtomicU64,
    /// Bytes kept.
    pub(super) bytes: AtomicU64,
    /// Bytes ever written.
    pub(super) end: AtomicU64,
    /// The newest entry that was let go, if any: `tail - 1`, or ahead of the tail for the moment in
    /// which it moves.
    pub(super) last_evicted: Swap<EntryMeta>,
    pub(super) index: Index,
    /// The ring that the log was made with: most are never replaced, and cost no look at `larger`.
    first: Ring,
    /// Whether `larger` holds one. Set after it, and never taken back.
    is_larger: AtomicBool,
    larger: Swap<Ring>,
}

/// As many slots as events are kept at most: slot `cursor % slots` is for that entry.
#[derive(Debug)]
struct Ring {
    pages: Box<[OnceLock<Box<[Slot]>>]>,
    slots: u64,
}

/// Where a log begins that goes on with another.
#[derive(Debug)]
pub(super) struct Origin {
    /// The place before the first entry of all.
    pub(super) start: Position,
    /// The entry before the first one that it will hold, if there was any.
    pub(super) last_evicted: Option<EntryMeta>,
    /// Bytes of all entries up to there.
    pub(super) offset: u64,
}

impl Origin {
    /// The position up to which the numbering has been used.
    pub(super) fn newest(&self) -> Position {
        self.last_evicted.as_ref().map_or(self.start, |meta| meta.position)
    }
}

/// The newest entry, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// Where readers find it; the start before the first.
    pub cursor: Cursor,
    /// Its number.
    pub position: Position,
    /// The id in force after it; empty: none.
    pub id: Bytes,
}

/// What a reader finds at a cursor.
#[derive(Debug)]
pub enum Read {
    /// The entry.
    Entry(Arc<Entry>),
    /// Nothing was written there yet.
    NotYet,
    /// The log has let it go.
    Gone,
}

impl Log {
    /// An empty log that goes on behind a position, without its writer.
    pub(super) fn empty(start: Position, events_max: usize) -> Self {
        let origin = Origin {
            start,
            last_evicted: None,
            offset: 0,
        };
        Self::behind(origin, events_max, Index::new(events_max.max(1)))
    }

    /// A log whose next entry follows what was let go before.
    pub(super) fn behind(origin: Origin, events_max: usize, index: Index) -> Self {
        let slots = events_max.max(1);
        let last = origin.last_evicted.as_ref().map_or(Cursor::START, |meta| meta.cursor);
        let last_evicted = Swap::empty();
        last_evicted.store(origin.last_evicted.map(Arc::new));
        let shared = Shared {
            start: origin.start,
            head: AtomicCursor::new(last),
            tail: AtomicCursor::new(last.next()),
            newest_event: AtomicCursor::new(Cursor::START),
            given_below: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            end: AtomicU64::new(origin.offset),
            last_evicted,
            index,
            first: Ring::new(slots),
            is_larger: AtomicBool::new(false),
            larger: Swap::empty(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The newest entry; the start before the first.
    pub fn head(&self) -> Cursor {
        self.shared.head.load(Ordering::Acquire)
    }

    /// The oldest entry kept; after the head when none is.
    pub fn tail(&self) -> Cursor {
        self.shared.tail.load(Ordering::Acquire)
    }

    /// Bytes kept.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// Bytes of the kept entries from this one on.
    pub fn bytes_from(&self, cursor: Cursor) -> u64 {
        match self.read(cursor) {
            Read::Entry(next) => self.shared.end.load(Ordering::Relaxed).saturating_sub(next.offset),
            Read::NotYet => 0,
            Read::Gone => self.bytes(),
        }
    }

    /// Bytes of all entries that there ever were.
    pub(crate) fn end_offset(&self) -> u64 {
        self.shared.end.load(Ordering::Relaxed)
    }

    /// Events kept; exact when nothing is being written.
    pub fn events(&self) -> u64 {
        self.head().next().since(self.tail())
    }

    /// The entry at a cursor.
    pub fn read(&self, cursor: Cursor) -> Read {
        // The head first: an entry at or below it that is not found has been let go.
        if cursor > self.head() {
            return Read::NotYet;
        }
        match self.shared.at(cursor) {
            Some(entry) if entry.cursor == cursor => Read::Entry(entry),
            _ => Read::Gone,
        }
    }

    /// The newest entry, as one consistent look.
    pub fn tip(&self) -> Tip {
        let EntryMeta {
            cursor, position, id, ..
        } = self.meta_of_head();
        Tip { cursor, position, id }
    }

    /// The position of the entry before this one. `None`: it is no longer known.
    pub fn position_before(&self, cursor: Cursor) -> Option<Position> {
        self.meta(cursor.before()).map(|meta| meta.position)
    }

    /// The id that is in force before an entry, empty if there is none. `None`: it is no longer
    /// known.
    pub(crate) fn id_before(&self, cursor: Cursor) -> Option<Bytes> {
        self.meta(cursor.before()).map(|meta| meta.id)
    }

    /// Whether the origin has reset the id that is in force before an entry.
    pub(crate) fn is_id_reset_before(&self, cursor: Cursor) -> bool {
        let before = self.meta(cursor.before());
        before.is_some_and(|before| before.passed && before.id.is_empty())
    }

    pub(super) fn meta_of_head(&self) -> EntryMeta {
        loop {
            // Let go in between, and written beyond? Then the next look finds a newer head.
            if let Some(meta) = self.meta(self.head()) {
                return meta;
            }
            spin_loop();
        }
    }

    /// What is known of an entry: of every kept one, and of the newest that was let go.
    pub(super) fn meta(&self, cursor: Cursor) -> Option<EntryMeta> {
        match self.entry(cursor) {
            Some(entry) => Some(entry.meta()),
            None => Some(self.last_evicted()).filter(|meta| meta.cursor == cursor),
        }
    }

    /// The place before the oldest kept entry.
    pub(super) fn last_evicted(&self) -> EntryMeta {
        self.shared
            .last_evicted
            .load()
            .map_or_else(|| EntryMeta::start(self.shared.start), |meta| EntryMeta::clone(&meta))
    }

    /// The newest kept entry with this id, or if there is none, with one that comes back as this.
    pub(super) fn find(&self, id: &[u8]) -> Option<Arc<Entry>> {
        self.shared.index.find(id, || self.tail(), |cursor| self.entry(cursor))
    }

    /// The first entry with this id, if it is kept.
    pub(crate) fn first_with(&self, id: &[u8]) -> Option<Cursor> {
        let first = self.find(id)?.first_with_id();
        (first >= self.tail()).then_some(first)
    }

    /// The newest entry with this id, if it is kept.
    pub(crate) fn newest_with(&self, id: &[u8]) -> Option<Cursor> {
        self.find(id).map(|entry| entry.cursor)
    }

    /// Whether this id was kept lately, as far as is known.
    pub(super) fn remembers(&self, id: &[u8]) -> bool {
        self.shared.index.remembers(id, self.tail())
    }

    pub(super) fn entry(&self, cursor: Cursor) -> Option<Arc<Entry>> {
        match self.read(cursor) {
            Read::Entry(entry) => Some(entry),
            Read::NotYet | Read::Gone => None,
        }
    }
}

impl Shared {
    #[inline]
    fn at(&self, cursor: Cursor) -> Option<Arc<Entry>> {
        let is_larger = || self.is_larger.load(Ordering::Acquire);
        if !is_larger() {
            let entry = self.first.at(cursor);
            let is_it = entry.as_ref().is_some_and(|entry| entry.cursor == cursor);
            if is_it || !is_larger() {
                return entry;
            }
        }
        self.larger.load()?.at(cursor)
    }

    /// For the writer: puts an entry into its slot, or empties that.
    pub(super) fn put(&self, cursor: Cursor, entry: Option<Arc<Entry>>) {
        self.with_ring(|ring| ring.slot_for_writing(cursor).store(entry));
    }

    /// How many events there is room for.
    pub(super) fn slots(&self) -> u64 {
        self.with_ring(|ring| ring.slots)
    }

    /// For the writer: makes room for so many events. `kept`: the entries that there are.
    pub(super) fn enlarge(&self, events_max: usize, kept: impl Iterator<Item = Arc<Entry>>) {
        let ring = Ring::new(events_max);
        for entry in kept {
            ring.slot_for_writing(entry.cursor).store(Some(entry));
        }
        self.index.enlarge(events_max);
        let was_first = !self.is_larger.load(Ordering::Relaxed);
        self.larger.store(Some(Arc::new(ring)));
        self.is_larger.store(true, Ordering::Release);
        if was_first {
            // Else it would hold what the log lets go.
            self.first.clear();
        }
    }

    /// For the writer.
    fn with_ring<T>(&self, look: impl FnOnce(&Ring) -> T) -> T {
        match self.is_larger.load(Ordering::Acquire) {
            false => look(&self.first),
            true => match self.larger.load() {
                Some(ring) => look(&ring),
                None => look(&self.first),
            },
        }
    }
}

impl Ring {
    fn new(slots: usize) -> Self {
        Self {
            pages: (0..slots.div_ceil(PAGE_SLOTS)).map(|_| OnceLock::new()).collect(),
            slots: slots as u64,
        }
    }

    #[inline]
    fn at(&self, cursor: Cursor) -> Option<Arc<Entry>> {
        let n = (cursor.get() % self.slots) as usize;
        self.pages[n / PAGE_SLOTS].get()?[n % PAGE_SLOTS].load()
    }

    fn clear(&self) {
        let pages = self.pages.iter().filter_map(OnceLock::get);
        pages.flatten().for_each(|slot| slot.store(None));
    }

    fn slot_for_writing(&self, cursor: Cursor) -> &Slot {
        let n = (cursor.get() % self.slots) as usize;
        let page = self.pages[n / PAGE_SLOTS].get_or_init(|| (0..PAGE_SLOTS).map(|_| Slot::empty()).collect());
        &page[n % PAGE_SLOTS]
    }
}
