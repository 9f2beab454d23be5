//! How a publisher wakes a shard, once, however much there is to do.
//!
//! Two hand-made synchronisations, both model-checked (`loom` below, under `cfg(fanfare_loom)`):
//!
//! * [`WakeFlag`]: one per channel and shard. Until it is cleared it enters the shard's mailbox
//!   once: `raised` is set by the publisher and cleared by the shard *before* it looks at the log,
//!   so a publish after that look raises it again.
//! * [`Mailbox`] and [`MailboxSender`]: the shard declares itself asleep *before* it looks at its
//!   mailbox for the last time; the sender of a note looks at that *after*. Both do so by a swap of
//!   the same flag, and of two swaps the second sees what was done before the first: either the
//!   shard sees the note, or its sender sees the sleep.

use crate::sync::{AtomicBool, Ordering, mpsc};
use std::sync::Arc;

/// Ends the sleep of a shard.
pub(crate) trait Wake {
    fn wake(&self);
}

impl Wake for mio::Waker {
    fn wake(&self) {
        // Fails only if the shard's poll is gone: then no thread is left to wake.
        let _ = mio::Waker::wake(self);
    }
}

/// The receiving end of a shard's mailbox.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    receiver: mpsc::Receiver<T>,
    asleep: Arc<AtomicBool>,
}

/// The sending end.
#[derive(Debug)]
pub(crate) struct MailboxSender<T, W> {
    sender: mpsc::Sender<T>,
    asleep: Arc<AtomicBool>,
    waker: Arc<W>,
}

impl<T, W> Clone for MailboxSender<T, W> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            asleep: self.asleep.clone(),
            waker: self.waker.clone(),
        }
    }
}

pub(crate) fn mailbox<T, W: Wake>(waker: Arc<W>) -> (MailboxSender<T, W>, Mailbox<T>) {
    let (sender, receiver) = mpsc::channel();
    let asleep = Arc::new(AtomicBool::new(false));
    (
        MailboxSender {
            sender,
            asleep: asleep.clone(),
            waker,
        },
        Mailbox { receiver, asleep },
    )
}

impl<T, W: Wake> MailboxSender<T, W> {
    /// Puts something in and wakes the shard if it sleeps. Gives it back when the shard is gone.
    pub(crate) fn send(&self, note: T) -> Result<(), T> {
        self.sender.send(note).map_err(|refused| refused.0)?;
        if self.asleep.swap(false, Ordering::AcqRel) {
            self.waker.wake();
        }
        Ok(())
    }
}

impl<T> Mailbox<T> {
    pub(crate) fn take(&self) -> Option<T> {
        self.receiver.try_recv().ok()
    }

    /// Waits for the next one, without a sleep of which senders have to know. `None`: there is no sender
    /// any more.
    #[cfg(not(fanfare_loom))]
    pub(crate) fn wait(&self) -> Option<T> {
        self.receiver.recv().ok()
    }

    /// No model waits.
    #[cfg(fanfare_loom)]
    pub(crate) fn wait(&self) -> Option<T> {
        self.take()
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

/// Tells one shard of one channel's news.
#[derive(Debug)]
pub(crate) struct WakeFlag<T, W, N> {
    raised: AtomicBool,
    mailbox_sender: MailboxSender<T, W>,
    /// What the shard finds in its mailbox.
    note: N,
}

impl<T, W: Wake, N: Copy + Into<T>> WakeFlag<T, W, N> {
    pub(crate) fn new(mailbox_sender: MailboxSender<T, W>, note: N) -> Self {
        Self {
            raised: AtomicBool::new(false),
            mailbox_sender,
            note,
        }
    }

    /// Something was published. Never waits.
    pub(crate) fn notify(&self) {
        if !self.raised.swap(true, Ordering::AcqRel) {
            // A shard that is gone has no clients left to tell.
            let _ = self.mailbox_sender.send(self.note.into());
        }
    }

    /// To be called by the shard before it looks at the log.
    pub(crate) fn clear(&self) {
        self.raised.swap(false, Ordering::AcqRel);
    }
}

#[cfg(all(test, fanfare_loom))]
mod loom;
