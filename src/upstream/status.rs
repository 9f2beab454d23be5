//! What an upstream is doing, for `/status` and `/readyz`: written by the upstream, read from any
//! thread. And where it is asked to hold still, for another process to go on with it.
//!
//! The lock is taken once per change of state and per reader; what changes with every read from the
//! origin is an atomic. Nothing in here can be shown that is secret: URLs are redacted before they
//! come in, or whenever they are shown.

use super::handover::{Answer, CarriedError, CarriedStatus, CarriedUpstream, Doing, Given, Hold};
use super::url::Url;
use super::{Failure, Reason};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// What an upstream is doing.
#[derive(Debug)]
pub struct StatusCell {
    fields: Mutex<Fields>,
    /// The zero of `last_byte_ms`.
    created: Instant,
    /// Milliseconds from `created` to the last byte of a stream, plus one; 0: there was none.
    last_byte_ms: AtomicU64,
    hold: Hold,
}

/// Where an upstream is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// On the way to a response head. Every upstream begins here.
    Connecting,
    /// The stream is open.
    Connected {
        /// Since when.
        since: SystemTime,
    },
    /// Between two attempts.
    Waiting {
        /// When the next one is made.
        until: SystemTime,
    },
    /// The origin has ended the stream for good.
    Ended,
    /// Given up, or dropped.
    Stopped,
}

/// The last failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// Its kind.
    pub reason: Reason,
    /// The status, where there was one.
    pub status: Option<u16>,
    /// For people; holds no secret.
    pub detail: String,
    /// When.
    pub at: SystemTime,
}

/// All that is known at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Where it is in its life.
    pub phase: Phase,
    /// Since when.
    pub since: SystemTime,
    /// The URL in use, after redirects and discovery; redacted. Empty before the first attempt.
    pub url: String,
    /// The last failure; stays after a recovery.
    pub last_error: Option<LastError>,
    /// Streams opened so far. 0: it has never been connected.
    pub connects: u64,
    /// Attempts made after a failure.
    pub reconnects: u64,
    /// The reconnection time that the origin named, as it is in force.
    pub retry: Option<Duration>,
    /// How long ago the last byte of a stream came.
    pub last_byte_age: Option<Duration>,
    /// When the last byte of a stream came.
    pub last_byte_at: Option<SystemTime>,
}

/// What changes under the lock.
#[derive(Debug)]
struct Fields {
    phase: Phase,
    /// When `phase` began.
    since: SystemTime,
    url: String,
    last_error: Option<LastError>,
    connects: u64,
    reconnects: u64,
    retry: Option<Duration>,
    /// What the feed named last; its `Debug` is redacted.
    named: Option<Url>,
}

impl Fields {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = SystemTime::now();
    }
}

impl Default for StatusCell {
    fn default() -> Self {
        Self::new()
    }
}

impl StatusCell {
    /// An upstream that has not begun yet.
    pub fn new() -> Self {
        Self {
            fields: Mutex::new(Fields {
                phase: Phase::Connecting,
                since: SystemTime::now(),
                url: String::new(),
                last_error: None,
                connects: 0,
                reconnects: 0,
                retry: None,
                named: None,
            }),
            created: Instant::now(),
            last_byte_ms: AtomicU64::new(0),
            hold: Hold::default(),
        }
    }

    /// All that is known now.
    pub fn read(&self) -> Status {
        let last_byte_age = self.last_byte_age();
        let fields = self.fields();
        Status {
            phase: fields.phase,
            since: fields.since,
            url: fields.url.clone(),
            last_error: fields.last_error.clone(),
            connects: fields.connects,
            reconnects: fields.reconnects,
            retry: fields.retry,
            last_byte_age,
            last_byte_at: last_byte_age.and_then(|age| SystemTime::now().checked_sub(age)),
        }
    }

    /// The stream that the feed names, once it has been read.
    pub(crate) fn named(&self) -> Option<Url> {
        self.fields().named.clone()
    }

    /// The feed names this stream.
    pub(crate) fn names(&self, stream: &Url) {
        self.fields().named = Some(stream.clone());
    }

    /// Where it is in its life.
    pub fn phase(&self) -> Phase {
        self.fields().phase
    }

