//! Logs of jobs on their way from disk, beside the list of channels: who comes for another job, or
//! for this one, waits for no disk under a lock.
//!
//! A log is read once, whatever the number of clients that wait for it. The first one that asks again
//! when it is there opens the channel. What no client comes back for is left on disk as it was.

use super::keeping::KeptSlot;
use crate::channel::Channel;
use crate::fleet::{Log, Part};
use crate::kept::KeptChannels;
use crate::path::Parameters;
use crate::quotas::{ChannelPermit, UpstreamsPermit};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};

/// Logs that are read at one time: more would be more threads, and no faster.
const AT_ONE_TIME: usize = 8;
/// How long it is remembered that a log could not be read: who asks meanwhile is told to come back.
const FAILURE_KEPT: Duration = Duration::from_secs(1);
/// How long what was read waits for a client: those that wait for it come at once.
const CLAIMED_WITHIN: Duration = Duration::from_secs(5);

/// A log that is being read, for a client that waits for it.
pub(crate) struct Reading(watch::Receiver<()>);

/// What was read: a channel that may be opened.
pub(super) struct ReadChannel {
    pub(super) channel: Arc<Channel>,
    pub(super) kept: KeptSlot,
    pub(super) permits: (ChannelPermit, UpstreamsPermit),
    /// Where it came from, if it is kept on disk.
    from: Option<(Arc<KeptChannels>, PathBuf)>,
    /// What takes part in the fleet for it, if it is shared.
    pub(super) part: Option<Box<Part<Log>>>,
}

enum Entry {
    /// It ends when the log has been read.
    Reading(watch::Receiver<()>),
    Read(Box<ReadChannel>, Instant),
    /// It could not be read.
    Failed(Instant),
}

/// What a client finds.
pub(super) enum Found {
    Nothing,
    Reading(Reading),
    Read(Box<ReadChannel>),
    /// It could not be read a moment ago.
    Failed,
}

/// The logs that are being read, and those that have been.
pub(super) struct Readings {
    entries: Mutex<HashMap<Parameters, Entry>>,
    places: Arc<Semaphore>,
}

impl Default for Readings {
    fn default() -> Self {
        Self {
            entries: Mutex::default(),
            places: Arc::new(Semaphore::new(AT_ONE_TIME)),
        }
    }
}

impl Reading {
    /// Completes when the log has been read, or can't be: then the client asks again.
    pub(crate) async fn done(mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

impl ReadChannel {
    pub(super) fn new(
        (channel, kept): (Arc<Channel>, KeptSlot),
        permits: (ChannelPermit, UpstreamsPermit),
        from: (Arc<KeptChannels>, PathBuf),
    ) -> Self {
        Self {
            channel,
            kept,
            permits,
            from: Some(from),
            part: None,
        }
    }

    /// One whose log is shared.
    pub(super) fn shared(part: Part<Log>, permits: (ChannelPermit, UpstreamsPermit)) -> Self {
        Self {
            channel: part.channel().clone(),
            kept: KeptSlot::none(),
            permits,
            from: None,
            part: Some(Box::new(part)),
        }
    }

    /// Whether it has been read from where logs are kept now.
    pub(super) fn is_of(&self, kept: Option<&Arc<KeptChannels>>) -> bool {
        let from = self.from.as_ref().map(|(kept, _)| kept);
        kept.zip(from).is_some_and(|(kept, from)| Arc::ptr_eq(kept, from))
    }

    /// Leaves it on disk for who comes later. Blocks.
    fn put_back(self) {
        self.kept.close();
        if let Some((kept, folder)) = self.from {
            kept.put_back(&folder);
        }
    }
}

impl Readings {
    /// Places for those that read.
    pub(super) fn places(&self) -> Arc<Semaphore> {
        self.places.clone()
    }

    /// What there is for these parameters. A channel that has been read is the caller's.
    pub(super) fn find(&self, parameters: &Parameters) -> Found {
        let mut entries = self.entries();
        match entries.remove(parameters) {
            None => Found::Nothing,
            Some(Entry::Read(read, _)) => Found::Read(read),
            Some(Entry::Failed(since)) if since.elapsed() < FAILURE_KEPT => {
                entries.insert(parameters.clone(), Entry::Failed(since));
                Found::Failed
            }
            Some(Entry::Failed(_)) => Found::Nothing,
            // Its thread has panicked: that has been said.
            Some(Entry::Reading(reading)) if reading.has_changed().is_err() => Found::Nothing,
            Some(Entry::Reading(reading)) => {
                entries.insert(parameters.clone(), Entry::Reading(reading.clone()));
                Found::Reading(Reading(reading))
            }
        }
    }

    /// From now on a log is being read, until `read` is there or the sender is gone.
    pub(super) fn begin(&self, parameters: &Parameters) -> (watch::Sender<()>, Reading) {
        let (sender, reading) = watch::channel(());
        let entry = Entry::Reading(reading.clone());
        self.entries().insert(parameters.clone(), entry);
        (sender, Reading(reading))
    }

    /// It has been read.
    pub(super) fn read(&self, parameters: Parameters, read: ReadChannel) {
        let entry = Entry::Read(Box::new(read), Instant::now());
        self.entries().insert(parameters, entry);
    }

    /// It can't be read.
    pub(super) fn failed(&self, parameters: Parameters) {
        self.entries().insert(parameters, Entry::Failed(Instant::now()));
    }

    /// Those that no client has come back for in time.
    pub(super) fn unclaimed(&self, now: Instant) -> Unclaimed {
        self.taken(|since| now.saturating_duration_since(since) >= CLAIMED_WITHIN)
    }

    /// All that have been read.
    pub(super) fn all(&self) -> Unclaimed {
        self.taken(|_| true)
    }

    fn taken(&self, is_wanted: impl Fn(Instant) -> bool) -> Unclaimed {
        let mut entries = self.entries();
        let is_taken = |entry: &Entry| match entry {
            Entry::Read(_, since) | Entry::Failed(since) => is_wanted(*since),
            Entry::Reading(_) => false,
        };
        let taken = entries.extract_if(|_, entry| is_taken(entry));
        Unclaimed(taken.map(|(_, entry)| entry).collect())
    }

    /// Whether some are being read.
    pub(super) fn are_under_way(&self) -> bool {
        self.entries().values().any(|entry| matches!(entry, Entry::Reading(_)))
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Parameters, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Channels that are opened for no client.
#[must_use]
pub(super) struct Unclaimed(Vec<Entry>);

impl Unclaimed {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Leaves them on disk for who comes later. Blocks.
    pub(super) fn put_back(self) {
        for entry in self.0 {
            if let Entry::Read(read, _) = entry {
                read.put_back();
            }
        }
    }
}
