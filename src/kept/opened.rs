//! A channel's folder before there is a channel: what it goes on from, and what will write it.

use super::directory::Directory;
use super::files::{ChannelFiles, renamed};
use super::keeping::Keeping;
use super::kept_log::RESERVED_AT_A_TIME;
use super::names;
use super::numbers::Numbers;
use super::recovery::{Recovered, Wanted};
use crate::channel::{Channel, Past};
use crate::config::Source;
use crate::log::{Epoch, Kind, Position, Reserved};
use crate::metrics::SourceMetrics;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A channel's folder before there is a channel.
pub(crate) struct Opened {
    pub(super) directory: Arc<Directory>,
    pub(super) files: ChannelFiles,
    pub(super) reserved: Arc<Reserved>,
    past: Option<Past>,
    stays_open: bool,
}

impl Opened {
    /// What the channel goes on from; none: it begins.
    pub(crate) fn past(&mut self) -> Option<Past> {
        self.past.take()
    }

    /// Keeps this channel's log, which goes on from what was opened, or begins.
    pub(crate) fn keep(self, channel: &Arc<Channel>) -> Keeping {
        Keeping::begin(
            channel.clone(),
            self.files,
            self.reserved,
            &self.directory,
            self.stays_open,
        )
    }

    /// Up to where numbers may be given.
    #[cfg(test)]
    pub(super) fn may_give(&self) -> Option<Position> {
        self.reserved.limit()
    }

    /// Whether there is something to go on from.
    pub(super) fn has_past(&self) -> bool {
        self.past.is_some()
    }

    /// A folder in which nothing is of use.
    pub(super) fn fresh(directory: &Arc<Directory>, dir: &Path, stays_open: bool) -> Self {
        Self {
            files: ChannelFiles::fresh(directory.disk().clone(), dir),
            directory: directory.clone(),
            reserved: Arc::new(Reserved::below(Position::new(RESERVED_AT_A_TIME))),
            past: None,
            stays_open,
        }
    }

    /// The folder of a plain source's one channel. What can't be read is set aside.
    pub(crate) fn plain(directory: &Arc<Directory>, source: &Source, metrics: &SourceMetrics) -> Self {
        let dir = directory.of_source(&source.name).join(names::PLAIN);
        let mut opened = Self::found(directory, &dir, source, metrics, true);
        if opened.past.is_none() {
            // From the start on it is known whether it can be written to.
            opened.begin(source, metrics);
        }
        opened
    }

    /// The folder, as it is.
    pub(super) fn found(
        directory: &Arc<Directory>,
        dir: &Path,
        source: &Source,
        metrics: &SourceMetrics,
        stays_open: bool,
    ) -> Self {
        let mut opened = Self::fresh(directory, dir, stays_open);
        match ChannelFiles::open(directory.disk().clone(), dir, Wanted::Entries) {
            Ok((files, numbers, recovered)) => opened.goes_on(files, numbers, recovered, source, metrics),
            Err(error) => {
                metrics.log_dir_errors.increment(1);
                let aside = set_aside(directory, dir);
                tracing::error!(
                    source = source.name, %error, aside,
                    "the log on disk can't be read: it begins anew"
                );
            }
        }
        opened
    }

    /// Takes up what was found.
    fn goes_on(
        &mut self,
        mut files: ChannelFiles,
        numbers: Option<Numbers>,
        mut recovered: Recovered,
        source: &Source,
        metrics: &SourceMetrics,
    ) {
        if let Some(cut) = recovered.cut.take() {
            metrics.log_dir_errors.increment(1);
            tracing::warn!(
                source = source.name,
                file = cut.file,
                at_bytes = cut.at_bytes,
                lost_bytes = cut.lost_bytes,
                events = recovered.entries.len(),
                "the log on disk is torn or damaged: it is cut behind its last whole event"
            );
        }
        let newest = recovered.newest();
        if (numbers.is_none() && recovered.entries.is_empty()) || has_lingered(&recovered, source) {
            return;
        }
        let known = numbers.filter(|numbers| Epoch::is_like_ours(format!("{}.0", numbers.epoch).as_bytes()));
        let (epoch, below, is_clean) = match known {
            Some(numbers) => (Epoch::named(numbers.epoch), numbers.below, numbers.is_clean),
            None => {
                tracing::warn!(
                    source = source.name,
                    "the numbering of the log on disk is lost: another one begins behind its events"
                );
                (Epoch::new(), 0, false)
            }
        };
        let next = below.max(newest.saturating_add(1));
        let reserved = Numbers {
            epoch: epoch.name().to_owned(),
            below: next.saturating_add(RESERVED_AT_A_TIME),
            is_clean: false,
        };
        let below = match files.reserve(&reserved) {
            Ok(()) => reserved.below,
            Err(error) => {
                metrics.log_dir_errors.increment(1);
                tracing::error!(source = source.name, %error, "no numbers can be reserved on disk: the numbering jumps");
                next
            }
        };
        tracing::info!(
            source = source.name,
            events = recovered.entries.len(),
            is_clean,
            "the log goes on behind what is on disk"
        );
        let upstreams: Vec<String> = source.upstreams.iter().map(|upstream| upstream.name.clone()).collect();
        let places = renamed(&recovered.places, &upstreams);
        self.files = files;
        self.reserved = Arc::new(Reserved::below(Position::new(below)));
        self.past = Some(Past {
            epoch,
            before: Position::new(recovered.before),
            entries: recovered.entries,
            next: Position::new(next),
            places: places.into_iter().map(|(_, id)| id).collect(),
        });
    }

    /// The folder is made, and its numbering begins.
    fn begin(&mut self, source: &Source, metrics: &SourceMetrics) {
        let epoch = Epoch::new();
        let numbers = Numbers {
            epoch: epoch.name().to_owned(),
            below: RESERVED_AT_A_TIME,
            is_clean: false,
        };
        if let Err(error) = self.files.reserve(&numbers) {
            metrics.log_dir_errors.increment(1);
            tracing::error!(source = source.name, %error, "no log can be begun on disk: it is tried again every second");
        }
        self.past = Some(Past {
            epoch,
            before: Position::START,
            entries: Vec::new(),
            next: Position::START.next(),
            places: Vec::new(),
        });
    }
}

/// Whether the stream had ended, and was served for as long as it is to be.
fn has_lingered(recovered: &Recovered, source: &Source) -> bool {
    let last = recovered.entries.last().map(|(_, draft)| draft);
    last.is_some_and(|last| last.kind == Kind::Terminal && last.received.elapsed() >= source.linger)
}

/// Gives a folder another name. Returns what came of it.
fn set_aside(directory: &Directory, dir: &Path) -> String {
    let suffix = format!(".set-aside-{}", nanos());
    match ChannelFiles::set_aside(&**directory.disk(), dir, &suffix) {
        Ok(aside) => aside.display().to_string(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => "nothing is there".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Now, as a name tells it.
pub(super) fn nanos() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos()
}
