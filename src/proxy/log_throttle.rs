//! A throttle for warnings that any request can cause: one per minute, so that the log stays
//! readable.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The same warning is logged again after this time.
const INTERVAL: Duration = Duration::from_secs(60);

/// The throttle of one kind of warning.
#[derive(Debug, Default)]
pub(super) struct LogThrottle {
    last: Mutex<Option<Instant>>,
}

impl LogThrottle {
    /// Whether the warning may be logged now; if so, the interval begins again.
    pub(super) fn is_due(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|at| at.elapsed() >= INTERVAL);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}
