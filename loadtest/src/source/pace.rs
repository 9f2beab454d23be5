//! When events are due: a fixed schedule, which being late doesn't move.

use crate::clock::SECOND_NS;

/// Events on a schedule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    start_ns: u64,
    /// Between two bursts.
    interval_ns: f64,
    burst: u32,
    bursts_sent: u64,
}

impl Pace {
    /// `events_per_second` in groups of `burst`, from `start_ns` on. The rate must be positive.
    pub(crate) fn new(start_ns: u64, events_per_second: f64, burst: u32) -> Self {
        let burst = burst.max(1);
        let interval_ns = SECOND_NS as f64 * f64::from(burst) / events_per_second.max(1e-6);
        Self {
            start_ns,
            interval_ns,
            burst,
            bursts_sent: 0,
        }
    }

    /// When the next burst is due.
    pub(crate) fn next_ns(&self) -> u64 {
        self.start_ns + (self.bursts_sent as f64 * self.interval_ns) as u64
    }

    /// The next burst that is due at `now_ns`: its scheduled time and its number of events. Called until `None`.
    pub(crate) fn take(&mut self, now_ns: u64) -> Option<(u64, u32)> {
        let due = self.next_ns();
        (due <= now_ns).then(|| {
            self.bursts_sent += 1;
            (due, self.burst)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn being_late_does_not_move_the_schedule() {
        let mut pace = Pace::new(1_000, 10.0, 2);
        assert_eq!(pace.take(999), None);
        assert_eq!(pace.take(1_000), Some((1_000, 2)));
        assert_eq!(pace.take(1_000), None);
        assert_eq!(pace.take(500_001_000), Some((200_001_000, 2)));
        assert_eq!(pace.take(500_001_000), Some((400_001_000, 2)));
        assert_eq!(pace.take(500_001_000), None);
    }
}
