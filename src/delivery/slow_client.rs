//! When a client is too slow.

use crate::config::SlowClient;
use crate::metrics::EvictReason;
use std::time::Duration;

/// How far a client is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lag {
    pub(super) events: u64,
    pub(super) bytes: u64,
    /// Time since a byte of its was taken, while bytes wait.
    pub(super) stalled: Duration,
}

/// The bound that a lag is over, if any; whichever is first.
pub(super) fn over(limits: &SlowClient, lag: &Lag) -> Option<EvictReason> {
    if lag.events > limits.events {
        Some(EvictReason::Events)
    } else if lag.bytes > limits.bytes {
        Some(EvictReason::Bytes)
    } else if !limits.stall.is_zero() && lag.stalled >= limits.stall {
        Some(EvictReason::Stall)
    } else {
        None
    }
}
