//! Log lines: one per change of state, and no flood from an origin that stays away all night, or
//! that flaps.
//!
//! The same failure is a warning the first few times, then once an hour; in between it is a debug
//! line. A failure that was not worth a warning is one once it has lasted. A connection is told
//! after a failure that was. All warnings share a budget, since an origin can fail in ever new
//! ways. What is logged is redacted before it comes here.

use super::{Failure, Reason, Resume};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Warnings about the same failure before they become rare.
const WARNINGS_MAX: u32 = 3;

/// A failure that goes on is a warning again after this time.
const REMIND_AFTER: Duration = Duration::from_secs(3600);

/// Kinds of failure remembered: bounds what an origin with ever new statuses can make us keep.
const KINDS_MAX: usize = 64;

/// Warnings in a burst; one more comes in every `WARNING_EVERY`.
const BURST_MAX: u32 = 12;
const WARNING_EVERY: Duration = Duration::from_secs(60);

/// An upstream that has been away for this long is no flap.
const LASTING: Duration = Duration::from_secs(60);

/// Writes the log lines of one upstream.
pub(super) struct Reporter {
    source: String,
    upstream: String,
    reports: Arc<Reports>,
    /// What the log says last is that it is connected.
    told_connected: bool,
    /// Since when it has not been connected.
    away_since: Option<Instant>,
    /// One of many: what is usual is told at debug.
    one_of_many: bool,
}

/// What has been told: of one upstream, or of the thousands that a templated source has.
#[derive(Debug, Default)]
pub struct Reports {
    /// One for each kind of failure seen: several URLs can fail in several ways by turns.
    seen: Mutex<Vec<Seen>>,
    budget: Mutex<Budget>,
}

/// How many warnings may still be written.
#[derive(Debug)]
struct Budget {
    /// Written since the budget was last full; at most `BURST_MAX`.
    spent: u32,
    /// Since when what comes in again is counted.
    since: Instant,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            spent: 0,
            since: Instant::now(),
        }
    }
}

impl Budget {
    fn spend(&mut self) -> bool {
        let now = Instant::now();
        let back = ((now - self.since).as_secs() / WARNING_EVERY.as_secs()).min(u64::from(self.spent)) as u32;
        self.spent -= back;
        self.since = if self.spent == 0 {
            now
        } else {
            self.since + WARNING_EVERY * back
        };
        let allowed = self.spent < BURST_MAX;
        self.spent += u32::from(allowed);
        allowed
    }
}

/// A kind of failure, and how often it was told.
#[derive(Debug)]
struct Seen {
    reason: Reason,
    status: Option<u16>,
    /// Since it was last absent for `REMIND_AFTER`.
    repeats: u32,
    at: Instant,
    warned_at: Instant,
}

impl Reporter {
    /// `shared`: one of many that tell what happens to them together.
    pub(super) fn new(source: &str, upstream: &str, shared: Option<Arc<Reports>>) -> Self {
        Self {
            source: source.to_owned(),
            upstream: upstream.to_owned(),
            told_connected: false,
            away_since: None,
            one_of_many: shared.is_some(),
            reports: shared.unwrap_or_default(),
        }
    }

    pub(super) fn connecting(&self, url: &str) {
        tracing::debug!(
            source = self.source,
            upstream = self.upstream,
            url,
            "connecting to the origin"
        );
    }

    pub(super) fn connected(&mut self, url: &str, resume: Resume) {
        let resume = match resume {
            Resume::First => "first",
            Resume::Sent => "sent",
            Resume::Impossible => "impossible",
        };
        self.away_since = None;
        // A stream that is cut again and again, for a reason already told, is reopened as quietly.
        let told_before = std::mem::replace(&mut self.told_connected, true);
        if told_before || self.one_of_many {
            tracing::debug!(
                source = self.source,
                upstream = self.upstream,
                url,
                resume,
                "connected to the origin"
            );
        } else {
            tracing::info!(
                source = self.source,
                upstream = self.upstream,
                url,
                resume,
                "connected to the origin"
            );
        }
    }

    /// It goes on with a connection that another process has made.
    pub(super) fn goes_on(&mut self) {
        self.told_connected = true;
        let (source, upstream) = (&self.source, &self.upstream);
        tracing::debug!(source, upstream, "goes on with the connection to the origin");
    }

    /// It goes on with a connection of its own, joined to that of another process.
    pub(super) fn joined(&mut self) {
        self.told_connected = true;
        let (source, upstream) = (&self.source, &self.upstream);
        tracing::info!(
            source,
            upstream,
            "the connections of both processes to the origin are joined"
        );
    }

    /// The same, where it is not known what came in both.
    pub(super) fn not_joined(&mut self, why: &str) {
        self.told_connected = true;
        let (source, upstream) = (&self.source, &self.upstream);
        tracing::warn!(
            source,
            upstream,
            why,
            "events of the origin may be missing: the connections of both processes could not be joined"
        );
    }

    /// `wait`: until the next attempt.
    pub(super) fn failed(&mut self, failure: &Failure, wait: Duration) {
        let (warns, repeated) = self.count(failure);
        let warns = (warns || self.lasts()) && self.reports.may_warn();
        let (source, upstream, reason) = (&self.source, &self.upstream, failure.reason.label());
        let (status, detail, retry_in_ms) = (failure.status, &failure.detail, wait.as_millis() as u64);
        self.told_connected &= !warns;
        if warns {
            tracing::warn!(
                source,
                upstream,
                reason,
                status,
                detail,
                retry_in_ms,
                repeated,
                "the upstream failed"
            );
        } else {
            tracing::debug!(
                source,
                upstream,
                reason,
                status,
                detail,
                retry_in_ms,
                repeated,
                "the upstream failed again"
            );
        }
    }

