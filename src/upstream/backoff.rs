//! How long to wait before the next attempt: exponential, with jitter, and bounded on both sides.
//!
//! The reconnection time in force is the origin's `retry:`, within bounds, else the configured one.
//! The n-th wait in a row is drawn evenly from it to the larger of min(time × 2ⁿ, `reconnect_max`)
//! and 1.1 × the time: an origin is never asked again sooner than it said, and relays and channels
//! that were cut together do not come back together. No clock in here, and no source of chance:
//! both come in as arguments.

use std::time::Duration;

/// Shortest reconnection time that an origin can ask for: `retry: 0` is no licence to hammer it.
const RETRY_MIN: Duration = Duration::from_millis(200);

/// Longest wait that a `Retry-After` can ask for: a mistaken one must not park the stream for a
/// day.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// A stream that lasted this long has lived, however short the reconnection time.
const LIVED_MIN: Duration = Duration::from_secs(1);

/// Even the shortest range of waits ends at this multiple of where it begins, so that relays that
/// were cut together don't come back together.
const SPREAD_MIN: f64 = 1.1;

/// The waits between attempts.
#[derive(Debug)]
pub(super) struct Backoff {
    /// The reconnection time in force; at most `max`.
    base: Duration,
    /// The upper end of every range, but for `SPREAD_MIN` and a `Retry-After`.
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

    /// The reconnection time in force, and the waits since a stream last lived.
    pub(super) fn state(&self) -> (Duration, u32) {
        (self.base, self.waits)
    }

    /// Goes on after so many waits.
    pub(super) fn after(mut self, waits: u32) -> Self {
        self.waits = waits;
        self
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
        self.waits = self.waits.saturating_add(1);
        let factor = 1u32.checked_shl(self.waits).unwrap_or(u32::MAX);
        let grown = self.base.saturating_mul(factor).min(self.max);
        let longest = grown.max(self.base.mul_f64(SPREAD_MIN));
        let drawn = self.base + (longest - self.base).mul_f64(chance);
        match retry_after {
            None => drawn,
            // Later than told by up to a tenth: other clients were told the same time.
            Some(told) => drawn.max(told.min(RETRY_AFTER_MAX).mul_f64(1.0 + chance * (SPREAD_MIN - 1.0))),
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

    fn seconds(backoff: &mut Backoff, chance: f64) -> f64 {
        (backoff.next(None, chance).as_secs_f64() * 10.0).round() / 10.0
    }

    /// The ranges that the waits are drawn from, one after the other, in seconds.
    #[test]
    fn waits_grow_to_the_bound_and_start_again() {
        for (reconnect, max, ranges) in [
            (
                3,
                60,
                [
                    (3.0, 6.0),
                    (3.0, 12.0),
                    (3.0, 24.0),
                    (3.0, 48.0),
                    (3.0, 60.0),
                    (3.0, 60.0),
                ],
            ),
            (
                1,
                3,
                [(1.0, 2.0), (1.0, 3.0), (1.0, 3.0), (1.0, 3.0), (1.0, 3.0), (1.0, 3.0)],
            ),
            // Where there is no room to grow, a tenth is still drawn from.
            (60, 60, [(60.0, 66.0); 6]),
            (58, 60, [(58.0, 63.8); 6]),
            (90, 60, [(60.0, 66.0); 6]),
            (0, 60, [(0.0, 0.0); 6]),
        ] {
            let new = || Backoff::new(Duration::from_secs(reconnect), Duration::from_secs(max));
            let (mut shortest, mut longest) = (new(), new());
            for range in ranges {
                let drawn = (seconds(&mut shortest, 0.0), seconds(&mut longest, 0.999_999_999));
                assert_eq!(drawn, range, "reconnect {reconnect}, max {max}");
            }
            longest.reset();
            assert_eq!(seconds(&mut longest, 0.999_999_999), ranges[0].1);
        }
    }

    #[test]
    fn the_origins_time_is_where_every_range_begins() {
        let mut backoff = Backoff::new(Duration::from_secs(3), MAX);
        backoff.origin_says(Duration::from_secs(20));
        assert_eq!(seconds(&mut backoff, 0.0), 20.0);
        assert_eq!(seconds(&mut backoff, 0.999_999_999), 60.0);
        backoff.reset();
        assert_eq!(seconds(&mut backoff, 0.5), 30.0);
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
                // A float's worth of a nanosecond is lost in the multiplication.
                prop_assert!(wait <= max.max(backoff.base.mul_f64(SPREAD_MIN)) + Duration::from_micros(1));
                prop_assert!(wait >= backoff.base);
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
