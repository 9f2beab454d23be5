//! What the requests to the demo's origin share.

use super::changelog::Changelog;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;

/// What the requests share.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) changelog: Arc<Changelog>,
    pub(super) addr: SocketAddr,
    pub(super) started: SystemTime,
    pub(super) streams: Arc<Semaphore>,
    /// The stream that the page follows, once it is known.
    pub(super) relayed_stream: OnceLock<String>,
    pub(super) publish_every: Option<RangeInclusive<Duration>>,
}
