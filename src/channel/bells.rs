//! Who is woken when something is published.

use crate::sync::{Ordering, Swap, fence};
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
}

impl Bells {
    pub(super) fn new() -> Self {
        Self { list: Swap::empty() }
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
    }

    /// The position that every follower has offered; `None` without followers.
    pub(super) fn offered(&self) -> Option<u64> {
        self.list.load()?.iter().map(|bell| bell.offered()).min()
    }
}

#[cfg(all(test, fanfare_loom))]
mod loom;
