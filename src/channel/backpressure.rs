//! Keeps a burst of the origin from outrunning the followers.
//!
//! A follower's pass over its clients never waits for a client, so waiting for the pass is not
//! waiting for a client: it only lets the origin's TCP connection feel how fast this machine can
//! write. Without it a burst that is larger than the log would cut clients that keep up.

use super::counted::Counted;
use crate::config::Source;
use crate::log::{Cursor, Log};
use crate::sync::{AtomicUsize, Notify, Ordering, fence, look_until};

pub(super) struct Backpressure {
    waiting: AtomicUsize,
    moved: Notify,
}

/// How far the head may be ahead of the slowest follower.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) events: u64,
    pub(super) bytes: u64,
}

/// Where events are staggered, a follower has looked at them before its clients were offered them:
/// a quarter may wait for its turn (`delivery/stagger.rs`), and what comes on top of that, twice, until
/// a flood is noticed and written, has to fit into the rest.
const STAGGERED_PART: u64 = 8;

impl Limits {
    /// Half of what a client may lag, and of what the log holds: what has been offered late is
    /// still there.
    pub(super) fn of(source: &Source) -> Self {
        let events = source.slow_client.events.min(source.log.events as u64);
        let bytes = source.slow_client.bytes.min(source.log.bytes);
        let part = if source.stagger.is_zero() { 2 } else { STAGGERED_PART };
        Self {
            events: (events / part).max(1),
            bytes: (bytes / part).max(1),
        }
    }

    /// Whether a follower this far behind makes the publishing side wait.
    pub(super) fn are_exceeded(self, events: u64, bytes: u64) -> bool {
        events > self.events || bytes > self.bytes
    }

    /// Whether followers that have offered a log up to this entry are further behind.
    pub(super) fn are_exceeded_by(self, log: &Log, offered: Cursor) -> bool {
        self.are_exceeded(log.head().since(offered), log.bytes_from(offered.next()))
    }

    /// Whether so much has been published without a look at the followers that it is time for one.
    pub(super) fn make_a_batch(self, entries: u64, bytes: u64) -> bool {
        entries > self.events / 2 || bytes > self.bytes / 2
    }
}

impl Backpressure {
    pub(super) fn new() -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            moved: Notify::new(),
        }
    }

    /// A follower moved on, or left.
    pub(super) fn progressed(&self) {
        // Pairs with the one in `wait`: either the waiter sees the move, or this sees the waiter.
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.moved.notify_waiters();
        }
    }

    /// Completes when the followers are near enough for more. `outruns`: whether they are not.
    pub(super) async fn wait(&self, outruns: impl Fn() -> bool) {
        let look = || (!outruns()).then_some(());
        if look().is_some() {
            return;
        }
        let _counted = Counted::new(&self.waiting);
        look_until(&self.moved, look).await;
    }
}

#[cfg(all(test, fanfare_loom))]
mod loom;
