//! A bound on how often something happens: tokens that fill up with time.

use std::time::Instant;

/// A second's worth of tokens at most.
#[derive(Debug)]
pub(super) struct Rate {
    per_second: u32,
    tokens: f64,
    filled: Instant,
}

impl Rate {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        Self {
            per_second,
            tokens: f64::from(per_second),
            filled: now,
        }
    }

    /// How many there are in a second.
    pub(super) fn per_second(&self) -> u32 {
        self.per_second
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        let per_second = f64::from(self.per_second);
        self.tokens = (self.tokens + elapsed * per_second).min(per_second);
        self.filled = now;
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn tokens_fill_up_to_a_seconds_worth() {
        let start = Instant::now();
        let mut rate = Rate::new(2, start);
        assert_eq!([0; 3].map(|_| rate.take(start)), [true, true, false]);
        assert!(rate.take(start + Duration::from_millis(500)));
        let later = start + Duration::from_secs(60);
        assert_eq!([0; 3].map(|_| rate.take(later)), [true, true, false]);
    }
}
