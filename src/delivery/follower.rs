//! The shard, as a channel sees it.

use super::keys::ChannelKey;
use super::mailbox::WakeFlag;
use super::note::Note;
use crate::channel::Follower;
use crate::log::{AtomicCursor, Cursor};
use std::sync::atomic::Ordering;

/// What a channel notifies, and by which its publishing side sees how far the shard is.
pub(super) struct ShardFollower {
    wake_flag: WakeFlag<Note, mio::Waker, ChannelKey>,
    offered: AtomicCursor,
}

impl ShardFollower {
    pub(super) fn new(wake_flag: WakeFlag<Note, mio::Waker, ChannelKey>, offered: Cursor) -> Self {
        Self {
            wake_flag,
            offered: AtomicCursor::new(offered),
        }
    }

    /// To be called before a look at the log: what is published after it notifies again.
    pub(super) fn clear(&self) {
        self.wake_flag.clear();
    }

    /// Everything up to this entry has been offered.
    pub(super) fn set_offered(&self, offered: Cursor) {
        self.offered.store(offered, Ordering::Release);
    }
}

impl Follower for ShardFollower {
    fn notify(&self) {
        self.wake_flag.notify();
    }

    fn offered(&self) -> Cursor {
        self.offered.load(Ordering::Acquire)
    }
}
