//! What the thread of a directory has to do: logs that have grown, and folders that are no more.

use super::files::ChannelFiles;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A log, as far as the thread knows it.
pub(super) trait Task: Send + Sync {
    /// Writes what has come.
    fn write(&self) -> Due;
    /// Does what has become due: syncs what was written, or tries again what has failed.
    fn go_on(&self) -> Due;
}

/// When a log is to be looked at again, though nothing has come.
pub(super) type Due = Option<Instant>;

/// What the thread has to do.
#[derive(Default)]
pub(super) struct Work {
    list: Mutex<List>,
    added: Condvar,
}

#[derive(Default)]
pub(super) struct List {
    pub(super) grown: Vec<Arc<dyn Task>>,
    pub(super) removed: Vec<ChannelFiles>,
    pub(super) is_over: bool,
}

impl Work {
    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A log has grown.
    pub(super) fn add(&self, log: Arc<dyn Task>) {
        self.list().grown.push(log);
        self.added.notify_one();
    }

    /// A channel's folder is to be removed.
    pub(super) fn remove(&self, files: ChannelFiles) {
        self.list().removed.push(files);
        self.added.notify_one();
    }

    /// Nothing more is added: the thread does what there is, and ends.
    pub(super) fn end(&self) {
        self.list().is_over = true;
        self.added.notify_one();
    }

    /// Waits until there is something, or until then.
    pub(super) fn take(&self, until: Option<Instant>) -> List {
        let mut list = self.list();
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if !list.grown.is_empty() || !list.removed.is_empty() || list.is_over || left == Some(Duration::ZERO) {
                let is_over = list.is_over;
                let taken = mem::take(&mut *list);
                list.is_over = is_over;
                return List { is_over, ..taken };
            }
            list = match left {
                Some(left) => self
                    .added
                    .wait_timeout(list, left)
                    .map(|(list, _)| list)
                    .unwrap_or_else(|poisoned| poisoned.into_inner().0),
                None => self.added.wait(list).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}
