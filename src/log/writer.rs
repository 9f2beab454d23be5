//! The writing side: appends, and lets go what is over a bound.

use super::entry::{Draft, Entry, Kind};
use super::index::LastUse;
use super::ring::{Log, Read};
use crate::config::LogLimits;
use crate::sync::Ordering;
use std::sync::Arc;
use std::time::Instant;

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

/// What would be kept, while it is found out how much has to go.
struct Kept {
    events: u64,
    bytes: u64,
}

impl Writer {
    pub(super) fn new(log: Log, limits: LogLimits) -> Self {
        Self {
            log,
            limits,
            offset: 0,
            tail_offset: 0,
        }
    }

    /// The readers' side.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Appends an entry and returns its position. Readers see it at once; waking them is the caller's.
    pub fn append(&mut self, draft: Draft) -> u64 {
        let position = self.log.head() + 1;
        let len = draft.frame.len() as u64;
        let indexed = draft.is_indexed();
        // Before room is made: the entry that goes for this one may be the one that had its id.
        let last_use = if indexed { self.last_use(&draft.id) } else { None };
        let first_with_id = match last_use {
            Some(last) => self.first_with_id(last.position, &draft.id),
            // The index may have used its cell again by now, and a client may stand there all the same.
            None if indexed => Some(self.log.last_evicted())
                .filter(|meta| meta.passed && meta.id == draft.id)
                .map_or(position, |meta| meta.first_with_id),
            None => position,
        };
        self.make_room(len, draft.received);

        let shared = &self.log.shared;
        let entry = Arc::new(Entry::new(position, self.offset, first_with_id, draft));
        shared.slot_for_writing(position).store(Some(entry.clone()));
        self.offset += len;
        shared.bytes.store(self.offset - self.tail_offset, Ordering::Relaxed);
        shared.end.store(self.offset, Ordering::Relaxed);
        if matches!(entry.kind(), Kind::Event | Kind::Terminal) {
            shared.newest_event.store(position, Ordering::Relaxed);
        }
        let kept = |position| self.log.entry(position);
        let entered = indexed && shared.index.enter(entry.id(), position, self.log.tail(), kept);
        shared.head.store(position, Ordering::Release);
        if let (true, Some(last)) = (entered, last_use) {
            shared.index.entered(entry.id(), position, last);
        }
        position
    }

    /// Lets go what is older than the log's age. To be called from time to time, also when nothing is written.
    pub fn trim(&mut self, now: Instant) {
        let limits = self.limits;
        self.let_go_while(|_, oldest| is_old(&limits, oldest, now));
    }

    /// Lets everything go.
    pub fn clear(&mut self) {
        self.let_go_while(|_, _| true);
    }

    /// One event is always kept, however large: bounds are checked against what is there before it.
    fn make_room(&mut self, len: u64, now: Instant) {
        let (limits, slots) = (self.limits, self.log.shared.slots);
        self.let_go_while(|kept, oldest| {
            kept.events >= slots || kept.bytes.saturating_add(len) > limits.bytes || is_old(&limits, oldest, now)
        });
    }

    /// The tail moves once, however many go.
    fn let_go_while(&mut self, too_much: impl Fn(&Kept, &Entry) -> bool) {
        let shared = &self.log.shared;
        let (tail, head) = (self.log.tail(), self.log.head());
        let mut last_evicted = None;
        let mut next = tail;
        while let Read::Entry(oldest) = self.log.read(next) {
            let kept = Kept {
                events: head + 1 - next,
                bytes: self.offset - self.tail_offset,
            };
            if !too_much(&kept, &oldest) {
                break;
            }
            self.tail_offset = oldest.offset + oldest.len_bytes();
            next += 1;
            last_evicted = Some(oldest);
        }
        debug_assert!(next <= head + 1 && (next == head + 1) == (self.offset == self.tail_offset));
        let Some(last_evicted) = last_evicted else { return };
        shared.last_evicted.store(Some(Arc::new(last_evicted.meta())));
        shared.tail.store(next, Ordering::Release);
        for position in tail..next {
            shared.slot_for_writing(position).store(None);
        }
        shared.bytes.store(self.offset - self.tail_offset, Ordering::Relaxed);
    }

    fn last_use(&self, id: &[u8]) -> Option<LastUse> {
        self.log.shared.index.last_use(id, |position| self.log.entry(position))
    }

    /// The first place of an id that was last used at a position before this one; 0 when it has been forgotten.
    fn first_with_id(&self, last_use: u64, id: &[u8]) -> u64 {
        match self.log.meta(last_use) {
            Some(meta) if meta.passed && meta.id == id => meta.first_with_id,
            _ => 0,
        }
    }
}

fn is_old(limits: &LogLimits, entry: &Entry, now: Instant) -> bool {
    !limits.age.is_zero() && now.saturating_duration_since(entry.received()) > limits.age
}
