//! The ring: slots by cursor, written by one, read by many without a lock.
//!
//! The writer's order is what readers rely on: an entry that goes becomes the last evicted, then
//! the tail moves, then its slot is reused; a slot is filled before the head moves. So a reader
//! that finds another entry than it asked for, or none, knows that its entry is gone; and an entry
//! at or below the head that is not behind the tail is there.

use super::entry::{Entry, EntryMeta};
use super::index::Index;
use super::position::{AtomicCursor, Cursor, Position};
use crate::sync::{AtomicU64, Ordering, Swap, spin_loop};
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
    /// Bytes kept.
    pub(super) bytes: AtomicU64,
    /// Bytes ever written.
    pub(super) end: AtomicU64,
    /// The newest entry that was let go, if any: `tail - 1`, or ahead of the tail for the moment in
    /// which it moves.
    pub(super) last_evicted: Swap<EntryMeta>,
    pub(super) index: Index,
    /// Slot `cursor % slots` of the ring; as many as events are kept at most.
    pages: Box<[OnceLock<Box<[Slot]>>]>,
    pub(super) slots: u64,
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
        let slots = events_max.max(1);
        let shared = Shared {
            start,
            head: AtomicCursor::new(Cursor::START),
            tail: AtomicCursor::new(Cursor::FIRST),
            newest_event: AtomicCursor::new(Cursor::START),
            bytes: AtomicU64::new(0),
            end: AtomicU64::new(0),
            last_evicted: Swap::empty(),
            index: Index::new(slots),
            pages: (0..slots.div_ceil(PAGE_SLOTS)).map(|_| OnceLock::new()).collect(),
            slots: slots as u64,
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
        match self.shared.slot(cursor).and_then(|slot| slot.load()) {
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
    fn slot(&self, cursor: Cursor) -> Option<&Slot> {
        let n = (cursor.get() % self.slots) as usize;
        Some(&self.pages[n / PAGE_SLOTS].get()?[n % PAGE_SLOTS])
    }

    pub(super) fn slot_for_writing(&self, cursor: Cursor) -> &Slot {
        let n = (cursor.get() % self.slots) as usize;
        let page = self.pages[n / PAGE_SLOTS].get_or_init(|| (0..PAGE_SLOTS).map(|_| Slot::empty()).collect());
        &page[n % PAGE_SLOTS]
    }
}
