//! What the requests to the demo's origin share.

use super::changelog::Changelog;
use super::pulse::Pulse;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{Semaphore, watch};

/// What the requests share.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) changelog: Arc<Changelog>,
    pub(super) pulse: Arc<Pulse>,
    /// Where the page is.
    pub(super) addr: SocketAddr,
    pub(super) started: SystemTime,
    pub(super) streams: Arc<Semaphore>,
    pub(super) publish_every: Option<RangeInclusive<Duration>>,
    /// Whether the origin is alive: streams end when it isn't.
    pub(super) life: watch::Sender<bool>,
}

impl Site {
    /// Whether the origin is alive.
    pub(super) fn lives(&self) -> bool {
        *self.life.borrow()
    }
}
