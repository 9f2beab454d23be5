//! How a publisher wakes a shard, once, however much there is to do.
//!
//! Two hand-made synchronisations, both model-checked (`loom` below, under `cfg(fanfare_loom)`):
//!
//! * [`Doorbell`]: one per channel and shard. Between two answers it enters the shard's queue once: `rung` is set by who
//!   rings and cleared by the shard *before* it looks at the log, so a publish after that look rings again.
//! * [`Queue`] and [`Ringer`]: the shard declares itself asleep *before* it looks at its queue for the last time; who puts something
//!   in looks at that *after*. Both do so by a swap of the same flag, and of two swaps the second sees what was done before
//!   the first: either the shard sees the note, or its sender sees the sleep.

use crate::sync::{AtomicBool, Ordering, mpsc};
use std::sync::Arc;

/// Ends the sleep of a shard.
pub(crate) trait Wake {
    fn wake(&self);
}

impl Wake for mio::Waker {
    fn wake(&self) {
        // Fails only if the shard's poll is gone: then nobody is left to wake.
        let _ = mio::Waker::wake(self);
    }
}

/// The receiving end of a shard's queue.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    receiver: mpsc::Receiver<T>,
    asleep: Arc<AtomicBool>,
}

/// The sending end.
#[derive(Debug)]
pub(crate) struct Ringer<T, W> {
    sender: mpsc::Sender<T>,
    asleep: Arc<AtomicBool>,
    waker: Arc<W>,
}

impl<T, W> Clone for Ringer<T, W> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            asleep: self.asleep.clone(),
            waker: self.waker.clone(),
        }
    }
}

pub(crate) fn queue<T, W: Wake>(waker: Arc<W>) -> (Ringer<T, W>, Queue<T>) {
    let (sender, receiver) = mpsc::channel();
    let asleep = Arc::new(AtomicBool::new(false));
    (
        Ringer {
            sender,
            asleep: asleep.clone(),
            waker,
        },
        Queue { receiver, asleep },
    )
}

impl<T, W: Wake> Ringer<T, W> {
    /// Puts something in and wakes the shard if it sleeps. Gives it back when the shard is gone.
    pub(crate) fn send(&self, note: T) -> Result<(), T> {
        self.sender.send(note).map_err(|refused| refused.0)?;
        if self.asleep.swap(false, Ordering::AcqRel) {
            self.waker.wake();
        }
        Ok(())
    }
}

impl<T> Queue<T> {
    pub(crate) fn take(&self) -> Option<T> {
        self.receiver.try_recv().ok()
    }

    /// Declares the sleep; what this returns has to be handled instead of sleeping.
    pub(crate) fn fall_asleep(&self) -> Option<T> {
        self.asleep.swap(true, Ordering::AcqRel);
        let missed = self.take();
        if missed.is_some() {
            self.woke();
        }
        missed
    }

    /// After the sleep, however it ended.
    pub(crate) fn woke(&self) {
        self.asleep.swap(false, Ordering::AcqRel);
    }
}

/// One channel's bell at one shard.
#[derive(Debug)]
pub(crate) struct Doorbell<T, W, N> {
    rung: AtomicBool,
    ringer: Ringer<T, W>,
    /// What the shard finds in its queue.
    note: N,
}

impl<T, W: Wake, N: Copy + Into<T>> Doorbell<T, W, N> {
    pub(crate) fn new(ringer: Ringer<T, W>, note: N) -> Self {
        Self {
            rung: AtomicBool::new(false),
            ringer,
            note,
        }
    }

    /// Something was published. Never waits.
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // A shard that is gone has no clients left to tell.
            let _ = self.ringer.send(self.note.into());
        }
    }

    /// To be called by the shard before it looks at the log.
    pub(crate) fn answer(&self) {
        self.rung.swap(false, Ordering::AcqRel);
    }
}

#[cfg(all(test, fanfare_loom))]
mod loom;
