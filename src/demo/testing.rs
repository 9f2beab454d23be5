//! An origin's inside, for tests.

use super::changelog::Changelog;
use super::pulse::Pulse;
use super::site::Site;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::{Semaphore, watch};

/// One that publishes nothing by itself.
pub(super) fn site() -> Arc<Site> {
    Arc::new(Site {
        changelog: Arc::new(Changelog::new()),
        pulse: Arc::new(Pulse::new()),
        addr: ([127, 0, 0, 1], 1).into(),
        started: SystemTime::now(),
        streams: Arc::new(Semaphore::new(super::STREAMS_MAX)),
        publish_every: None,
        life: watch::Sender::new(true),
    })
}
