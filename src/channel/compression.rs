//! The history that a channel's compressed clients share: what is published is compressed once, by
//! the thread that publishes, after the others have been notified of it.
//!
//! It is a reader of the log like others, and only as long as something follows it. Its followers
//! are notified when it has moved on, and read no farther than it has come. A client that stands
//! where there is no history gets fragments that can be read alone: so whatever happens here, no
//! event is lost by it.

use super::followers::{Follower, Followers};
use crate::gzip;
use crate::log::{AtomicCursor, Cursor, Entry, Log, Read};
use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering, fence};
use std::sync::{Arc, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// Entries of one history. A client that joins within it gets fragments that stand alone, twice as
/// large, until the next one begins; the first entry of each is that large for all. Where one client
/// in 10,000 joins with each event the two cost the same at 140.
const HISTORY_ENTRIES: u32 = 128;
/// What is compressed before the followers hear of it: they need not wait for the end of a burst.
const STEP_BYTES: u64 = 64 * 1024;

/// How a channel's events are coded for its clients (RFC 9110, 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// As they are.
    Identity,
    /// Compressed.
    Gzip,
}

pub(super) struct Compression<H = SharedHistory> {
    followers: Followers,
    /// How many there are.
    count: AtomicUsize,
    /// How far the history has come.
    head: AtomicCursor,
    /// While there are followers. Taken for as long as a step takes.
    history: Mutex<Option<H>>,
}

/// What extends with the log.
pub(super) trait Extend {
    /// One that begins behind the log's head.
    fn begin() -> Self;
    /// Takes in what follows `head`, or a step of it. `quiet`: how long it has to be quiet for clients
    /// to get something of their own. Returns how far it has come.
    fn extend(&mut self, log: &Log, head: Cursor, quiet: Duration) -> Cursor;
}

impl<H: Extend> Compression<H> {
    pub(super) fn new() -> Self {
        Self {
            followers: Followers::new(),
            count: AtomicUsize::new(0),
            head: AtomicCursor::new(Cursor::START),
            history: Mutex::new(None),
        }
    }

    /// Joins the followers. Register, then look: what is published after this returns is compressed,
    /// and the follower notified of it.
    pub(super) fn join(&self, follower: Arc<dyn Follower>, log: &Log, quiet: Duration) {
        self.count.fetch_add(1, Ordering::Relaxed);
        // Its fence pairs with the one before `published`: either the publisher sees the count, or
        // this the entry.
        self.followers.add(follower);
        self.begin(&mut self.lock(), log);
        self.published(log, quiet);
    }

    /// Begins a history behind the log's head, if there is none.
    fn begin(&self, history: &mut Option<H>, log: &Log) {
        if history.is_none() {
            self.head.store(log.head(), Ordering::Release);
            *history = Some(H::begin());
        }
    }

    /// Leaves the followers; the last one ends the history.
    pub(super) fn leave(&self, follower: &Arc<dyn Follower>, log: &Log, quiet: Duration) {
        self.followers.remove(follower);
        let mut history = self.lock();
        if self.count.fetch_sub(1, Ordering::Relaxed) == 1 {
            *history = None;
        }
        drop(history);
        // The publisher may have found it locked.
        self.published(log, quiet);
    }

    /// How far followers may read.
    pub(super) fn head(&self) -> Cursor {
        self.head.load(Ordering::Acquire)
    }

    /// The newest entry that every follower has offered; `None` without followers.
    pub(super) fn offered(&self) -> Option<Cursor> {
        match self.count.load(Ordering::Relaxed) {
            0 => None,
            _ => self.followers.offered(),
        }
    }

    /// Something was published, or ended, and the channel's other followers have been notified.
    pub(super) fn notify(&self, log: &Log, quiet: impl Fn() -> Duration) {
        if self.count.load(Ordering::Relaxed) > 0 && !self.published(log, quiet()) {
            self.followers.notify_all();
        }
    }

    /// Brings the history up to the log's head, and notifies the followers. Where another thread is at
    /// it, that one does it. Whether this one did.
    fn published(&self, log: &Log, quiet: Duration) -> bool {
        let mut any = false;
        loop {
            // Pairs with itself: who finds it locked has appended before, and who has unlocked it
            // looks after.
            fence(Ordering::SeqCst);
            let head = self.head.load(Ordering::Relaxed);
            if self.count.load(Ordering::Relaxed) == 0 || log.head() <= head {
                return any;
            }
            let mut history = match self.history.try_lock() {
                Ok(history) => history,
                Err(TryLockError::Poisoned(error)) => error.into_inner(),
                Err(TryLockError::WouldBlock) => return any,
            };
            self.begin(&mut history, log);
            // Out of its place meanwhile: one in which something panics is not gone on with.
            if let Some(mut extended) = history.take() {
                let head = self.head.load(Ordering::Relaxed);
                self.head.store(extended.extend(log, head, quiet), Ordering::Release);
                *history = Some(extended);
            }
            drop(history);
            self.followers.notify_all();
            any = true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<H>> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The history, and what decides when another begins.
pub(super) struct SharedHistory {
    history: gzip::History,
    entries: u32,
    newest: Option<Instant>,
}

impl Extend for SharedHistory {
    fn begin() -> Self {
        Self {
            history: gzip::History::default(),
            entries: 0,
            newest: None,
        }
    }

    fn extend(&mut self, log: &Log, head: Cursor, quiet: Duration) -> Cursor {
        let (mut at, mut bytes) = (head, 0);
        while bytes < STEP_BYTES {
            match log.read(at.next()) {
                Read::Entry(entry) => {
                    self.take(&entry, quiet);
                    bytes += entry.len_bytes();
                    at = at.next();
                }
                Read::Gone => {
                    // The log went past it. Its readers find that out by themselves.
                    self.forget();
                    at = log.tail().before().max(at.next());
                }
                Read::NotYet => break,
            }
        }
        at
    }
}

impl SharedHistory {
    fn take(&mut self, entry: &Entry, quiet: Duration) {
        let received = entry.received();
        // Heartbeats have moved what came before: all clients begin anew together.
        let was_quiet = self
            .newest
            .is_some_and(|newest| !quiet.is_zero() && received.saturating_duration_since(newest) >= quiet);
        if self.entries >= HISTORY_ENTRIES || was_quiet {
            self.forget();
        }
        self.history.fragment(entry.block(), |fragment| entry.share(&fragment));
        self.entries += 1;
        self.newest = Some(received);
    }

    fn forget(&mut self) {
        self.history.forget();
        self.entries = 0;
    }
}

#[cfg(all(test, fanfare_loom))]
mod loom;
