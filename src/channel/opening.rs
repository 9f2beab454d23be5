//! A log that is shared, before this process knows it: clients that come wait, since neither their
//! ids nor "from now on" means anything yet. And up to when it is known to have been read whole: an id
//! that is not in it then is in no log.

use crate::log::Position;
use crate::sync::{AtomicBool, Mutex, Notify, Ordering, look_until};
use std::sync::PoisonError;
use std::time::Instant;

/// Whether a channel's log is known.
pub(super) struct Opening {
    /// Whether several processes share it.
    is_shared: bool,
    is_open: AtomicBool,
    /// Notified when it is.
    opened: Notify,
    /// All that it held then has been read.
    level: Mutex<Option<Instant>>,
    /// Notified when that changes.
    leveled: Notify,
    /// Where the log ended here when a client came that was ahead, and since when it has.
    stands: Mutex<Option<(Position, Instant)>>,
}

impl Opening {
    /// It is, from the start on.
    pub(super) fn open() -> Self {
        Self {
            is_shared: false,
            is_open: AtomicBool::new(true),
            opened: Notify::new(),
            level: Mutex::new(None),
            leveled: Notify::new(),
            stands: Mutex::new(None),
        }
    }

    /// Not yet.
    pub(super) fn unopened() -> Self {
        Self {
            is_shared: true,
            is_open: AtomicBool::new(false),
            ..Self::open()
        }
    }

    /// It is, in another process before.
    pub(super) fn going_on(is_shared: bool) -> Self {
        Self {
            is_shared,
            ..Self::open()
        }
    }

    pub(super) fn set_open(&self) {
        if !self.is_open.swap(true, Ordering::AcqRel) {
            self.opened.notify_waiters();
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    pub(super) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Completes when it is known.
    pub(super) async fn until_open(&self) {
        look_until(&self.opened, || self.is_open().then_some(())).await;
    }

    /// All that the log held then has been read.
    pub(super) fn set_level(&self, at: Instant) {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
        self.leveled.notify_waiters();
    }

    /// Completes when all has been read that the log held at this time, or later.
    pub(super) async fn until_level(&self, since: Instant) {
        let level = || *self.level.lock().unwrap_or_else(PoisonError::into_inner);
        look_until(&self.leveled, || level().filter(|at| *at >= since).map(|_| ())).await;
    }

    /// A client is ahead of the log, which ends here. Since when one has been, of this end.
    pub(super) fn stands_since(&self, end: Position) -> Instant {
        let mut stands = self.stands.lock().unwrap_or_else(PoisonError::into_inner);
        match *stands {
            Some((at, since)) if at == end => since,
            _ => stands.insert((end, Instant::now())).1,
        }
    }
}
