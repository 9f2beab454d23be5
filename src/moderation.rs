//! The runtime's threads take what comes in rounds when a lot comes, as network cards do with interrupts.
//!
//! With thousands of upstreams, each event by itself would end a thread's sleep, and a shard's. A thread that finds that it
//! hardly sleeps any more waits a moment before it looks again: what comes meanwhile is taken together, by one look, and wakes a shard once.
//! A thread that sleeps longer is not held up at all. See docs/decisions/0009.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long a round takes.
const ROUND: Duration = Duration::from_millis(2);
/// A thread that sleeps less than this, on average, is busy.
const BUSY_BELOW: Duration = Duration::from_micros(300);
/// The average goes over about this many sleeps.
const SLEEPS: u32 = 16;

thread_local! {
    static SLEEP: Cell<Sleep> = const { Cell::new(Sleep::new()) };
}

/// How a thread sleeps.
#[derive(Debug, Clone, Copy)]
struct Sleep {
    began: Option<Instant>,
    average: Duration,
}

impl Sleep {
    const fn new() -> Self {
        Self {
            began: None,
            average: Duration::from_secs(1),
        }
    }

    fn is_busy(&self) -> bool {
        self.average < BUSY_BELOW
    }

    fn ended(&mut self, slept: Duration) {
        // One long sleep is enough to be idle again.
        let slept = slept.min(BUSY_BELOW * SLEEPS);
        self.average = (self.average.min(BUSY_BELOW * SLEEPS) * (SLEEPS - 1) + slept) / SLEEPS;
    }
}

/// For [`tokio::runtime::Builder::on_thread_park`].
pub fn before_sleep() {
    SLEEP.with(|cell| {
        let mut sleep = cell.get();
        if sleep.is_busy() {
            std::thread::sleep(ROUND);
        }
        sleep.began = Some(Instant::now());
        cell.set(sleep);
    });
}

/// For [`tokio::runtime::Builder::on_thread_unpark`].
pub fn after_sleep() {
    SLEEP.with(|cell| {
        let mut sleep = cell.get();
        if let Some(began) = sleep.began.take() {
            sleep.ended(began.elapsed());
        }
        cell.set(sleep);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(sleeps: impl IntoIterator<Item = Duration>) -> bool {
        let mut sleep = Sleep::new();
        sleeps.into_iter().for_each(|slept| sleep.ended(slept));
        sleep.is_busy()
    }

    #[test]
    fn who_hardly_sleeps_is_busy() {
        let short = Duration::from_micros(100);
        assert!(!after([]));
        assert!(!after([short; 3]), "a few events together are nothing yet");
        assert!(after([short; 100]));
        assert!(
            !after([Duration::from_millis(1); 100]),
            "1,000 events a second are taken one by one"
        );
    }

    #[test]
    fn one_long_sleep_is_the_end_of_it() {
        let busy = std::iter::repeat_n(Duration::ZERO, 100);
        assert!(after(busy.clone()));
        assert!(!after(busy.chain([Duration::from_millis(50)])));
    }
}
