//! The followers of a channel, which are notified when something is published.

use super::counted::Counted;
use crate::log::Cursor;
use crate::sync::{AtomicUsize, Notify, Ordering, Swap, fence, look_until};
use std::sync::Arc;

/// A reader of the log as it grows. Notifying never waits and may come at any time, from any
/// thread.
pub trait Follower: Send + Sync {
    /// Something was published.
    fn notify(&self);
    /// The newest entry that the follower has offered to every client that could take it.
    fn offered(&self) -> Cursor;
}

pub(super) struct Followers {
    list: Swap<Vec<Arc<dyn Follower>>>,
    /// Tasks that wait for one notification only: the list is copied at every change, which
    /// thousands of them can't afford.
    waiting: AtomicUsize,
    notified: Notify,
}

impl Followers {
    pub(super) fn new() -> Self {
        Self {
            list: Swap::empty(),
            waiting: AtomicUsize::new(0),
            notified: Notify::new(),
        }
    }

    pub(super) fn add(&self, follower: Arc<dyn Follower>) {
        self.list
            .update(|list| list.into_iter().flatten().chain([&follower]).cloned().collect());
        // Pairs with the one in `notify_all`: either the publisher sees this follower, or the
        // follower sees the new head.
        fence(Ordering::SeqCst);
    }

    pub(super) fn remove(&self, follower: &Arc<dyn Follower>) {
        self.list.update(|list| {
            list.into_iter()
                .flatten()
                .filter(|other| !Arc::ptr_eq(other, follower))
                .cloned()
                .collect()
        });
    }

    pub(super) fn notify_all(&self) {
        fence(Ordering::SeqCst);
        for follower in self.list.load().iter().flat_map(|list| list.iter()) {
            follower.notify();
        }
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.notified.notify_waiters();
        }
    }

    /// Completes when `look` finds something: at once, or after a notification.
    pub(super) async fn until<T>(&self, look: impl FnMut() -> Option<T>) -> T {
        // Its fence pairs with the one in `notify_all`: either this sees what was published, or the
        // publisher sees this waiting.
        let _counted = Counted::new(&self.waiting);
        look_until(&self.notified, look).await
    }

    /// The newest entry that every follower has offered; `None` without followers.
    pub(super) fn offered(&self) -> Option<Cursor> {
        self.list.load()?.iter().map(|follower| follower.offered()).min()
    }
}

#[cfg(all(test, fanfare_loom))]
mod loom;
