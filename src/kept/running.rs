//! A log that is in memory already, and kept on disk from now on: in a folder of its own, or behind
//! what the process before has left for it.

use super::directory::Directory;
use super::files::ChannelFiles;
use super::kept_channels::KeptChannels;
use super::kept_log::RESERVED_AT_A_TIME;
use super::names;
use super::numbers::Numbers;
use super::opened::Opened;
use super::recovery::{Recovered, Wanted};
use crate::channel::Channel;
use crate::config::Source;
use crate::log::{Position, Reserved};
use std::path::PathBuf;
use std::sync::Arc;

/// Where a channel's log is kept.
pub(crate) enum Folder<'a> {
    /// That of a plain source's one channel.
    Plain(&'a Arc<Directory>),
    /// One of a source with parameters, by the channel's key.
    Job(&'a KeptChannels, &'a str),
}

/// What a directory may hold of a channel that is in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDisk {
    /// Nothing that counts: it has been in memory alone, or elsewhere.
    Nothing,
    /// All of its log, left there for this process.
    All,
    /// The same, but for what this process has published since it left it there.
    AllBefore,
}

impl Folder<'_> {
    /// The directory that it is in.
    pub(crate) fn directory(&self) -> &Arc<Directory> {
        match self {
            Self::Plain(directory) => directory,
            Self::Job(kept, _) => kept.directory(),
        }
    }

    fn stays_open(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// One in which nothing counts.
    fn fresh(&self, source: &Source) -> PathBuf {
        match self {
            Self::Plain(directory) => directory.of_source(&source.name).join(names::PLAIN),
            Self::Job(kept, key) => kept.new_folder(key),
        }
    }

    /// The one that the channel has had. `None`: it has had none.
    fn before(&self, source: &Source) -> Option<PathBuf> {
        match self {
            Self::Plain(_) => Some(self.fresh(source)),
            Self::Job(kept, key) => kept.claim(key),
        }
    }
}

impl Opened {
    /// For a log that is in memory, and kept from now on.
    pub(crate) fn for_running(folder: &Folder<'_>, source: &Source, channel: &Channel, on_disk: OnDisk) -> Self {
        if on_disk != OnDisk::Nothing
            && let Some(dir) = folder.before(source)
        {
            return Self::behind(folder, dir, source, channel, on_disk);
        }
        let mut opened = Self::fresh(folder.directory(), &folder.fresh(source), folder.stays_open());
        let below = channel.tip().position.get().saturating_add(RESERVED_AT_A_TIME);
        opened.reserved = Arc::new(Reserved::below(Position::new(below)));
        opened
    }

    /// Goes on behind what is in the channel's folder. Nothing is written, if that is what is to be
    /// there. What is not all there is written anew, in the same numbering.
    fn behind(folder: &Folder<'_>, dir: PathBuf, source: &Source, channel: &Channel, on_disk: OnDisk) -> Self {
        let directory = folder.directory();
        let (files, numbers, recovered) = match ChannelFiles::open(directory.disk().clone(), &dir, Wanted::Ends) {
            Ok(found) => found,
            Err(error) => {
                channel.metrics().log_dir_errors.increment(1);
                tracing::error!(source = source.name, %error, "the log on disk can't be read: it is written anew");
                return Self::anew(folder, dir, source, channel);
            }
        };
        let Some(numbers) = numbers.filter(|numbers| numbers.epoch == channel.epoch().name()) else {
            // It has never been written, or is another channel's by now.
            return Self::anew(folder, dir, source, channel);
        };
        if numbers.is_clean {
            channel.go_on_at(Position::new(numbers.below));
        }
        if !is_whole(&recovered, channel, on_disk) {
            tracing::warn!(
                source = source.name,
                "the log on disk is not all there: it is written anew"
            );
            return Self::anew(folder, dir, source, channel);
        }
        let mut opened = Self::fresh(directory, &dir, folder.stays_open());
        opened.files = files;
        match numbers.below > channel.next_position().get() {
            true => {
                opened.reserved = Arc::new(Reserved::below(Position::new(numbers.below)));
                opened
            }
            false => opened.reserved_at_once(source, channel),
        }
    }

    /// In a folder of its own, in place of that one.
    fn anew(folder: &Folder<'_>, dir: PathBuf, source: &Source, channel: &Channel) -> Self {
        let directory = folder.directory();
        let fresh = folder.fresh(source);
        let is_another = fresh != dir;
        let opened = Self::fresh(directory, &fresh, folder.stays_open()).reserved_at_once(source, channel);
        if is_another {
            // Not before: its numbers hold until others are on disk.
            let gone = ChannelFiles::fresh(directory.disk().clone(), &dir);
            directory.work().remove(gone);
        }
        opened
    }

    /// Reserves its numbers before any is given: those of a numbering that may stand on disk
    /// already, up to where another process has ended. Blocks until they are on disk.
    fn reserved_at_once(mut self, source: &Source, channel: &Channel) -> Self {
        let next = channel.next_position().get();
        let numbers = Numbers {
            epoch: channel.epoch().name().to_owned(),
            below: next.saturating_add(RESERVED_AT_A_TIME),
            is_clean: false,
        };
        let below = match self.files.reserve(&numbers) {
            Ok(()) => numbers.below,
            Err(error) => {
                channel.metrics().log_dir_errors.increment(1);
                tracing::error!(source = source.name, %error, "no numbers can be reserved on disk: the numbering jumps");
                next
            }
        };
        self.reserved = Arc::new(Reserved::below(Position::new(below)));
        self
    }
}

/// Whether a folder holds all that it is to hold. A log without its end does not do: where the
/// upstreams stand is known only behind that.
fn is_whole(recovered: &Recovered, channel: &Channel, on_disk: OnDisk) -> bool {
    let newest = Position::new(recovered.newest());
    let goes_as_far = match on_disk {
        OnDisk::AllBefore => channel.log().cursor_of(newest).is_some(),
        OnDisk::All | OnDisk::Nothing => newest == channel.tip().position,
    };
    recovered.cut.is_none() && goes_as_far
}
