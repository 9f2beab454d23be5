//! One channel's log, and how far it is on disk.

use super::files::{ChannelFiles, SegmentBounds};
use super::numbers::Numbers;
use super::work::{Due, Task, Work};
use crate::channel::{Channel, Follower, Left, Settings};
use crate::config::{self, Source};
use crate::log::{Cursor, Entry, Log, Position, Read, Reserved};
use crate::metrics::SourceMetrics;
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Numbers that are reserved at a time: more than come while a disk is slow, and few enough that
/// what an unclean end leaves out is no matter.
pub(super) const RESERVED_AT_A_TIME: u64 = 65_536;
/// What is written at a time: large enough to be cheap, small enough to be soon over.
const BATCH_BYTES: u64 = 256 * 1024;
/// After something failed it is tried again so much later.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// Files are let go of whole, so a log is several: this many.
const SEGMENTS: u64 = 8;
/// A segment's bounds: less would be many files, more would be long in memory at a start.
const SEGMENT_EVENTS_MIN: u64 = 64;
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = 64 * 1024..=8 * 1024 * 1024;

/// Further than any log comes.
const NEVER_BEHIND: Cursor = Cursor::nth(u64::MAX / 2);

/// A channel's log, as far as the thread that writes it goes.
pub(super) struct KeptLog {
    log: Log,
    settings: Settings,
    metrics: Arc<SourceMetrics>,
    reserved: Arc<Reserved>,
    epoch: String,
    /// Whether its file stays open: it is one of few.
    stays_open: bool,
    /// `None` once it is kept no longer.
    files: Mutex<Option<ChannelFiles>>,
    /// The newest entry that is written.
    written: AtomicU64,
    is_waiting: AtomicBool,
    /// What went wrong last, as long as it has not come right.
    failure: Mutex<Option<Failure>>,
    /// What `fanfare_log_dir_lag_events` has been moved by.
    gauged: Mutex<f64>,
    work: Weak<Work>,
}

/// What went wrong.
#[derive(Debug, Clone)]
struct Failure {
    said: String,
    retry_at: Instant,
}

/// A log that is told by its channel.
pub(super) struct FollowingDisk(pub(super) Arc<KeptLog>);

impl Follower for FollowingDisk {
    fn notify(&self) {
        if !self.0.is_waiting.swap(true, Ordering::SeqCst)
            && let Some(work) = self.0.work.upgrade()
        {
            work.add(self.0.clone());
        }
    }

    /// The publishing side never waits for the disk.
    fn offered(&self) -> Cursor {
        NEVER_BEHIND
    }
}

impl KeptLog {
    /// For what is written behind what is in the folder.
    pub(super) fn new(
        channel: &Channel,
        mut files: ChannelFiles,
        reserved: Arc<Reserved>,
        work: &Arc<Work>,
        stays_open: bool,
    ) -> Self {
        let log = channel.log().clone();
        let written = files.newest().and_then(|newest| log.cursor_of(Position::new(newest)));
        let written = written.unwrap_or_else(|| {
            files.start_over();
            log.tail().before()
        });
        Self {
            settings: channel.settings().clone(),
            metrics: channel.metrics().clone(),
            epoch: channel.epoch().name().to_owned(),
            log,
            reserved,
            stays_open,
            files: Mutex::new(Some(files)),
            written: AtomicU64::new(written.get()),
            is_waiting: AtomicBool::new(false),
            failure: Mutex::default(),
            gauged: Mutex::default(),
            work: Arc::downgrade(work),
        }
    }

    /// Up to where its numbers are reserved.
    pub(super) fn reserved(&self) -> &Reserved {
        &self.reserved
    }

    /// What has the folder removed.
    pub(super) fn work(&self) -> Option<Arc<Work>> {
        self.work.upgrade()
    }

    /// Why nothing is written at the moment.
    pub(super) fn said(&self) -> Option<String> {
        self.failure().as_ref().map(|failure| failure.said.clone())
    }

