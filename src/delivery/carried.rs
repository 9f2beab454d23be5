//! A client as plain data, for a successor process that goes on with it. Its socket travels beside
//! it.
//!
//! Cursors are the same in both processes, since the log goes over with them. Times are counted from
//! the moment at which the client is given.

use super::slow_client::SlowState;
use super::{client::AfterRest, clock::Tick};
use crate::metrics::CloseReason;
use crate::quotas::{Grant, User};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

/// A client, but for its socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedClient {
    /// The place of its channel among those that were given.
    pub(super) channel: u32,
    pub(super) is_http10: bool,
    pub(super) is_chunked: bool,
    /// The first entry of the log that has not been begun.
    pub(super) next: u64,
    pub(super) rest: CarriedRest,
    pub(super) after_rest: CarriedAfterRest,
    pub(super) state: CarriedState,
    /// Whether it has been at the head, and told so.
    pub(super) has_caught_up: bool,
    pub(super) slow_state: CarriedSlowState,
    /// Since a byte of its was last taken, or it began to wait.
    pub(super) active_ms: u64,
    /// Since its stream began.
    pub(super) opened_ms: u64,
    /// When its stream has to end, and why.
    pub(super) leaves: Option<CarriedLeave>,
    pub(super) peer: SocketAddr,
    pub(super) grant: Option<CarriedGrant>,
    /// Of a compressed one, the checksum and the size of what it was given before `rest`'s end. It
    /// is in no history there.
    pub(super) gzip: Option<(u32, u32)>,
}

/// What has to go out before the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum CarriedRest {
    Nothing,
    /// So many bytes at the end of the entry before `next`.
    OfEntry(u64),
    /// Bytes that the log does not have.
    Own(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum CarriedAfterRest {
    Log,
    Skip,
    Farewell,
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum CarriedState {
    Live,
    Replaying,
    Blocked,
    /// It is ending, for the reason with which it leaves.
    Closing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum CarriedSlowState {
    Behind(u32),
    /// The upstream has stood still for it for so long.
    Holding {
        for_ms: u64,
    },
    CatchingUp {
        nearest: u32,
        looks: u8,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CarriedLeave {
    /// As the label of the metric says it.
    reason: String,
    pub(super) in_ms: u64,
}

/// What let it in. `User::kind` is one of a few words.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CarriedGrant {
    basis: [u8; 32],
    user: Option<(String, String)>,
    /// Since the epoch of Unix: this is a time of day, the same for both processes.
    expires: Option<Duration>,
}

/// Says nothing of what a client was let in by.
impl std::fmt::Debug for CarriedGrant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CarriedGrant").finish_non_exhaustive()
    }
}

impl CarriedLeave {
    pub(super) fn new(reason: CloseReason, after: Duration) -> Self {
        Self {
            reason: reason.label().to_owned(),
            in_ms: millis(after),
        }
    }

    /// `None`: there is no such reason here.
    pub(super) fn reason(&self) -> Option<CloseReason> {
        CloseReason::ALL
            .into_iter()
            .find(|reason| reason.label() == self.reason)
    }
}

impl CarriedGrant {
    pub(super) fn of(grant: &Grant) -> Self {
        let user = grant.user.as_ref();
        let since = |expires: SystemTime| expires.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            basis: grant.basis,
            user: user.map(|user| (user.kind.to_owned(), user.name.to_string())),
            expires: grant.expires.map(since),
        }
    }

    /// `None`: no process has written it so.
    pub(super) fn taken(&self) -> Option<Grant> {
        let user = match &self.user {
            None => None,
            Some((kind, name)) => Some(User {
                kind: User::KINDS.into_iter().find(|known| known == kind)?,
                name: name.as_str().into(),
            }),
        };
        let at = |since| SystemTime::UNIX_EPOCH.checked_add(since);
        let expires = match self.expires {
            None => None,
            Some(since) => Some(at(since)?),
        };
        Some(Grant {
            basis: self.basis,
            user,
            expires,
            further: Vec::new(),
        })
    }
}

impl CarriedSlowState {
    pub(super) fn of(state: SlowState, now: Tick) -> Self {
        match state {
            SlowState::Behind(bytes) => Self::Behind(bytes),
            SlowState::CatchingUp { nearest, looks } => Self::CatchingUp { nearest, looks },
            SlowState::Holding { since } => Self::Holding {
                for_ms: millis(now.since(since)),
            },
        }
    }

    pub(super) fn taken(self, now: Tick) -> SlowState {
        match self {
            Self::Behind(bytes) => SlowState::Behind(bytes),
            Self::CatchingUp { nearest, looks } => SlowState::CatchingUp { nearest, looks },
            Self::Holding { for_ms } => SlowState::Holding {
                since: now.minus(Duration::from_millis(for_ms)),
            },
        }
    }
}

impl From<AfterRest> for CarriedAfterRest {
    fn from(after: AfterRest) -> Self {
        match after {
            AfterRest::Log => Self::Log,
            AfterRest::Skip => Self::Skip,
            AfterRest::Farewell => Self::Farewell,
            AfterRest::Nothing => Self::Nothing,
        }
    }
}

impl From<CarriedAfterRest> for AfterRest {
    fn from(after: CarriedAfterRest) -> Self {
        match after {
            CarriedAfterRest::Log => Self::Log,
            CarriedAfterRest::Skip => Self::Skip,
            CarriedAfterRest::Farewell => Self::Farewell,
            CarriedAfterRest::Nothing => Self::Nothing,
        }
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