    pub(super) fn gave_up(&self, failure: &Failure) {
        let (source, upstream, reason) = (&self.source, &self.upstream, failure.reason.label());
        let (status, detail) = (failure.status, &failure.detail);
        tracing::debug!(source, upstream, reason, status, detail, "the upstream is given up");
    }

    pub(super) fn ended(&self, url: &str) {
        let (source, upstream) = (&self.source, &self.upstream);
        if self.one_of_many {
            tracing::debug!(source, upstream, url, "the origin has ended the stream for good");
        } else {
            tracing::info!(source, upstream, url, "the origin has ended the stream for good");
        }
    }

    /// Whether the log calls it connected, and it has not been for long.
    fn lasts(&mut self) -> bool {
        let since = *self.away_since.get_or_insert_with(Instant::now);
        self.told_connected && !self.one_of_many && since.elapsed() >= LASTING
    }

    /// Whether this failure is a warning, and how often it has been seen in a row.
    fn count(&self, failure: &Failure) -> (bool, u32) {
        let now = Instant::now();
        // What a panicking thread left is whole: entries are pushed and counted up.
        let mut seen = self.reports.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen
            .iter()
            .position(|seen| (seen.reason, seen.status) == (failure.reason, failure.status));
        let at = known.unwrap_or_else(|| {
            if seen.len() == KINDS_MAX {
                seen.remove(0);
            }
            let (reason, status) = (failure.reason, failure.status);
            seen.push(Seen {
                reason,
                status,
                repeats: 0,
                at: now,
                warned_at: now,
            });
            seen.len() - 1
        });
        let seen = &mut seen[at];
        if now - seen.at >= REMIND_AFTER {
            seen.repeats = 0;
        }
        seen.repeats = seen.repeats.saturating_add(1);
        seen.at = now;
        let warns = seen.repeats <= WARNINGS_MAX || now - seen.warned_at >= REMIND_AFTER;
        if warns {
            seen.warned_at = now;
        }
        (warns, seen.repeats)
    }
}

impl Reports {
    fn may_warn(&self) -> bool {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner).spend()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(reason: Reason, status: Option<u16>) -> Failure {
        Failure {
            status,
            ..Failure::new(reason, "")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_that_goes_on_is_told_rarely() {
        let reporter = Reporter::new("s", "u", None);
        let refused = failure(Reason::Refused, None);
        let mut warned = Vec::new();
        // Once a minute for three hours.
        for minute in 0..180 {
            if reporter.count(&refused).0 {
                warned.push(minute);
            }
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        assert_eq!(warned, [0, 1, 2, 62, 122]);
    }

    #[tokio::test(start_paused = true)]
    async fn another_failure_is_told_at_once() {
        let reporter = Reporter::new("s", "u", None);
        for _ in 0..5 {
            reporter.count(&failure(Reason::Status, Some(503)));
        }
        assert_eq!(reporter.count(&failure(Reason::Status, Some(503))), (false, 6));
        assert_eq!(reporter.count(&failure(Reason::Status, Some(500))), (true, 1));
        assert_eq!(reporter.count(&failure(Reason::Dns, None)), (true, 1));
        // By turns with others it is still the same.
        assert_eq!(reporter.count(&failure(Reason::Status, Some(503))), (false, 7));
        tokio::time::advance(REMIND_AFTER).await;
        assert_eq!(reporter.count(&failure(Reason::Status, Some(503))), (true, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let reporter = Reporter::new("s", "u", None);
        for status in 300..600 {
            reporter.count(&failure(Reason::Status, Some(status)));
        }
        assert_eq!(reporter.reports.seen.lock().expect("no panic").len(), KINDS_MAX);
    }

    /// Every way to fail is new, for a day: a new one every second.
    #[tokio::test(start_paused = true)]
    async fn warnings_have_a_budget() {
        let reports = Reports::default();
        let mut warnings = 0;
        for _ in 0..86_400 {
            warnings += u32::from(reports.may_warn());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!((1440..=1440 + BURST_MAX).contains(&warnings), "{warnings}");
        // It fills up again, and no further.
        tokio::time::advance(WARNING_EVERY * 1000).await;
        assert_eq!((0..100).filter(|_| reports.may_warn()).count(), BURST_MAX as usize);
    }

    /// What a log would show of a stream that is cut every 10 ms, and then stays away.
    #[tokio::test(start_paused = true)]
    async fn a_stream_that_flaps_is_told_a_few_times() {
        let mut reporter = Reporter::new("s", "u", None);
        let reset = failure(Reason::Reset, None);
        let mut told = Vec::new();
        for flap in 0..10_000 {
            let before = reporter.told_connected;
            reporter.connected("", Resume::Sent);
            let connected = !before;
            reporter.failed(&reset, Duration::ZERO);
            if connected || !reporter.told_connected {
                told.push(flap);
            }
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        // Cut and back thrice, and back once more.
        assert_eq!(told, [0, 1, 2, 3]);
        assert!(reporter.told_connected);
        for _ in 0..7 {
            tokio::time::advance(Duration::from_secs(10)).await;
            reporter.failed(&reset, Duration::ZERO);
        }
        assert!(!reporter.told_connected, "an absence that lasts is told");
    }
}
