//! The ring: slots by position, written by one, read by many without a lock.
//!
//! The writer's order is what readers rely on: an entry that goes becomes the last evicted, then the tail moves, then its slot
//! is reused; a slot is filled before the head moves. So a reader that finds another entry than it asked for, or none,
//! knows that its entry is gone; and an entry at or below the head that is not behind the tail is there.

use super::entry::{Entry, EntryMeta};
use super::index::Index;
use super::writer::Writer;
use crate::config::LogLimits;
use crate::sync::{AtomicU64, Ordering, Swap, spin_loop};
use bytes::Bytes;
use std::sync::{Arc, OnceLock};

/// Slots are allocated in pages, when the log first reaches them: a log of a few events is a few kilobytes.
const PAGE_SLOTS: usize = if cfg!(fanfare_loom) { 2 } else { 128 };

type Slot = Swap<Entry>;

/// The readers' side. Clones are the same log.
#[derive(Debug, Clone)]
pub struct Log {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    /// Position of the newest entry; 0 before the first.
    pub(super) head: AtomicU64,
    /// Position of the oldest entry kept; `head + 1` when none is.
    pub(super) tail: AtomicU64,
    /// Position of the newest entry that a client dispatches; 0 before the first.
    pub(super) newest_event: AtomicU64,
    /// Bytes kept.
    pub(super) bytes: AtomicU64,
    /// Bytes ever written.
    pub(super) end: AtomicU64,
    /// The newest entry that was let go, if any: `tail - 1`, or ahead of the tail for the moment in which it moves.
    pub(super) last_evicted: Swap<EntryMeta>,
    pub(super) index: Index,
    /// Slot `position % slots` of the ring; as many as events are kept at most.
    pages: Box<[OnceLock<Box<[Slot]>>]>,
    pub(super) slots: u64,
}

/// What a reader finds at a position.
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
    /// An empty log and its only writer.
    pub fn new(limits: LogLimits) -> (Writer, Log) {
        let slots = limits.events.max(1);
        let shared = Shared {
            head: AtomicU64::new(0),
            tail: AtomicU64::new(1),
            newest_event: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            end: AtomicU64::new(0),
            last_evicted: Swap::empty(),
            index: Index::new(slots),
            pages: (0..slots.div_ceil(PAGE_SLOTS)).map(|_| OnceLock::new()).collect(),
            slots: slots as u64,
        };
        let log = Log {
            shared: Arc::new(shared),
        };
        (Writer::new(log.clone(), limits), log)
    }

    /// Position of the newest entry; 0 before the first.
    pub fn head(&self) -> u64 {
        self.shared.head.load(Ordering::Acquire)
    }

    /// Position of the oldest entry kept; above the head when none is.
    pub fn tail(&self) -> u64 {
        self.shared.tail.load(Ordering::Acquire)
    }

    /// Bytes kept.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// Bytes of the kept entries after a position.
    pub fn bytes_since(&self, position: u64) -> u64 {
        match self.read(position + 1) {
            Read::Entry(next) => self.shared.end.load(Ordering::Relaxed).saturating_sub(next.offset),
            Read::NotYet => 0,
            Read::Gone => self.bytes(),
        }
    }

    /// Events kept; exact when nothing is being written.
    pub fn events(&self) -> u64 {
        (self.head() + 1).saturating_sub(self.tail())
    }

    /// The entry at a position.
    pub fn read(&self, position: u64) -> Read {
        // The head first: an entry at or below it that is not found has been let go.
        if position > self.head() {
            return Read::NotYet;
        }
        match self.shared.slot(position).and_then(|slot| slot.load()) {
            Some(entry) if entry.position == position => Read::Entry(entry),
            _ => Read::Gone,
        }
    }

    /// The newest position, and the id in force there (empty: none), as one consistent pair.
    pub fn tip(&self) -> (u64, Bytes) {
        let meta = self.meta_of_head();
        (meta.position, meta.id)
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

    /// What is known of a position: of every kept one, and of the newest that was let go.
    pub(super) fn meta(&self, position: u64) -> Option<EntryMeta> {
        match self.entry(position) {
            Some(entry) => Some(entry.meta()),
            None => Some(self.last_evicted()).filter(|meta| meta.position == position),
        }
    }

    /// The place before the oldest kept entry.
    pub(super) fn last_evicted(&self) -> EntryMeta {
        self.shared
            .last_evicted
            .load()
            .map_or_else(EntryMeta::start, |meta| EntryMeta::clone(&meta))
    }

    /// The newest kept entry with this id, or if there is none, with one that comes back as this.
    pub(super) fn find(&self, id: &[u8]) -> Option<Arc<Entry>> {
        self.shared
            .index
            .find(id, || self.tail(), |position| self.entry(position))
    }

    /// Whether this id was kept lately, as far as is known.
    pub(super) fn remembers(&self, id: &[u8]) -> bool {
        self.shared.index.remembers(id, self.tail())
    }

    pub(super) fn entry(&self, position: u64) -> Option<Arc<Entry>> {
        match self.read(position) {
            Read::Entry(entry) => Some(entry),
            Read::NotYet | Read::Gone => None,
        }
    }
}

impl Shared {
    fn slot(&self, position: u64) -> Option<&Slot> {
        let n = (position % self.slots) as usize;
        Some(&self.pages[n / PAGE_SLOTS].get()?[n % PAGE_SLOTS])
    }

    pub(super) fn slot_for_writing(&self, position: u64) -> &Slot {
        let n = (position % self.slots) as usize;
        let page = self.pages[n / PAGE_SLOTS].get_or_init(|| (0..PAGE_SLOTS).map(|_| Slot::empty()).collect());
        &page[n % PAGE_SLOTS]
    }
}
