//! Warnings about what can happen with every request: one in a while, so that the log stays readable.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The same warning comes again after this time.
const EVERY: Duration = Duration::from_secs(60);

/// One kind of warning.
#[derive(Debug, Default)]
pub(super) struct Seldom {
    said: Mutex<Option<Instant>>,
}

impl Seldom {
    /// Whether it is to be said now.
    pub(super) fn now(&self) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let due = said.is_none_or(|at| at.elapsed() >= EVERY);
        if due {
            *said = Some(Instant::now());
        }
        due
    }
}
