//! How old a message is, by the engine's clock. This machine's may be another, and may jump.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What the engine's clock has shown last.
#[derive(Debug, Default)]
pub(super) struct Clock(Mutex<Option<Shown>>);

/// A message came as soon as it was there.
#[derive(Debug, Clone, Copy)]
struct Shown {
    sequence: u64,
    /// Nanoseconds since the epoch of Unix, by the engine.
    published: i128,
    at: Instant,
}

impl Clock {
    /// The age of a message. `is_newest`: nothing is behind it. Until one has been seen that was the
    /// newest, it is judged by this machine's clock.
    pub(super) fn age(&self, sequence: u64, published: i128, is_newest: bool) -> Duration {
        self.age_at(sequence, published, is_newest, (Instant::now(), SystemTime::now()))
    }

    fn age_at(&self, sequence: u64, published: i128, is_newest: bool, (at, here): (Instant, SystemTime)) -> Duration {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = match *shown {
            Some(shown) => shown.published + nanoseconds(at.saturating_duration_since(shown.at)),
            None => nanoseconds(here.duration_since(UNIX_EPOCH).unwrap_or_default()),
        };
        if is_newest && shown.is_none_or(|shown| shown.sequence < sequence) {
            *shown = Some(Shown {
                sequence,
                published,
                at,
            });
        }
        Duration::from_nanos(u64::try_from(now - published).unwrap_or_default())
    }
}

fn nanoseconds(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_jump_of_this_machines_clock_makes_nothing_old() {
        let clock = Clock::default();
        let (begin, here) = (Instant::now(), UNIX_EPOCH + SECOND * 1000);
        let published = |second: u32| nanoseconds(SECOND * second);
        // Before anything is known: what was there already, by the clock here.
        assert_eq!(clock.age_at(1, published(900), false, (begin, here)), SECOND * 100);
        assert_eq!(clock.age_at(2, published(990), true, (begin, here)), SECOND * 10);
        let jumped = here + SECOND * 86_400;
        let later = begin + SECOND * 30;
        assert_eq!(clock.age_at(3, published(1030), true, (later, jumped)), Duration::ZERO);
        // Read late: it stood still meanwhile.
        let late = later + SECOND * 60;
        assert_eq!(clock.age_at(4, published(1050), false, (late, jumped)), SECOND * 40);
        // Another reader looks at what is long known.
        assert_eq!(clock.age_at(2, published(990), true, (late, jumped)), SECOND * 100);
        assert_eq!(clock.age_at(5, published(1090), true, (late, here)), Duration::ZERO);
    }
}
