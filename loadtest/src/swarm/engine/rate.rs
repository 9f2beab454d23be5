//! So many things a second.

use crate::clock::{SECOND_NS, now_ns};

/// So many things a second since a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    since_ns: u64,
    pub(super) per_second: f64,
    pub(super) done: u64,
}

impl Rate {
    pub(super) fn new(per_second: f64) -> Self {
        Self {
            since_ns: now_ns(),
            per_second,
            done: 0,
        }
    }

    /// How many are due and not done.
    pub(super) fn due(&self, now_ns: u64) -> u64 {
        let elapsed = now_ns.saturating_sub(self.since_ns) as f64 / SECOND_NS as f64;
        ((elapsed * self.per_second) as u64).saturating_sub(self.done)
    }
}
