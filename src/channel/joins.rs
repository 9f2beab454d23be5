//! The channels that are put together from one and others.

use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering, fence};
use std::sync::{Arc, PoisonError, Weak};

/// The channels that take in what one publishes.
pub(super) struct Joins<C> {
    /// Whether there is any: what each notification looks at.
    any: AtomicBool,
    list: Mutex<Vec<Weak<C>>>,
}

impl<C> Joins<C> {
    pub(super) fn new() -> Self {
        Self {
            any: AtomicBool::new(false),
            list: Mutex::new(Vec::new()),
        }
    }

    fn list(&self) -> MutexGuard<'_, Vec<Weak<C>>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is any. Behind the fence of a notification: either this is seen, or what was
    /// published is seen after [`Joins::add`].
    pub(super) fn are_any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// From now on each notification leads to this one. Register, then look.
    pub(super) fn add(&self, channel: &Arc<C>) {
        let mut list = self.list();
        list.push(Arc::downgrade(channel));
        self.any.store(true, Ordering::Relaxed);
        drop(list);
        fence(Ordering::SeqCst);
    }

    pub(super) fn all(&self) -> Vec<Arc<C>> {
        self.list().iter().filter_map(Weak::upgrade).collect()
    }

    /// Forgets those that are gone. To be called about once a second.
    pub(super) fn forget_gone(&self) {
        let mut list = self.list();
        list.retain(|channel| channel.strong_count() > 0);
        self.any.store(!list.is_empty(), Ordering::Relaxed);
    }
}

#[cfg(all(test, fanfare_loom))]
mod loom;
