//! Whose ids a channel's clients see, and where an id that comes back leads.

use crate::config;
use crate::log::{Epoch, Log, Numbering, Position, ResumePoint, StartPoint};
use crate::metrics::GapReason;
use crate::sync::{AtomicBool, Ordering};
use bytes::Bytes;

/// A longer id is not given to clients: no request could bring it back, since servers bound a
/// request's head, and each block that inherits it would repeat it.
const ID_BYTES_MAX: usize = 1024;

/// Whose ids clients see. The mode is fixed for the channel's life.
pub(super) struct Ids {
    epoch: Epoch,
    mode: config::Ids,
    /// Whether the origin's own ids are passed on; never goes back.
    passing: AtomicBool,
}

/// The id in force at an upstream, as far as clients get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IdInForce {
    /// This one. Empty: none, or reset.
    Id(Bytes),
    /// One over [`ID_BYTES_MAX`]: what is under it goes out without an id, and leaves clients the
    /// one before. The origin is asked with it all the same.
    TooLong(Bytes),
}

/// Where an upstream stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct AtUpstream<'a> {
    /// Which, in the order of the configuration.
    pub(super) upstream: u32,
    /// The id in force there.
    pub(super) id: &'a IdInForce,
}

/// The same, kept.
pub(super) struct WasAtUpstream {
    upstream: u32,
    id: IdInForce,
}

impl AtUpstream<'_> {
    pub(super) fn to_owned(self) -> WasAtUpstream {
        WasAtUpstream {
            upstream: self.upstream,
            id: self.id.clone(),
        }
    }
}

impl WasAtUpstream {
    pub(super) fn get(&self) -> AtUpstream<'_> {
        AtUpstream {
            upstream: self.upstream,
            id: &self.id,
        }
    }
}

impl Ids {
    /// The ids of a channel with so many upstreams.
    pub(super) fn new(epoch: Epoch, wanted: config::Ids, upstreams: usize) -> Self {
        // Ids of several origins say nothing about each other: only a numbering of our own names a
        // place in all of them.
        let mode = match (wanted, upstreams) {
            (config::Ids::Auto, 2..) => config::Ids::Assign,
            (mode, _) => mode,
        };
        Self {
            epoch,
            mode,
            passing: AtomicBool::new(mode == config::Ids::Pass),
        }
    }

    /// The same where this is known already. `passed`: whether the origin's ids were.
    pub(super) fn going_on(epoch: Epoch, wanted: config::Ids, upstreams: usize, passed: bool) -> Self {
        let ids = Self::new(epoch, wanted, upstreams);
        if passed && ids.mode == config::Ids::Auto {
            ids.passing.store(true, Ordering::Release);
        }
        ids
    }

    /// The numbering's name.
    pub(super) fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// Whether the origin's own ids are passed on.
    pub(super) fn are_passed(&self) -> bool {
        self.passing.load(Ordering::Acquire)
    }

    /// The origin has sent this id. One of which clients can have no id at all is numbered by the
    /// relay.
    pub(super) fn seen(&self, id: &IdInForce) {
        let is_id = matches!(id, IdInForce::Id(id) if !id.is_empty());
        if self.mode == config::Ids::Auto && is_id && !self.passing.load(Ordering::Relaxed) {
            self.passing.store(true, Ordering::Release);
        }
    }

    /// The relay's own id of an entry, and of the place after it: exact, whatever ids the events
    /// have.
    pub(super) fn own(&self, position: Position) -> Bytes {
        self.epoch.id(position).into()
    }

    /// From now on the origin's own ids are passed on, as they were before a restart.
    pub(super) fn go_on_passing(&self) {
        if self.mode == config::Ids::Auto {
            self.passing.store(true, Ordering::Release);
        }
    }

    /// Whether an id is the relay's own of this position.
    pub(super) fn is_own(&self, id: &[u8], position: Position) -> bool {
        self.epoch.position(id) == Some(position)
    }

    /// The place behind an id that came back.
    pub(super) fn resume(&self, log: &Log, id: &[u8]) -> ResumePoint {
        let numbering = self.numbering();
        let place = log.resume(id, &numbering);
        match (place.gap, from_latin1(id)) {
            (Some(GapReason::UnknownId), Some(utf8)) => log.resume(utf8.as_bytes(), &numbering),
            _ => place,
        }
    }

    /// The place of a client without an id.
    pub(super) fn begin(&self, log: &Log, start: StartPoint) -> ResumePoint {
        log.begin(start, &self.numbering())
    }

    fn numbering(&self) -> Numbering<'_> {
        Numbering {
            epoch: &self.epoch,
            assigning: !self.are_passed(),
        }
    }
}

impl IdInForce {
    /// The id to ask the origin with; empty: none.
    pub(super) fn bytes(&self) -> &Bytes {
        match self {
            Self::Id(id) | Self::TooLong(id) => id,
        }
    }

    /// Before the first.
    pub(super) fn none() -> Self {
        Self::Id(Bytes::new())
    }

    /// Follows the stream: this id comes into force. It is copied only if it is another.
    pub(super) fn follow(&mut self, id: &[u8]) {
        match self {
            Self::Id(same) | Self::TooLong(same) if *same == id => {}
            _ if id.len() > ID_BYTES_MAX => *self = Self::TooLong(Bytes::copy_from_slice(id)),
            _ => *self = Self::Id(Bytes::copy_from_slice(id)),
        }
    }
}

/// An id as a client meant it that writes headers in Latin-1, as libraries on top of `fetch` do;
/// `None`: it may be what it seems.
fn from_latin1(id: &[u8]) -> Option<String> {
    let is_utf8 = std::str::from_utf8(id).is_ok();
    (!is_utf8).then(|| id.iter().copied().map(char::from).collect())
}
