//! What a source keeps, and what happens to clients that lag.

use super::codec::{ANY_DURATION, COUNT_MAX, Count, Custom, SOME_DURATION, Size, Word, number};
use super::field::Presence as _;
use super::files::{folder_path, print_path};
use super::item::Section;
use super::shape::Shape;
use super::table::{nested, section};
use serde_json::{Map, Value as Json};
use std::path::PathBuf;
use std::time::Duration;

section! {
    /// What is kept for resuming, and what is done about ids that it doesn't hold.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct KeptLog {
        /// Events.
        pub events: usize = number(Count(1..=COUNT_MAX)).or("10000"),
        // A log is memory: a bound against a slipped unit.
        /// Bytes, as framed for clients.
        pub bytes: u64 = Size(1 << 10..=1 << 40).or("16MiB"),
        /// Age of the oldest event.
        pub age: Duration = SOME_DURATION.or("10m"),
        /// How long after the start the origin is asked for what ids that come back need and the log
        /// doesn't hold, where ids are the origin's; 0s: never.
        pub ask_origin: Duration = ANY_DURATION.or("30s"),
        /// A folder in which the log is kept over a restart; without it, in memory alone. Several
        /// sources may share one, several processes may not.
        pub dir: Option<PathBuf> = DIR.optional(),
        /// When what is in `dir` survives a loss of power: when the system writes it, within
        /// `sync_every`, or after each batch. The end of the process alone loses none of it.
        pub sync: Sync = SYNC.or("interval"),
        /// The most that a loss of power takes with `sync: interval`.
        pub sync_every: Duration = SOME_DURATION.or("1s"),
        /// What a log that is shared keeps beyond that, in its engine, for clients that were away for longer.
        pub history: Option<LogHistory> = nested().optional(),
    }
    check = no_effect;
    printed = leave_out_what_has_no_effect;
}

section! {
    /// What a log that is shared keeps in its engine; whichever is reached first.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct LogHistory {
        /// Events.
        pub events: usize = number(Count(1..=COUNT_MAX)).or("1000000"),
        /// Age of the oldest event.
        pub age: Duration = SOME_DURATION.or("7d"),
    }
}

/// What `sync_every` is where it has no effect: its default.
const SYNC_EVERY: Duration = Duration::from_secs(1);

const DIR: Custom<PathBuf> = Custom {
    shape: || Shape::Text(&["/var/lib/fanfare"]),
    read: folder_path,
    print: print_path,
};

/// When a kept log survives a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// When the system has written it.
    None,
    /// After `sync_every` at the most.
    Interval,
    /// After each batch that is written.
    Always,
}

const SYNC: Word<Sync> = Word(&[
    ("none", Sync::None),
    ("interval", Sync::Interval),
    ("always", Sync::Always),
]);

/// Keys that mean nothing without the others.
fn no_effect(section: &Section<'_>, log: Option<&mut KeptLog>) {
    let Some(log) = log else { return };
    for key in ["sync", "sync_every"] {
        if log.dir.is_none() && section.present(key).is_some() {
            section.warn_at(key, "no effect: without `dir` the log is in memory alone");
        } else if key == "sync_every" && log.sync != Sync::Interval && section.present(key).is_some() {
            section.warn_at(key, "no effect: it is for `sync: interval`");
        }
    }
    if log.dir.is_none() {
        log.sync = Sync::Interval;
    }
    if log.dir.is_none() || log.sync != Sync::Interval {
        log.sync_every = SYNC_EVERY;
    }
}

/// What is printed is read back without a warning.
fn leave_out_what_has_no_effect(log: &KeptLog, map: &mut Map<String, Json>) {
    if log.dir.is_none() {
        map.shift_remove("sync");
    }
    if log.dir.is_none() || log.sync != Sync::Interval {
        map.shift_remove("sync_every");
    }
}

/// Bounds of a log: whichever is reached first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// Events.
    pub events: usize,
    /// Bytes, as framed for clients.
    pub bytes: u64,
    /// Age of the oldest event.
    pub age: Duration,
}

impl KeptLog {
    /// The bounds of a log that is shared, in its engine.
    pub fn shared_limits(&self) -> LogLimits {
        match self.history {
            Some(LogHistory { events, age }) => LogLimits {
                events: events.max(self.events),
                age: age.max(self.age),
                bytes: u64::MAX,
            },
            None => self.limits(),
        }
    }

    /// The bounds alone.
    pub fn limits(&self) -> LogLimits {
        let Self { events, bytes, age, .. } = self;
        LogLimits {
            events: *events,
            bytes: *bytes,
            age: *age,
        }
    }
}

section! {
    /// What happens to a client that lags; whichever bound is reached first.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct SlowClient {
        /// End the stream, jump to the head, or stop the upstream.
        pub policy: SlowPolicy = POLICY.or("evict"),
        /// Lag in events.
        pub events: u64 = Count(1..=COUNT_MAX).or("10000"),
        // At least one write's worth.
        /// Lag in bytes.
        pub bytes: u64 = Size(1 << 10..=1 << 40).or("1MiB"),
        /// Time without progress while bytes wait.
        pub stall: Duration = SOME_DURATION.or("20s"),
        /// Longest time the upstream stands still under `pause`.
        pub pause_max: Duration = SOME_DURATION.or("10s"),
    }
}

/// The slow-client policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowPolicy {
    /// End the stream; the client resumes by itself.
    Evict,
    /// Jump to the head, with a gap event.
    Skip,
    /// Stop reading the upstream for a while, then evict.
    Pause,
}

const POLICY: Word<SlowPolicy> = Word(&[
    ("evict", SlowPolicy::Evict),
    ("skip", SlowPolicy::Skip),
    ("pause", SlowPolicy::Pause),
]);
