//! The ring: slots by position, written by one, read by many without a lock.
//!
//! The writer's order is what readers rely on: the tail moves before a slot is reused, a slot is filled before the head
//! moves. So a reader that finds another entry than it asked for, or none, knows that its entry is gone; and an
//! entry at or below the head that is not behind the tail is there.

use super::entry::{Draft, Entry};
use super::index::Index;
use crate::config::LogLimits;
use crate::sync::{AtomicU64, Ordering};
use bytes::Bytes;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Slots are allocated in pages, when the log first reaches them: a log of a few events is a few hundred bytes.
const PAGE_SLOTS: usize = if cfg!(loom) { 2 } else { 64 };

type Slot = arc_swap::ArcSwapOption<Entry>;

/// The readers' side. Clones are the same log.
#[derive(Debug, Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

/// The writer's side: there is one.
#[derive(Debug)]
pub struct Writer {
    log: Log,
    limits: LogLimits,
    /// Bytes of all entries ever written.
    offset: u64,
    /// Offset of the oldest entry kept; `offset` if none is.
    tail_offset: u64,
}

#[derive(Debug)]
struct Shared {
    /// Position of the newest entry; 0 before the first.
    head: AtomicU64,
    /// Position of the oldest entry kept; `head + 1` when none is.
    tail: AtomicU64,
    /// Bytes kept.
    bytes: AtomicU64,
    /// Bytes ever written.
    end: AtomicU64,
    /// Slot `position % slots` of the ring; as many as events are kept at most.
    pages: Box<[OnceLock<Box<[Slot]>>]>,
    slots: u64,
    index: Index,
    /// The newest entry's position and id, when the log has let even that entry go.
    last: arc_swap::ArcSwapOption<(u64, Bytes)>,
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
            bytes: AtomicU64::new(0),
            end: AtomicU64::new(0),
            pages: (0..slots.div_ceil(PAGE_SLOTS)).map(|_| OnceLock::new()).collect(),
            slots: slots as u64,
            index: Index::new(slots),
            last: arc_swap::ArcSwapOption::empty(),
        };
        let log = Log { shared: Arc::new(shared) };
        (Writer { log: log.clone(), limits, offset: 0, tail_offset: 0 }, log)
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
        match self.shared.slot(position).and_then(|slot| slot.load_full()) {
            Some(entry) if entry.position == position => Read::Entry(entry),
            _ => Read::Gone,
        }
    }

    /// The newest position, and the id in force there (empty: none), as one consistent pair.
    pub fn tip(&self) -> (u64, Bytes) {
        loop {
            let head = self.head();
            if head == 0 {
                return (0, Bytes::new());
            }
            if let Read::Entry(entry) = self.read(head) {
                return (head, entry.id().clone());
            }
            // Let go by age, or overtaken by the writer: then the next look finds a newer head.
            if let Some(last) = self.shared.last.load_full()
                && last.0 == head
            {
                return (head, last.1.clone());
            }
            std::hint::spin_loop();
        }
    }

    /// The newest kept entry that introduced this id.
    pub(super) fn find(&self, id: &[u8]) -> Option<Arc<Entry>> {
        let kept = |position| position >= self.tail();
        let entry = |position| match self.read(position) {
            Read::Entry(entry) => Some(entry),
            Read::NotYet | Read::Gone => None,
        };
        let position = self.shared.index.find(id, kept, |position, id| entry(position).is_some_and(|e| e.id() == id))?;
        entry(position)
    }
}

impl Shared {
    fn slot(&self, position: u64) -> Option<&Slot> {
        let n = (position % self.slots) as usize;
        Some(&self.pages[n / PAGE_SLOTS].get()?[n % PAGE_SLOTS])
    }

    fn slot_for_writing(&self, position: u64) -> &Slot {
        let n = (position % self.slots) as usize;
        let page = self.pages[n / PAGE_SLOTS].get_or_init(|| (0..PAGE_SLOTS).map(|_| Slot::empty()).collect());
        &page[n % PAGE_SLOTS]
    }
}

