//! Who is in a channel: how many clients, and since when none is.

use crate::sync::{Notify, look_until};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A channel's clients, as far as it knows of them.
pub(super) struct Membership {
    clients: AtomicUsize,
    created: Instant,
    /// When a client left last, in microseconds since `created`.
    left: AtomicU64,
    /// Notified when the last client leaves.
    idle: Notify,
    /// The shard of the clients, as long as they are few; taken modulo the number of shards.
    preferred_shard: usize,
}

impl Membership {
    pub(super) fn new() -> Self {
        Self {
            clients: AtomicUsize::new(0),
            created: Instant::now(),
            left: AtomicU64::new(0),
            idle: Notify::new(),
            preferred_shard: fastrand::usize(..),
        }
    }

    /// The same where there has been no client for so long.
    pub(super) fn idle_for(time: Duration) -> Self {
        let membership = Self::new();
        Self {
            created: membership.created.checked_sub(time).unwrap_or(membership.created),
            ..membership
        }
    }

    pub(super) fn enter(&self) {
        self.clients.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        let since = u64::try_from(self.created.elapsed().as_micros()).unwrap_or(u64::MAX);
        // The time first: a look that finds no client finds since when.
        self.left.store(since, Ordering::Relaxed);
        if self.clients.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.idle.notify_waiters();
        }
    }

    pub(super) fn clients(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }

    pub(super) fn preferred_shard(&self) -> usize {
        self.preferred_shard
    }

    /// Since when there has been no client; `None` while there is one.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let since = || self.created + Duration::from_micros(self.left.load(Ordering::Acquire));
        (self.clients.load(Ordering::Acquire) == 0).then(since)
    }

    /// Completes when there is no client, and says since when.
    pub(super) async fn idle(&self) -> Instant {
        look_until(&self.idle, || self.idle_since()).await
    }
}
