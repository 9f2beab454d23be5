//! After a start with a log that was kept: the origin sends once more what had come last, which
//! clients may have had before it was on disk. They come back with ids that the log does not hold
//! yet, and wait for them.

use crate::sync::{AtomicBool, Notify, Ordering, look_until};

/// Whether the origin may still send what came before the start.
pub(super) struct CatchingUp {
    is_open: AtomicBool,
    is_connected: AtomicBool,
    /// Notified when the upstream is connected.
    connected: Notify,
}

impl CatchingUp {
    /// There is nothing to be sent again.
    pub(super) fn new() -> Self {
        Self {
            is_open: AtomicBool::new(false),
            is_connected: AtomicBool::new(false),
            connected: Notify::new(),
        }
    }

    /// There may be.
    pub(super) fn open(&self) {
        self.is_open.store(true, Ordering::Release);
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// Nothing more is expected.
    pub(super) fn close(&self) {
        self.is_open.store(false, Ordering::Release);
    }

    /// Completes when the upstream is connected.
    pub(super) async fn until_connected(&self) {
        let is_connected = || self.is_connected.load(Ordering::Acquire).then_some(());
        look_until(&self.connected, is_connected).await;
    }

    /// The upstream is connected.
    pub(super) fn connected(&self) {
        if self.is_open() && !self.is_connected.swap(true, Ordering::AcqRel) {
            self.connected.notify_waiters();
        }
    }
}