impl Writer {
    /// The readers' side.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Appends an entry and returns its position. Readers see it at once; waking them is the caller's.
    pub fn append(&mut self, draft: Draft) -> u64 {
        let position = self.log.head() + 1;
        let len = draft.frame.len() as u64;
        self.make_room(len, draft.received);

        let first_with_id = self.first_with_id(position, &draft);
        let introduces = draft.indexed && !draft.id.is_empty() && !self.inherits(position, &draft.id);
        let entry = Arc::new(Entry::new(position, self.offset, first_with_id, draft));
        self.offset += len;
        let shared = &self.log.shared;
        shared.slot_for_writing(position).store(Some(entry.clone()));
        shared.bytes.store(self.offset - self.tail_offset, Ordering::Relaxed);
        shared.end.store(self.offset, Ordering::Relaxed);
        if introduces {
            let tail = self.log.tail();
            let kept = (position + 1 - tail) as usize;
            shared.index.insert(entry.id(), position, kept, || self.introductions(tail, position));
        }
        shared.head.store(position, Ordering::Release);
        position
    }

    /// Lets go what is older than the log's age. To be called from time to time, also when nothing is written.
    pub fn trim(&mut self, now: Instant) {
        self.let_go_while(|writer, oldest| writer.is_old(oldest, now));
    }

    fn is_old(&self, entry: &Entry, now: Instant) -> bool {
        !self.limits.age.is_zero() && now.saturating_duration_since(entry.received()) > self.limits.age
    }

    /// One event is always kept, however large: bounds are checked against what is there before it.
    fn make_room(&mut self, len: u64, now: Instant) {
        self.let_go_while(|writer, oldest| {
            let log = &writer.log;
            log.events() >= log.shared.slots
                || writer.offset - writer.tail_offset + len > writer.limits.bytes
                || writer.is_old(oldest, now)
        });
    }

    fn let_go_while(&mut self, too_much: impl Fn(&Self, &Entry) -> bool) {
        let shared = self.log.shared.clone();
        loop {
            let tail = self.log.tail();
            let Read::Entry(oldest) = self.log.read(tail) else {
                debug_assert_eq!(tail, self.log.head() + 1, "between tail and head nothing is missing");
                return;
            };
            if !too_much(self, &oldest) {
                return;
            }
            if tail == self.log.head() {
                shared.last.store(Some(Arc::new((tail, Bytes::copy_from_slice(oldest.id())))));
            }
            shared.tail.store(tail + 1, Ordering::Release);
            shared.slot_for_writing(tail).store(None);
            self.tail_offset = oldest.offset + oldest.len_bytes();
            shared.bytes.store(self.offset - self.tail_offset, Ordering::Relaxed);
        }
    }

    /// Whether the entry before `position` has this id in force already.
    fn inherits(&self, position: u64, id: &[u8]) -> bool {
        matches!(self.log.read(position - 1), Read::Entry(before) if before.indexed() && before.id() == id)
    }

    fn first_with_id(&self, position: u64, draft: &Draft) -> u64 {
        if !draft.indexed || draft.id.is_empty() {
            return position;
        }
        if let Read::Entry(before) = self.log.read(position - 1)
            && before.indexed()
            && before.id() == &draft.id
        {
            return before.first_with_id;
        }
        self.log.find(&draft.id).map_or(position, |entry| entry.first_with_id)
    }

    /// The kept entries from `tail` up to `end` that introduced their ids, oldest first.
    fn introductions(&self, tail: u64, end: u64) -> impl Iterator<Item = (u64, Bytes)> + '_ {
        let mut before: Option<Bytes> = None;
        (tail..end).filter_map(move |position| {
            let Read::Entry(entry) = self.log.read(position) else { return None };
            let introduces =
                entry.indexed() && !entry.id().is_empty() && before.as_ref().is_none_or(|before| before != entry.id());
            before = entry.indexed().then(|| entry.id().clone());
            introduces.then(|| (position, entry.id().clone()))
        })
    }
}
