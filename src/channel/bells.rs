//! Who is woken when something is published.

use super::counted::Counted;
use crate::sync::{AtomicUsize, Notify, Ordering, Swap, fence};
use std::sync::Arc;

/// Wakes a follower. Ringing never waits and may come at any time, from any thread.
pub trait Bell: Send + Sync {
    /// Something was published.
    fn ring(&self);
    /// The newest position that the follower has offered to every client that could take it.
    fn offered(&self) -> u64;
}

pub(super) struct Bells {
    list: Swap<Vec<Arc<dyn Bell>>>,
    /// Those who wait for one ring only: a list that is copied at every change would be none for thousands of them.
    waiting: AtomicUsize,
    rung: Notify,
}

impl Bells {
    pub(super) fn new() -> Self {
        Self {
            list: Swap::empty(),
            waiting: AtomicUsize::new(0),
            rung: Notify::new(),
        }
    }

    pub(super) fn add(&self, bell: Arc<dyn Bell>) {
        self.list
            .update(|list| list.into_iter().flatten().chain([&bell]).cloned().collect());
        // Pairs with the one in `ring_all`: either the publisher sees this bell, or who added it sees the new head.
        fence(Ordering::SeqCst);
    }

    pub(super) fn remove(&self, bell: &Arc<dyn Bell>) {
        self.list.update(|list| {
            list.into_iter()
                .flatten()
                .filter(|other| !Arc::ptr_eq(other, bell))
                .cloned()
                .collect()
        });
    }

    pub(super) fn ring_all(&self) {
        fence(Ordering::SeqCst);
        for bell in self.list.load().iter().flat_map(|list| list.iter()) {
            bell.ring();
        }
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.rung.notify_waiters();
        }
    }

    /// Completes when `look` finds something: at once, or after a ring.
    pub(super) async fn until<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        let _counted = Counted::new(&self.waiting);
        loop {
            // Register, then look.
            let rung = self.rung.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            // Pairs with the one in `ring_all`: either this sees what was published, or the publisher sees this waiting.
            fence(Ordering::SeqCst);
            if let Some(found) = look() {
                return found;
            }
            rung.await;
        }
    }

    /// The position that every follower has offered; `None` without followers.
    pub(super) fn offered(&self) -> Option<u64> {
        self.list.load()?.iter().map(|bell| bell.offered()).min()
    }
}

#[cfg(all(test, fanfare_loom))]
mod loom;
