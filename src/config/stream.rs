//! What a source keeps, and what happens to clients that lag.

use super::codec::{ANY_DURATION, COUNT_MAX, Count, SOME_DURATION, Size, Word, number};
use super::field::Presence as _;
use super::table::{Unsupported, section};
use std::time::Duration;

section! {
    /// What is kept for resuming, and what is done about ids that it doesn't hold.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    }
    unsupported = [
        Unsupported("dir", &[], "keeping the log over a restart"),
        Unsupported("sync", &[], "when the kept log is written"),
        Unsupported("sync_every", &[], "how often the kept log is written"),
        Unsupported("history", &[], "a history shared with other instances"),
    ];
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
    /// The bounds alone.
    pub fn limits(&self) -> LogLimits {
        let Self { events, bytes, age, .. } = *self;
        LogLimits { events, bytes, age }
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
