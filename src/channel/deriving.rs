//! What a derived channel is to what computes it, and what that needs of its parent.

use super::end::End;
use super::settings::Settings;
use crate::log::{Entry, Kind, Log, Position};
use crate::metrics::SourceMetrics;
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Clients are told anew where they stand after this part of the log has passed them by.
const PART_OF_LOG: u32 = 4;

/// A channel that is computed from another.
pub(super) trait Derived {
    /// Appends what is to be had of an entry of the parent, at its position.
    fn append(&self, entry: &Entry, frame: Bytes, kind: Kind);
    /// Appends a gap event, behind a position.
    fn append_gap(&self, behind: Position, frame: Bytes);
    /// The parent's stream has ended without a terminal event; `None`: it goes on again.
    fn follow_end(&self, end: Option<&End>);
    /// Wakes the followers: there is news.
    fn published(&self);
    /// Wakes the followers: something else has changed.
    fn changed(&self);
    /// Since when there has been no client; `None` while there is one.
    fn idle_since(&self) -> Option<Instant>;
    /// Whether its followers are so far behind that the upstreams wait for them.
    fn outruns(&self) -> bool;
    /// Lets go of what is too old, and of what the parent has let go: up to this position.
    fn trim(&self, oldest: Option<Position>, now: Instant);
}

/// A channel, as far as others are computed from it.
pub(super) struct Parent<'a> {
    pub(super) name: &'a str,
    pub(super) log: &'a Log,
    pub(super) settings: &'a Settings,
    pub(super) metrics: &'a SourceMetrics,
    pub(super) end: Option<Arc<End>>,
}

/// After how much clients are told anew where they stand.
pub(super) struct Due {
    pub(super) events: u64,
    pub(super) bytes: u64,
    pub(super) age: Duration,
}

impl Parent<'_> {
    pub(super) fn due(&self) -> Due {
        let limits = self.settings.load().log.limits();
        Due {
            events: (limits.events as u64 / u64::from(PART_OF_LOG)).max(1),
            bytes: limits.bytes / u64::from(PART_OF_LOG),
            age: limits.age / PART_OF_LOG,
        }
    }
}
