//! What a source keeps, and what happens to clients that lag.

use super::codec::{COUNT_MAX, Count, SOME_DURATION, Size, Word, number};
use super::field::Presence as _;
use super::table::{Unsupported, section};
use std::time::Duration;

section! {
    /// Bounds of a log: whichever is reached first.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct LogLimits {
        /// Events.
        pub events: usize = number(Count(1..=COUNT_MAX)).or("10000"),
        // A log is memory: a bound against a slipped unit.
        /// Bytes, as framed for clients.
        pub bytes: u64 = Size(1 << 10..=1 << 40).or("16MiB"),
        /// Age of the oldest event.
        pub age: Duration = SOME_DURATION.or("10m"),
    }
    unsupported = [
        Unsupported("dir", &[], "keeping the log over a restart"),
        Unsupported("sync", &[], "when the kept log is written"),
        Unsupported("sync_every", &[], "how often the kept log is written"),
        Unsupported("ask_origin", &[], "asking the origin for what the log no longer has"),
        Unsupported("history", &[], "a history shared with other instances"),
    ];
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
