//! What keeps a channel's log on disk, for its owner.

use super::directory::Directory;
use super::files::ChannelFiles;
use super::kept_log::{FollowingDisk, KeptLog};
use crate::channel::{Channel, Coding, Follower, Left};
use crate::log::Reserved;
use std::io;
use std::sync::Arc;

/// How the log of a channel is kept, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptLogState {
    /// Events that are not written yet.
    pub(crate) lag_events: u64,
    /// Why nothing is written at the moment.
    pub(crate) failure: Option<String>,
}

/// Keeps a channel's log on disk. Dropping it ends that in order: what there is is written and
/// synced, and the next start goes on with the next number.
pub(crate) struct Keeping {
    channel: Arc<Channel>,
    kept: Arc<KeptLog>,
    follower: Arc<dyn Follower>,
    /// Its lock holds for as long as anything in it may be written.
    directory: Arc<Directory>,
}

impl Keeping {
    /// Begins to write a channel's log behind what is in its folder, and follows it.
    pub(super) fn begin(
        channel: Arc<Channel>,
        files: ChannelFiles,
        reserved: Arc<Reserved>,
        directory: &Arc<Directory>,
        stays_open: bool,
    ) -> Self {
        let has_places = files.has_places();
        let kept = Arc::new(KeptLog::new(
            &channel,
            files,
            reserved.clone(),
            directory.work(),
            stays_open,
        ));
        channel.keep(reserved, has_places);
        let follower: Arc<dyn Follower> = Arc::new(FollowingDisk(kept.clone()));
        channel.join(follower.clone(), Coding::Identity);
        follower.notify();
        Self {
            channel,
            kept,
            follower,
            directory: directory.clone(),
        }
    }

    /// The folder in which it is kept.
    pub(crate) fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// How it stands.
    pub(crate) fn state(&self) -> KeptLogState {
        KeptLogState {
            lag_events: self.kept.lag(),
            failure: self.kept.said(),
        }
    }

    /// Brings the gauge up to date, and has the thread look at what the log has let go. To be
    /// called about once a second.
    pub(crate) fn sweep(&self) {
        self.kept.gauge(self.kept.lag() as f64);
        self.follower.notify();
    }

    /// Ends it in order. Blocks for as long as writing the rest takes; after this nothing is
    /// written, and dropping it does nothing.
    pub(crate) fn close(&self) {
        self.end(KeptLog::finish);
    }

    /// The same for a process that goes on with the channel and its numbering: nothing is synced that
    /// would not have been, so that it takes no longer than a write.
    pub(crate) fn hand_over(&self) {
        self.end(KeptLog::leave);
    }

    fn end(&self, by: impl FnOnce(&KeptLog, &mut ChannelFiles, Left) -> io::Result<()>) {
        self.channel.leave(&self.follower, Coding::Identity);
        let Some(mut files) = self.kept.files().take() else {
            return;
        };
        let left = self.channel.left(self.kept.reserved());
        if let Err(error) = by(&self.kept, &mut files, left) {
            self.kept.failed(&error);
        }
        self.kept.gauge(0.0);
    }

    /// Ends it, and removes the folder: the channel is no more, or is kept no longer. Returns at
    /// once; the thread does it.
    pub(crate) fn discard(&self) {
        self.channel.leave(&self.follower, Coding::Identity);
        let Some(files) = self.kept.files().take() else { return };
        self.channel.keep_no_longer();
        self.kept.gauge(0.0);
        if let Some(work) = self.kept.work() {
            work.remove(files);
        }
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.close();
    }
}
