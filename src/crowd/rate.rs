//! So many things a second.

use super::clock::{SECOND_NS, now_ns};

/// So many things a second since a moment.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    since_ns: u64,
    /// As asked for.
    pub per_second: f64,
    /// How many have been done since.
    pub done: u64,
}

impl Rate {
    /// From now on.
    pub fn new(per_second: f64) -> Self {
        Self {
            since_ns: now_ns(),
            per_second,
            done: 0,
        }
    }

    /// How many are due and not done.
    pub fn due(&self, now_ns: u64) -> u64 {
        let elapsed = now_ns.saturating_sub(self.since_ns) as f64 / SECOND_NS as f64;
        ((elapsed * self.per_second) as u64).saturating_sub(self.done)
    }
}
