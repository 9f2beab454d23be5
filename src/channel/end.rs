//! How a channel's stream ends for good: by a terminal event, by the origin's 204, or because the
//! origin no longer knows it.
//!
//! Clients that are in get everything up to the end and are let go in order.

use crate::log::{Cursor, Position, Tip};
use crate::sync::{AtomicBool, AtomicUsize, Notify, Ordering, Swap, look_until};
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Why a stream has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// An event that one of the source's `end_when` rules names. It is the last entry.
    Terminal,
    /// The origin answered that there is nothing more to come.
    Origin,
}

/// The end of a channel's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Why.
    pub cause: Cause,
    /// The last entry; the start if there was none.
    pub last: Cursor,
    /// Its position.
    pub position: Position,
    /// The id in force after it; empty: none.
    pub id: Bytes,
    /// When.
    pub at: Instant,
}

/// Whether, and how, a channel has ended. Changed only under the writer's lock.
pub(super) struct Ending {
    end: Swap<End>,
    /// Whether `end` holds one: what the hot paths look at.
    over: AtomicBool,
    ended: Notify,
    /// Upstreams that the origin has not ended.
    upstreams: AtomicUsize,
    /// Terminal events behind which the stream goes on, by others of its sources: at most one for
    /// each of them.
    of_sources: Mutex<Vec<Cursor>>,
}

impl Ending {
    pub(super) fn new(upstreams: usize) -> Self {
        Self {
            end: Swap::empty(),
            over: AtomicBool::new(false),
            ended: Notify::new(),
            upstreams: AtomicUsize::new(upstreams),
            of_sources: Mutex::default(),
        }
    }

    fn of_sources(&self) -> MutexGuard<'_, Vec<Cursor>> {
        self.of_sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same where it is known how far it has come.
    pub(super) fn going_on(upstreams: usize, end: Option<End>) -> Self {
        let ending = Self::new(upstreams);
        ending.over.store(end.is_some(), Ordering::Release);
        ending.end.store(end.map(Arc::new));
        ending
    }

    /// Upstreams that the origin has not ended.
    pub(super) fn upstreams(&self) -> usize {
        self.upstreams.load(Ordering::Relaxed)
    }

    /// How the stream ends, if it is known.
    pub(super) fn get(&self) -> Option<Arc<End>> {
        self.is_over().then(|| self.end.load()).flatten()
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.get().is_some_and(|end| end.cause == Cause::Terminal)
    }

    /// Completes when the stream's terminal event is known.
    pub(super) async fn terminated(&self) {
        look_until(&self.ended, || self.is_terminal().then_some(())).await;
    }

    /// The stream ends with `last`, which may be still to come: so a reader that sees that entry
    /// sees the end.
    pub(super) fn set(&self, cause: Cause, last: Tip) {
        self.set_at(cause, last, Instant::now());
    }

    /// It has ended so at this time.
    pub(super) fn set_at(&self, cause: Cause, last: Tip, at: Instant) {
        self.end.store(Some(Arc::new(End {
            cause,
            last: last.cursor,
            position: last.position,
            id: last.id,
            at,
        })));
        self.over.store(true, Ordering::Release);
        self.ended.notify_waiters();
    }

    /// The entry that comes next is the last one of a source, and the stream goes on.
    pub(super) fn source_ends(&self, last: Cursor) {
        self.of_sources().push(last);
    }

    /// The first terminal event from an entry on.
    pub(super) fn first_terminal(&self, from: Cursor) -> Option<Cursor> {
        let own = self.get().filter(|end| end.cause == Cause::Terminal);
        let mut first = own.map(|end| end.last).filter(|last| *last >= from);
        for last in self.of_sources().iter().filter(|last| **last >= from) {
            first = Some(first.map_or(*last, |first| first.min(*last)));
        }
        first
    }

    /// The origin goes on after it had said that there is no more. After a terminal event nothing
    /// comes.
    pub(super) fn take_back(&self) {
        if self.get().is_some_and(|end| end.cause == Cause::Origin) {
            self.over.store(false, Ordering::Release);
            self.end.store(None);
        }
    }

    /// The origin has ended one upstream's stream. Whether it was the last.
    pub(super) fn upstream_ended(&self) -> bool {
        self.upstreams.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// An upstream that had ended is connected again.
    pub(super) fn upstream_is_back(&self) {
        self.upstreams.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(all(test, fanfare_loom))]
mod loom;