    /// What it is written to; `None` once it is kept no longer.
    pub(super) fn files(&self) -> MutexGuard<'_, Option<ChannelFiles>> {
        // A panic ends the process.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self) -> MutexGuard<'_, Option<Failure>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn written(&self) -> Cursor {
        Cursor::nth(self.written.load(Ordering::Relaxed))
    }

    /// Events that are not written yet.
    pub(super) fn lag(&self) -> u64 {
        self.log.head().since(self.written().max(self.log.tail().before()))
    }

    /// Says so to the metrics.
    pub(super) fn gauge(&self, lag: f64) {
        let mut gauged = self.gauged.lock().unwrap_or_else(PoisonError::into_inner);
        if *gauged != lag {
            self.metrics.log_dir_lag_events.add(lag - *gauged);
            *gauged = lag;
        }
    }

    fn write_to(&self, files: &mut ChannelFiles, source: &Source) -> io::Result<Due> {
        self.reserve(files)?;
        self.catch_up(files, source, NEVER_BEHIND)?;
        if source.log.sync == config::Sync::Always {
            files.sync()?;
        }
        if !self.stays_open {
            files.release();
        }
        let syncs = files.is_unsynced() && source.log.sync == config::Sync::Interval;
        Ok(syncs.then(|| Instant::now() + source.log.sync_every))
    }

    /// Reserves more numbers, before those that are reserved are used up.
    fn reserve(&self, files: &mut ChannelFiles) -> io::Result<()> {
        loop {
            let newest = self.log.tip().position.get();
            let limit = self.reserved.limit();
            if files.has_numbers() && limit.is_some_and(|limit| limit.get() > newest + RESERVED_AT_A_TIME / 2) {
                return Ok(());
            }
            let below = match limit {
                // Nothing on disk knows of them yet: what may be given is what will stand there.
                Some(limit) if !files.has_numbers() && limit.get() > newest => limit.get(),
                _ => newest.saturating_add(RESERVED_AT_A_TIME),
            };
            if limit.is_none() {
                // The numbering has jumped. It is bound first, since what stands on disk may be
                // where the next start goes on.
                self.reserved.reserve(Position::new(below));
                if self.log.tip().position.get() + 1 >= below {
                    continue;
                }
            }
            files.reserve(&self.numbers(below, false))?;
            self.reserved.reserve(Position::new(below));
        }
    }

    fn numbers(&self, below: u64, is_clean: bool) -> Numbers {
        Numbers {
            epoch: self.epoch.clone(),
            below,
            is_clean,
        }
    }

    /// Writes everything up to an entry, or to the head.
    fn catch_up(&self, files: &mut ChannelFiles, source: &Source, end: Cursor) -> io::Result<()> {
        let names: Vec<String> = source.upstreams.iter().map(|upstream| upstream.name.clone()).collect();
        let syncs = source.log.sync != config::Sync::None;
        loop {
            if files.starts_over() {
                self.set_written(self.log.tail().before());
            }
            if let Some(last_evicted) = self.log.position_before(self.log.tail()) {
                files.trim(last_evicted.get())?;
            }
            let batch = match self.batch(end) {
                Some(batch) if batch.is_empty() => return Ok(()),
                Some(batch) => batch,
                None => {
                    files.start_over();
                    continue;
                }
            };
            files.append(&batch, &names, bounds(source), syncs)?;
            if let Some(last) = batch.last() {
                self.set_written(last.cursor);
            }
        }
    }

    /// The entries that come next. `None`: the log has let them go.
    fn batch(&self, end: Cursor) -> Option<Vec<Arc<Entry>>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let mut next = self.written().next();
        while bytes < BATCH_BYTES && next <= end {
            match self.log.read(next) {
                Read::Entry(entry) => {
                    bytes += entry.len_bytes();
                    batch.push(entry);
                }
                Read::NotYet => break,
                Read::Gone => return None,
            }
            next = next.next();
        }
        Some(batch)
    }

    fn set_written(&self, cursor: Cursor) {
        self.written.store(cursor.get(), Ordering::Relaxed);
    }

    /// The last of it: up to this entry, synced whatever the settings say, and the number with which
    /// the next start goes on.
    pub(super) fn finish(&self, files: &mut ChannelFiles, Left { head, next }: Left) -> io::Result<()> {
        let source = self.settings.snapshot();
        if !files.has_numbers() && head == Cursor::START {
            // It has never been of any use.
            return Ok(());
        }
        if !files.has_numbers() {
            let below = next.get().saturating_add(RESERVED_AT_A_TIME);
            files.reserve(&self.numbers(below, false))?;
        }
        self.catch_up(files, &source, head)?;
        files.sync()?;
        files.reserve(&self.numbers(next.get(), true))
    }

    /// The last of it, for a process that knows what this one does, and goes on at once: up to this
    /// entry. What is reserved stays reserved for that one. Where numbers have been left out, which it
    /// can't tell from the log, it is told where it goes on.
    pub(super) fn leave(&self, files: &mut ChannelFiles, left: Left) -> io::Result<()> {
        if !files.has_numbers() {
            return self.finish(files, left);
        }
        let source = self.settings.snapshot();
        self.catch_up(files, &source, left.head)?;
        if source.log.sync == config::Sync::Always {
            files.sync()?;
        }
        match left.next == self.log.tip().position.next() {
            true => Ok(()),
            false => files.reserve(&self.numbers(left.next.get(), true)),
        }
    }

    /// Returns when it is to be tried again.
    pub(super) fn failed(&self, error: &io::Error) -> Instant {
        self.metrics.log_dir_errors.increment(1);
        let said = error.to_string();
        let retry_at = Instant::now() + RETRY_EVERY;
        let mut failure = self.failure();
        if failure.as_ref().is_none_or(|before| before.said != said) {
            let source = self.settings.load().name.clone();
            tracing::error!(source, %error, "the log can't be kept on disk: it goes on in memory alone, and is tried again every second");
        }
        *failure = Some(Failure { said, retry_at });
        retry_at
    }

    fn is_in_order(&self, source: &Source) {
        if self.failure().take().is_some() {
            tracing::info!(source = source.name, "the log is kept on disk again");
        }
    }
}

impl Task for KeptLog {
    fn write(&self) -> Due {
        let mut files = self.files();
        let files = files.as_mut()?;
        // Before the look at the log: what comes after it adds this to the work again.
        self.is_waiting.store(false, Ordering::SeqCst);
        if let Some(failure) = &*self.failure()
            && failure.retry_at > Instant::now()
        {
            return Some(failure.retry_at);
        }
        let source = self.settings.snapshot();
        match self.write_to(files, &source) {
            Ok(due) => {
                self.is_in_order(&source);
                due
            }
            Err(error) => Some(self.failed(&error)),
        }
    }

    fn go_on(&self) -> Due {
        if self.failure().is_some() {
            return self.write();
        }
        let mut files = self.files();
        let synced = files.as_mut()?.sync();
        synced.err().map(|error| self.failed(&error))
    }
}

fn bounds(source: &Source) -> SegmentBounds {
    SegmentBounds {
        events: (source.log.events as u64 / SEGMENTS).max(SEGMENT_EVENTS_MIN),
        bytes: (source.log.bytes / SEGMENTS).clamp(*SEGMENT_BYTES.start(), *SEGMENT_BYTES.end()),
    }
}
