//! How often a peer may do what costs us and brings nothing.

use super::limits::Rate;
use std::time::Instant;

/// Fills up with time, and is spent by frames.
#[derive(Debug)]
pub(super) struct Budget {
    rate: Rate,
    left: u32,
    filled: Instant,
}

impl Budget {
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        Self {
            rate,
            left: rate.burst,
            filled: now,
        }
    }

    /// Takes one; false: there is none.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if self.left == 0 {
            self.fill(now);
        }
        let has_one = self.left > 0;
        self.left = self.left.saturating_sub(1);
        has_one
    }

    /// Allows for so many more.
    pub(super) fn earn(&mut self, count: u32) {
        self.left = self.left.saturating_add(count).min(self.rate.burst);
    }

    /// To be called only when it is empty: the clock is not looked at for every frame.
    fn fill(&mut self, now: Instant) {
        let interval = self.rate.interval();
        let passed = now.saturating_duration_since(self.filled);
        let count = passed.as_nanos() / interval.as_nanos();
        if count == 0 {
            return;
        }
        self.earn(u32::try_from(count).unwrap_or(u32::MAX));
        self.filled = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_and_then_so_many_a_second() {
        let start = Instant::now();
        let rate = Rate {
            burst: 3,
            per_second: 10,
        };
        let mut budget = Budget::new(rate, start);
        assert_eq!([(); 4].map(|()| budget.take(start)), [true, true, true, false]);
        let later = start + Duration::from_millis(250);
        assert_eq!([(); 3].map(|()| budget.take(later)), [true, true, false]);
        budget.earn(100);
        assert_eq!((0..9).filter(|_| budget.take(later)).count(), 3, "no more than a burst");
    }
}
