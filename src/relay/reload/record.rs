//! What is known of the last reload: for the log, the metrics, `/status` and the dashboard.

use crate::metrics::{Metrics, ReloadOutcome};
use crate::status::ReloadStatus;
use crate::timestamp::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// The last reload, and what of the file is not in force.
pub(crate) struct Record {
    metrics: Arc<Metrics>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    last: Option<ReloadStatus>,
    not_in_force: Vec<&'static str>,
}

impl Record {
    pub(crate) fn new(metrics: &Arc<Metrics>) -> Self {
        Self {
            metrics: metrics.clone(),
            known: Mutex::default(),
        }
    }

    /// A reload came to this. `said`: what it was about, line by line; holds no secret.
    pub(crate) fn add(&self, outcome: ReloadOutcome, said: Vec<String>) {
        self.metrics.reloaded(outcome);
        self.known().last = Some(ReloadStatus {
            at: Timestamp(SystemTime::now()),
            outcome: outcome.label(),
            said,
        });
    }

    pub(crate) fn set_not_in_force(&self, keys: Vec<&'static str>) {
        self.known().not_in_force = keys;
    }

    /// The last reload, if there was one.
    pub(crate) fn last(&self) -> Option<ReloadStatus> {
        self.known().last.clone()
    }

    /// Keys of the file that can't change while the process runs, and say something else by now.
    pub(crate) fn not_in_force(&self) -> Vec<&'static str> {
        self.known().not_in_force.clone()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
