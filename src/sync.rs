//! The primitives of hand-written synchronisation: the real ones, or the model checker's under
//! `cfg(fanfare_loom)`.
//!
//! What is written by hand on top of them is checked there, in the modules named `loom`; `.ci/loom`
//! runs them.

#[cfg(fanfare_loom)]
pub(crate) mod model;

#[cfg(fanfare_loom)]
pub(crate) use self::model::{Notify, Swap, mpsc};
#[cfg(fanfare_loom)]
pub(crate) use loom::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
    sync::{Mutex, MutexGuard},
};

#[cfg(not(fanfare_loom))]
pub(crate) use std::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
    sync::{Mutex, MutexGuard, mpsc},
};
#[cfg(not(fanfare_loom))]
pub(crate) use tokio::sync::Notify;

/// Register, then look: completes when `look` finds something, at once or after a notification of
/// all who wait.
///
/// A notifier changes first what is looked at. One that spares itself the call while it counts
/// nobody in looks at the count behind a fence of its own, which pairs with the one here: either
/// this sees the change, or the notifier the count.
pub(crate) async fn look_until<T>(notify: &Notify, mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        let notified = notify.notified();
        let mut notified = std::pin::pin!(notified);
        notified.as_mut().enable();
        fence(Ordering::SeqCst);
        if let Some(found) = look() {
            return found;
        }
        notified.await;
    }
}

/// A place for a shared value, or none: loaded by many without a lock while it is replaced. A load
/// acquires what the store that it sees released.
#[cfg(not(fanfare_loom))]
#[derive(Debug)]
pub(crate) struct Swap<T>(arc_swap::ArcSwapOption<T>);

#[cfg(not(fanfare_loom))]
impl<T> Swap<T> {
    pub(crate) fn empty() -> Self {
        Self(arc_swap::ArcSwapOption::empty())
    }

    #[inline]
    pub(crate) fn load(&self) -> Option<std::sync::Arc<T>> {
        self.0.load_full()
    }

    pub(crate) fn store(&self, value: Option<std::sync::Arc<T>>) {
        self.0.store(value);
    }

    /// Replaces the value by one made from it; `change` may run several times.
    pub(crate) fn update(&self, change: impl Fn(Option<&T>) -> T) {
        self.0.rcu(|value| Some(std::sync::Arc::new(change(value.as_deref()))));
    }
}
