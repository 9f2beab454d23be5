//! Where a channel's log is kept on disk, if it is: this may change while the channel is served.

use super::surroundings::Surroundings;
use crate::channel::{Channel, Settings};
use crate::config::Source;
use crate::kept::{Directory, Folder, Keeping, KeptLogState, OnDisk, Opened};
use crate::log::Epoch;
use crate::metrics::SourceMetrics;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What keeps a channel's log; nothing, if it is in memory alone.
pub(super) struct KeptSlot(Mutex<Option<Keeping>>);

impl KeptSlot {
    /// A channel that goes on behind what was opened, or begins; and what keeps its log from now on.
    pub(super) fn channel(
        settings: Settings,
        metrics: Arc<SourceMetrics>,
        opened: Option<Opened>,
    ) -> (Arc<Channel>, Self) {
        let Some(mut opened) = opened else {
            return (Channel::new(settings, metrics, Epoch::new()), Self::none());
        };
        let channel = match opened.past() {
            Some(past) => Channel::continuing(settings, metrics, past),
            None => Channel::new(settings, metrics, Epoch::new()),
        };
        let keeping = opened.keep(&channel);
        (channel, Self(Mutex::new(Some(keeping))))
    }

    /// Nothing keeps it.
    pub(super) fn none() -> Self {
        Self(Mutex::default())
    }

    fn keeping(&self) -> MutexGuard<'_, Option<Keeping>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on it is kept there; `None`: in memory alone. What is kept elsewhere is removed: with
    /// the channel's numbers given on, it would be a past that never was.
    pub(super) fn follow(&self, channel: &Arc<Channel>, source: &Source, wanted: Option<&Folder<'_>>, on_disk: OnDisk) {
        let mut keeping = self.keeping();
        let is_there = match (&*keeping, wanted) {
            (Some(keeping), Some(wanted)) => Arc::ptr_eq(keeping.directory(), wanted.directory()),
            (None, None) => true,
            _ => false,
        };
        if is_there {
            return;
        }
        if let Some(keeping) = keeping.take() {
            keeping.discard();
        }
        *keeping = wanted.map(|folder| Opened::for_running(folder, source, channel, on_disk).keep(channel));
    }

    /// To be called about once a second.
    pub(super) fn sweep(&self) {
        if let Some(keeping) = &*self.keeping() {
            keeping.sweep();
        }
    }

    /// Ends it in order: the next life of the channel goes on there. Blocks while the rest is
    /// written.
    pub(super) fn close(&self) {
        drop(self.keeping().take());
    }

    /// Leaves it to the next process, which goes on with the channel. Blocks while the rest is written.
    pub(super) fn hand_over(&self) {
        if let Some(keeping) = self.keeping().take() {
            keeping.hand_over();
        }
    }

    /// The channel is no more, and so is its log.
    pub(super) fn discard(&self) {
        if let Some(keeping) = self.keeping().take() {
            keeping.discard();
        }
    }

    /// How it stands; `None`: the log is in memory alone.
    pub(super) fn state(&self) -> Option<KeptLogState> {
        self.keeping().as_ref().map(Keeping::state)
    }
}

impl Surroundings {
    /// The directory in which a source's logs are kept.
    pub(super) fn directory_of(&self, source: &Source) -> Option<Arc<Directory>> {
        self.directories.get(source.log.dir.as_deref()?)
    }
}