    /// How long ago the last byte of a stream came. Takes no lock.
    pub fn last_byte_age(&self) -> Option<Duration> {
        let at = self.last_byte_ms.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.created.elapsed().saturating_sub(Duration::from_millis(at)))
    }

    pub(super) fn connecting(&self, url: String) {
        let mut fields = self.fields();
        fields.enter(Phase::Connecting);
        fields.url = url;
    }

    /// The attempt goes on at another URL.
    pub(super) fn moved(&self, url: String) {
        self.fields().url = url;
    }

    pub(super) fn connected(&self) {
        let mut fields = self.fields();
        fields.enter(Phase::Connected {
            since: SystemTime::now(),
        });
        fields.connects += 1;
    }

    pub(super) fn byte(&self, received: Instant) {
        let since = received.saturating_duration_since(self.created).as_millis();
        self.last_byte_ms
            .store(u64::try_from(since).unwrap_or(u64::MAX - 1) + 1, Ordering::Relaxed);
    }

    pub(super) fn retry(&self, retry: Duration) {
        self.fields().retry = Some(retry);
    }

    pub(super) fn failed(&self, failure: &Failure) {
        self.fields().last_error = Some(LastError {
            reason: failure.reason,
            status: failure.status,
            detail: failure.detail.clone(),
            at: SystemTime::now(),
        });
    }

    pub(super) fn waiting(&self, wait: Duration) {
        // A bounded wait from now is a time that the clock can hold.
        let now = SystemTime::now();
        self.fields().enter(Phase::Waiting {
            until: now.checked_add(wait).unwrap_or(now),
        });
    }

    pub(super) fn reconnecting(&self) {
        self.fields().reconnects += 1;
    }

    /// The upstream leaves: for good, or because it is dropped.
    /// The stream has ended for good, as its events say.
    pub(crate) fn ended(&self) {
        self.left(true);
    }

    pub(super) fn left(&self, ended: bool) {
        self.fields().enter(if ended { Phase::Ended } else { Phase::Stopped });
    }

    /// Where it is asked to hold still.
    pub fn hold(&self) -> &Hold {
        &self.hold
    }

    /// What it is, once it holds still, as it has been asked to. Blocks until then. `None`: it does
    /// not in time.
    pub fn fetch(&self, deadline: Instant) -> Option<Given> {
        match self.hold.fetch(deadline) {
            Answer::Given(given) => Some(*given),
            // It has ended, or is about to begin.
            Answer::Absent => {
                let doing = match self.phase() {
                    Phase::Ended => Doing::Ended { ago_ms: 0 },
                    Phase::Stopped => Doing::Over,
                    _ => Doing::Attempting,
                };
                Some((self.at_rest(doing), None))
            }
            Answer::Late => None,
        }
    }

    /// What one is that knows no place in a stream.
    pub(super) fn at_rest(&self, doing: Doing) -> CarriedUpstream {
        CarriedUpstream {
            settings: [0; 32],
            last_event_id: Vec::new(),
            seen: false,
            refusals: 0,
            reconnect_ms: 0,
            waits: 0,
            url_index: 0,
            urls_failed: 0,
            status: self.carried(),
            doing,
        }
    }

    /// Goes on with what is shown of one that the origin has ended.
    pub(crate) fn restore_ended(&self, carried: &CarriedUpstream) {
        self.restore(&carried.status, false);
        self.ended();
    }

    /// Goes on with what is shown of one that was given up.
    pub(crate) fn restore_stopped(&self, carried: &CarriedUpstream) {
        self.restore(&carried.status, false);
        self.left(false);
    }

    /// What is shown of it, as plain data.
    pub(super) fn carried(&self) -> CarriedStatus {
        let last_byte_ms = self.last_byte_age().map(millis);
        let fields = self.fields();
        CarriedStatus {
            url: fields.url.clone(),
            since_ms: unix_millis(fields.since),
            connects: fields.connects,
            reconnects: fields.reconnects,
            retry_ms: fields.retry.map(millis),
            last_byte_ms,
            last_error: fields.last_error.as_ref().map(|error| CarriedError {
                reason: error.reason.label().to_owned(),
                status: error.status,
                detail: error.detail.clone(),
                at_ms: unix_millis(error.at),
            }),
            named: fields.named.as_ref().map(Url::written),
        }
    }

    /// Goes on with what another process has shown; `connected`: and with its connection.
    pub(super) fn restore(&self, carried: &CarriedStatus, connected: bool) {
        if let Some(age) = carried.last_byte_ms {
            // A byte from before this was created is as old as this.
            let at = millis(self.created.elapsed()).saturating_sub(age);
            self.last_byte_ms.store(at + 1, Ordering::Relaxed);
        }
        let mut fields = self.fields();
        let since = clock(carried.since_ms);
        if connected {
            fields.phase = Phase::Connected { since };
            fields.since = since;
        }
        fields.url.clone_from(&carried.url);
        // So large that it is never added up to.
        fields.connects = carried.connects.min(u64::MAX / 2);
        fields.reconnects = carried.reconnects.min(u64::MAX / 2);
        fields.retry = carried.retry_ms.map(Duration::from_millis);
        fields.named = carried.named.as_deref().and_then(|named| Url::parse(named).ok());
        fields.last_error = carried.last_error.as_ref().and_then(|error| {
            let failure = Failure::new(Reason::labelled(&error.reason)?, &*error.detail);
            Some(LastError {
                reason: failure.reason,
                status: error.status,
                detail: failure.detail,
                at: clock(error.at_ms),
            })
        });
    }

    fn fields(&self) -> MutexGuard<'_, Fields> {
        // Every change is a plain assignment: what a panicking thread left is whole.
        self.fields.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX - 1)
}

fn unix_millis(at: SystemTime) -> u64 {
    millis(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

/// A time that no clock can hold is now.
fn clock(unix_ms: u64) -> SystemTime {
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(unix_ms));
    at.unwrap_or_else(SystemTime::now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_byte_is_dated_without_the_lock() {
        let status = StatusCell::new();
        assert_eq!(status.last_byte_age(), None);
        let _held = status.fields();
        status.byte(status.created);
        assert!(status.last_byte_age().is_some());
    }

    #[test]
    fn a_failure_outlasts_the_recovery() {
        let status = StatusCell::new();
        status.failed(&Failure {
            reason: Reason::Status,
            status: Some(503),
            detail: "HTTP 503".to_owned(),
        });
        status.connecting("http://h/".to_owned());
        status.connected();
        let now = status.read();
        assert!(matches!(now.phase, Phase::Connected { .. }));
        assert_eq!(
            now.last_error.map(|error| (error.reason, error.status)),
            Some((Reason::Status, Some(503)))
        );
        assert_eq!((now.connects, now.url.as_str()), (1, "http://h/"));
    }
}
