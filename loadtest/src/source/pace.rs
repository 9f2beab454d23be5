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
    /// How many there are.
    bursts: u64,
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
            bursts: u64::MAX,
        }
    }

    /// So many events and no more, one after the other, evenly over some time.
    pub(crate) fn counted(start_ns: u64, events: u64, over_ns: u64) -> Self {
        let seconds = over_ns as f64 / SECOND_NS as f64;
        Self {
            bursts: events,
            ..Self::new(start_ns, events as f64 / seconds.max(1e-9), 1)
        }
    }

    /// Whether all has been sent.
    pub(crate) fn is_over(&self) -> bool {
        self.bursts_sent == self.bursts
    }

    /// When the next burst is due.
    pub(crate) fn next_ns(&self) -> u64 {
        self.start_ns + (self.bursts_sent as f64 * self.interval_ns) as u64
    }

    /// The next burst that is due at `now_ns`: its scheduled time and its number of events. Called
    /// until `None`.
    pub(crate) fn take(&mut self, now_ns: u64) -> Option<(u64, u32)> {
        let due = self.next_ns();
        (due <= now_ns && !self.is_over()).then(|| {
            self.bursts_sent += 1;
            (due, self.burst)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_pace_is_over_when_all_is_sent() {
        let mut pace = Pace::counted(1_000, 4, 40_000_000);
        let mut due = Vec::new();
        while let Some((at, events)) = pace.take(u64::MAX) {
            due.push((at, events));
        }
        assert_eq!(due, [1_000, 10_001_000, 20_001_000, 30_001_000].map(|at| (at, 1)));
        assert!(pace.is_over());
        let mut at_once = Pace::counted(1_000, 3, 0);
        assert_eq!(std::iter::from_fn(|| at_once.take(1_010)).count(), 3);
    }

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
