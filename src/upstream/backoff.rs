//! How long to wait before the next attempt: exponential, with full jitter, and bounded on both sides.
//!
//! The n-th wait in a row is drawn evenly from [reconnection time / 2, reconnection time × 2ⁿ], so that relays and channels
//! that were cut together do not come back together, and so that an origin that named a time is never asked again in less
//! than half of it. No clock in here, and no source of chance: both come in as arguments.

use std::time::Duration;

/// Shortest reconnection time that an origin can ask for: `retry: 0` is no licence to hammer it.
const RETRY_MIN: Duration = Duration::from_millis(200);

/// Longest wait that a `Retry-After` can ask for: a mistaken one must not park the stream for a day.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// A stream that lasted this long has lived, however short the reconnection time.
const LIVED_MIN: Duration = Duration::from_secs(1);

/// The waits between attempts.
#[derive(Debug)]
pub(super) struct Backoff {
    /// The reconnection time in force; at most `max`.
    base: Duration,
    /// No wait is longer, but for a `Retry-After`.
    max: Duration,
    /// Waits since a stream last lived.
    waits: u32,
}

impl Backoff {
    /// Begins with the configured reconnection time.
    pub(super) fn new(reconnect: Duration, max: Duration) -> Self {
        Self {
            base: reconnect.min(max),
            max,
            waits: 0,
        }
    }

    /// The origin named a reconnection time; returns the one in force, within bounds.
    pub(super) fn origin_says(&mut self, retry: Duration) -> Duration {
        self.base = retry.clamp(RETRY_MIN.min(self.max), self.max);
        self.base
    }

    /// Whether a stream that yielded so many events in this time counts as one that worked.
    ///
    /// An origin that accepts and closes at once does not, and is asked ever more rarely.
    pub(super) fn has_lived(&self, events: u64, lasted: Duration) -> bool {
        events > 0 || lasted >= self.base.max(LIVED_MIN)
    }

    /// A stream has lived: the next wait is the shortest again.
    pub(super) fn reset(&mut self) {
        self.waits = 0;
    }

    /// The next wait. `chance` is in [0, 1).
    pub(super) fn next(&mut self, retry_after: Option<Duration>, chance: f64) -> Duration {
        let shortest = self.base / 2;
        let factor = 1u32.checked_shl(self.waits).unwrap_or(u32::MAX);
        let longest = self.base.saturating_mul(factor).min(self.max);
        self.waits = self.waits.saturating_add(1);
        let drawn = shortest + (longest - shortest).mul_f64(chance);
        match retry_after {
            None => drawn,
            // Later than told by up to a tenth: whoever else was told the same comes then too.
            Some(told) => drawn.max(told.min(RETRY_AFTER_MAX).mul_f64(1.0 + chance / 10.0)),
        }
    }
}

/// The delay that a `Retry-After` field asks for (RFC 9110, 10.2.3): seconds, or a date.
pub(super) fn retry_after(field: &str, now: std::time::SystemTime) -> Option<Duration> {
    let field = field.trim();
    if !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit: more than any bound.
        return Some(Duration::from_secs(field.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(field).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::SystemTime;

    const MAX: Duration = Duration::from_secs(60);

    #[test]
    fn waits_grow_to_the_bound_and_start_again() {
        let mut backoff = Backoff::new(Duration::from_secs(3), MAX);
        let longest: Vec<u64> = (0..7)
            .map(|_| backoff.next(None, 0.999_999_999).as_secs_f64().round() as u64)
            .collect();
        assert_eq!(longest, [3, 6, 12, 24, 48, 60, 60]);
        backoff.reset();
        assert_eq!(backoff.next(None, 0.0), Duration::from_millis(1500));
    }

    #[test]
    fn an_absurd_reconnection_time_is_bounded() {
        let mut backoff = Backoff::new(Duration::from_secs(3), MAX);
        assert_eq!(backoff.origin_says(Duration::ZERO), RETRY_MIN);
        assert_eq!(backoff.origin_says(Duration::from_secs(86_400)), MAX);
        assert_eq!(backoff.origin_says(Duration::from_millis(u64::MAX)), MAX);
        assert_eq!(backoff.origin_says(Duration::from_secs(10)), Duration::from_secs(10));
        // A bound below the shortest time is still the bound.
        assert_eq!(
            Backoff::new(MAX, Duration::from_millis(20)).origin_says(Duration::ZERO),
            Duration::from_millis(20)
        );
    }

    #[test]
    fn a_stream_has_lived_by_an_event_or_by_its_time() {
        let backoff = Backoff::new(Duration::from_secs(3), MAX);
        assert!(backoff.has_lived(1, Duration::ZERO));
        assert!(backoff.has_lived(0, Duration::from_secs(3)));
        assert!(!backoff.has_lived(0, Duration::from_millis(2999)));
        assert!(!Backoff::new(Duration::ZERO, MAX).has_lived(0, Duration::from_millis(999)));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(" 0 ", now), Some(Duration::ZERO));
        assert_eq!(
            retry_after("99999999999999999999999", now),
            Some(Duration::from_secs(u64::MAX))
        );
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:50:37 GMT", now),
            Some(Duration::from_secs(60))
        );
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:40:37 GMT", now), Some(Duration::ZERO));
        for nonsense in ["", "-1", "soon", "1.5"] {
            assert_eq!(retry_after(nonsense, SystemTime::now()), None, "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn every_wait_is_within_its_bounds(
            reconnect_ms in 0u64..200_000,
            max_ms in 0u64..200_000,
            retry_ms in proptest::option::of(any::<u64>()),
            chances in proptest::collection::vec(0.0f64..1.0, 1..80),
        ) {
            let max = Duration::from_millis(max_ms);
            let mut backoff = Backoff::new(Duration::from_millis(reconnect_ms), max);
            if let Some(retry_ms) = retry_ms {
                backoff.origin_says(Duration::from_millis(retry_ms));
            }
            for chance in chances {
                let wait = backoff.next(None, chance);
                prop_assert!(wait <= max);
                prop_assert!(wait >= backoff.base / 2);
            }
        }

        #[test]
        fn what_retry_after_asks_for_is_obeyed_within_bounds(told in any::<u64>(), chance in 0.0f64..1.0) {
            let told = Duration::from_secs(told);
            let wait = Backoff::new(Duration::from_secs(3), MAX).next(Some(told), chance);
            prop_assert!(wait >= told.min(RETRY_AFTER_MAX));
            prop_assert!(wait <= RETRY_AFTER_MAX.mul_f64(1.1));
        }
    }
}
