//! From times of this process to times that mean the same in another one.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    instant: Instant,
    millis: u64,
}

impl Clock {
    pub(super) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            instant: Instant::now(),
            millis: millis(since),
        }
    }

    /// In milliseconds since the epoch.
    pub(super) fn millis(self, instant: Instant) -> u64 {
        self.millis
            .saturating_sub(millis(self.instant.saturating_duration_since(instant)))
    }

    /// The time of this process. What was written by a clock that was ahead is now.
    pub(super) fn instant(self, since_epoch: u64) -> Instant {
        let ago = Duration::from_millis(self.millis.saturating_sub(since_epoch));
        self.instant.checked_sub(ago).unwrap_or(self.instant)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
