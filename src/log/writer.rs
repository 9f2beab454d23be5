//! The writing side: appends, and lets go what is over a bound.

mod restore;

use super::entry::{Draft, Entry, EntryMeta, Kind};
use super::index::LastUse;
use super::position::{Cursor, OutOfOrder, Position};
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
    /// Position of the newest entry; before the first, the place where the log begins.
    newest: Position,
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

impl Log {
    /// An empty log whose numbering begins, and its only writer.
    pub fn new(limits: LogLimits) -> (Writer, Log) {
        Self::continuing(Position::START, limits)
    }

    /// An empty log that goes on behind a position, up to which the numbering has been used, and
    /// its only writer.
    pub fn continuing(start: Position, limits: LogLimits) -> (Writer, Log) {
        let log = Log::empty(start, limits.events);
        (Writer::new(log.clone(), limits), log)
    }
}

impl Writer {
    fn new(log: Log, limits: LogLimits) -> Self {
        Self {
            newest: log.shared.start,
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

    /// Bounds the log anew. What is over a bound goes with the next entry, or the next
    /// [`Writer::trim`]; a ring that is too small is replaced by a larger one.
    pub fn limit(&mut self, limits: LogLimits) {
        self.limits = limits;
        let shared = &self.log.shared;
        if limits.events as u64 > shared.slots() {
            let kept = self.log.tail().up_to(self.log.head().next());
            shared.enlarge(limits.events, kept.filter_map(|cursor| self.log.entry(cursor)));
        }
    }

    /// An empty log begins behind this position: what came before is as what has been let go.
    pub(crate) fn begin_behind(&mut self, position: Position) {
        debug_assert!(self.log.head() == Cursor::START && position >= self.newest);
        self.newest = position;
        let before = EntryMeta::start(position);
        self.log.shared.last_evicted.store(Some(Arc::new(before)));
    }

    /// The position that an entry gets to which none is given.
    pub fn next_position(&self) -> Position {
        self.newest.next()
    }

    /// Numbers before this one may have been given: the next entry's is no lower.
    pub fn skip_to(&mut self, position: Position) {
        let before = Position::new(position.get().saturating_sub(1));
        if before > self.newest {
            self.newest = before;
            self.log.shared.given_below.store(position.get(), Ordering::Relaxed);
        }
    }

    /// Appends an entry under the next position. Readers see it at once; waking them is the
    /// caller's.
    pub fn append(&mut self, draft: Draft) -> Cursor {
        self.put(self.next_position(), draft)
    }

    /// Appends an entry under a position that was given elsewhere, and that may leave a hole.
    pub fn append_at(&mut self, position: Position, draft: Draft) -> Result<Cursor, OutOfOrder> {
        if position <= self.newest {
            return Err(OutOfOrder {
                given: position,
                newest: self.newest,
            });
        }
        Ok(self.put(position, draft))
    }

    fn put(&mut self, position: Position, draft: Draft) -> Cursor {
        let cursor = self.log.head().next();
        let indexed = draft.is_indexed();
        // Before room is made: the entry that goes for this one may be the one that had its id.
        let last_use = if indexed { self.last_use(&draft.id) } else { None };
        let first_with_id = match last_use {
            Some(last) => self.first_with_id(last.cursor, &draft.id),
            // The index may have used its cell again by now, and a client may stand there all the
            // same.
            None if indexed => Some(self.log.last_evicted())
                .filter(|meta| meta.passed && meta.id == draft.id)
                .map_or(cursor, |meta| meta.first_with_id),
            None => cursor,
        };
        self.place(position, first_with_id, last_use, draft)
    }

    /// Makes room for an entry and puts it behind the head. `last_use`: of its id, where it is
    /// indexed.
    fn place(&mut self, position: Position, first_with_id: Cursor, last_use: Option<LastUse>, draft: Draft) -> Cursor {
        let cursor = self.log.head().next();
        let len = draft.frame.len() as u64;
        let indexed = draft.is_indexed();
        self.make_room(len, draft.received);

        let shared = &self.log.shared;
        let entry = Arc::new(Entry::new(cursor, position, self.offset, first_with_id, draft));
        shared.put(cursor, Some(entry.clone()));
        self.newest = position;
        self.offset += len;
        shared.bytes.store(self.offset - self.tail_offset, Ordering::Relaxed);
        shared.end.store(self.offset, Ordering::Relaxed);
        if matches!(entry.kind(), Kind::Event | Kind::Terminal) {
            shared.newest_event.store(cursor, Ordering::Relaxed);
        }
        let kept = |cursor| self.log.entry(cursor);
        let entered = indexed && shared.index.enter(entry.id(), cursor, self.log.tail(), kept);
        shared.head.store(cursor, Ordering::Release);
        if let (true, Some(last)) = (entered, last_use) {
            shared.index.entered(entry.id(), cursor, last);
        }
        cursor
    }

    /// Lets go what is older than the log's age, or over a bound that was lowered. To be called
    /// from time to time, also when nothing is written.
    pub fn trim(&mut self, now: Instant) {
        let limits = self.limits;
        let events_max = limits.events.max(1) as u64;
        self.let_go_while(None, |kept, oldest| {
            let is_too_much = kept.events > events_max || kept.bytes > limits.bytes;
            (is_too_much && kept.events > 1) || is_old(&limits, oldest, now)
        });
    }

    /// Lets go of what stands up to a position.
    pub(crate) fn trim_up_to(&mut self, position: Position) {
        self.let_go_while(None, |_, oldest| oldest.position <= position);
    }

    /// Lets everything go.
    pub fn clear(&mut self) {
        self.let_go_while(None, |_, _| true);
    }

    /// One event is always kept, however large: bounds are checked against what is there before it.
    fn make_room(&mut self, len: u64, now: Instant) {
        let limits = self.limits;
        let slots = self.log.shared.slots();
        let events_max = slots.min(limits.events.max(1) as u64);
        let coming = self.log.head().next();
        let refilled = (coming.get() > slots).then(|| coming.back(slots));
        self.let_go_while(refilled, |kept, oldest| {
            kept.events >= events_max || kept.bytes.saturating_add(len) > limits.bytes || is_old(&limits, oldest, now)
        });
    }

    /// The tail moves once, however many go. `refilled`: the entry whose slot the caller fills next,
    /// so that it need not be emptied before.
    fn let_go_while(&mut self, refilled: Option<Cursor>, too_much: impl Fn(&Kept, &Entry) -> bool) {
        let shared = &self.log.shared;
        let (tail, head) = (self.log.tail(), self.log.head());
        let mut last_evicted = None;
        let mut next = tail;
        while let Read::Entry(oldest) = self.log.read(next) {
            let kept = Kept {
                events: head.next().since(next),
                bytes: self.offset - self.tail_offset,
            };
            if !too_much(&kept, &oldest) {
                break;
            }
            self.tail_offset = oldest.offset + oldest.len_bytes();
            next = next.next();
            last_evicted = Some(oldest);
        }
        debug_assert!(next <= head.next() && (next == head.next()) == (self.offset == self.tail_offset));
        let Some(last_evicted) = last_evicted else { return };
        shared.last_evicted.store(Some(Arc::new(last_evicted.meta())));
        shared.tail.store(next, Ordering::Release);
        for cursor in tail.up_to(next).filter(|cursor| Some(*cursor) != refilled) {
            shared.put(cursor, None);
        }
        shared.bytes.store(self.offset - self.tail_offset, Ordering::Relaxed);
    }

    fn last_use(&self, id: &[u8]) -> Option<LastUse> {
        self.log.shared.index.last_use(id, |cursor| self.log.entry(cursor))
    }

    /// The first entry with an id that was last used at an earlier one; the start when it has been
    /// forgotten.
    fn first_with_id(&self, last_use: Cursor, id: &[u8]) -> Cursor {
        match self.log.meta(last_use) {
            Some(meta) if meta.passed && meta.id == id => meta.first_with_id,
            _ => Cursor::START,
        }
    }
}

fn is_old(limits: &LogLimits, entry: &Entry, now: Instant) -> bool {
    !limits.age.is_zero() && now.saturating_duration_since(entry.received()) > limits.age
}
