//! Keeps a burst of the origin from outrunning the followers.
//!
//! A follower's pass over its clients never waits for a client, so waiting for the pass is not waiting for a client: it
//! only lets the origin's TCP connection feel how fast this machine can write. Without it a burst that is larger than the log
//! would cut clients that keep up.

use super::Followers;
use super::counted::Counted;
use crate::config::Source;
use crate::log::Log;
use crate::sync::{AtomicUsize, Notify, Ordering, fence};

pub(super) struct Backpressure {
    /// How far the head may be ahead of the slowest follower.
    events_max: u64,
    bytes_max: u64,
    waiting: AtomicUsize,
    moved: Notify,
}

impl Backpressure {
    /// Half of what a client may lag, and of what the log holds: what has been offered late is still there.
    pub(super) fn new(source: &Source) -> Self {
        let events = source.slow_client.events.min(source.log.events as u64);
        let bytes = source.slow_client.bytes.min(source.log.bytes);
        Self {
            events_max: (events / 2).max(1),
            bytes_max: (bytes / 2).max(1),
            waiting: AtomicUsize::new(0),
            moved: Notify::new(),
        }
    }

    /// Whether so much has been published without a look at the followers that it is time for one.
    pub(super) fn is_batch(&self, entries: u64, bytes: u64) -> bool {
        entries > self.events_max / 2 || bytes > self.bytes_max / 2
    }

    /// A follower moved on, or left.
    pub(super) fn progressed(&self) {
        // Pairs with the one in `wait`: either the waiter sees the move, or this sees the waiter.
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.moved.notify_waiters();
        }
    }

    pub(super) async fn wait(&self, log: &Log, followers: &Followers) {
        if !self.ahead(log, followers) {
            return;
        }
        let _counted = Counted::new(&self.waiting);
        loop {
            // Register, then look.
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            fence(Ordering::SeqCst);
            if !self.ahead(log, followers) {
                return;
            }
            moved.await;
        }
    }

    fn ahead(&self, log: &Log, followers: &Followers) -> bool {
        let head = log.head();
        let Some(offered) = followers.offered() else {
            return false;
        };
        self.is_too_far(head.since(offered), log.bytes_from(offered.next()))
    }

    /// Whether a follower this far behind makes the publishing side wait.
    pub(super) fn is_too_far(&self, events: u64, bytes: u64) -> bool {
        events > self.events_max || bytes > self.bytes_max
    }
}

#[cfg(all(test, fanfare_loom))]
mod loom;
