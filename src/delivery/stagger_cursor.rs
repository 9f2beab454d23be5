//! The pointer that goes round a channel's clients where delivery is staggered.

use crate::log::Cursor;
use std::time::{Duration, Instant};

/// Visits that are due within this share of a round, and no longer time than that, are made
/// together: a shard that wakes up for each of thousands a second pays more for that than for the
/// delivery.
const TOGETHER_SHARE: u32 = 20;
const TOGETHER_MAX: Duration = Duration::from_millis(5);

/// The way round a channel's clients.
pub(super) struct StaggerCursor {
    /// How long one takes.
    over: Duration,
    /// The index that is visited next, if there is one that far.
    index: usize,
    /// Visits until each client has been visited since the newest event; 0: none is behind.
    left: usize,
    /// When the next visit is due.
    next_at: Instant,
    /// The first entry that not every client has been offered.
    from: Cursor,
}

impl StaggerCursor {
    pub(super) fn new(over: Duration) -> Self {
        Self {
            over,
            index: 0,
            left: 0,
            next_at: Instant::now(),
            from: Cursor::START,
        }
    }

    /// Changes how long one round takes, from the next visit on.
    pub(super) fn set_over(&mut self, over: Duration) {
        self.over = over;
    }

    /// Something new, from `from` on: every client has to be visited.
    pub(super) fn begin(&mut self, clients: usize, from: Cursor, now: Instant) {
        if self.left == 0 {
            (self.next_at, self.from) = (now, from);
        }
        self.left = clients;
    }

    /// Whether there are clients that it has not come to.
    pub(super) fn is_under_way(&self) -> bool {
        self.left > 0
    }

    /// It need not go on: the clients that it has not come to are served otherwise.
    pub(super) fn stop(&mut self) {
        self.left = 0;
    }

    /// The first entry that not every client has been offered.
    pub(super) fn from(&self) -> Cursor {
        self.from
    }

    /// When the next visits are made.
    pub(super) fn wakes_at(&self) -> Instant {
        self.next_at + (self.over / TOGETHER_SHARE).min(TOGETHER_MAX)
    }

    /// The index of the next visit that is due.
    pub(super) fn next(&mut self, clients: usize, now: Instant) -> Option<usize> {
        if self.left == 0 || clients == 0 || now < self.next_at {
            return None;
        }
        self.left -= 1;
        self.next_at += self.over / u32::try_from(clients).unwrap_or(u32::MAX);
        let index = self.index % clients;
        self.index = index + 1;
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_round_takes_its_time_and_comes_to_everybody() {
        let mut cursor = StaggerCursor::new(Duration::from_secs(1));
        let start = Instant::now();
        cursor.begin(10, Cursor::nth(1), start);
        let mut seen = Vec::new();
        for ms in (0..1000).step_by(10) {
            while let Some(index) = cursor.next(10, start + Duration::from_millis(ms)) {
                seen.push((ms, index));
            }
        }
        assert_eq!(seen, (0..10).map(|n| (n as u64 * 100, n)).collect::<Vec<_>>());
    }

    #[test]
    fn a_flood_does_not_hold_the_pointer_up() {
        let mut cursor = StaggerCursor::new(Duration::from_secs(1));
        let start = Instant::now();
        let mut visits = vec![0; 100];
        for ms in 0..3000 {
            let now = start + Duration::from_millis(ms);
            cursor.begin(100, Cursor::nth(ms), now);
            while let Some(index) = cursor.next(100, now) {
                visits[index] += 1;
            }
        }
        assert_eq!(visits, [3; 100]);
    }
}
