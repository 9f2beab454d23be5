//! What the two processes say to each other, beside what the rooms below have to give.
//!
//! These are values of format 1, and never change: what a later format adds is a frame of its own.

use crate::source::Basis;
use serde::{Deserialize, Serialize};

/// The new process has all that it needs, but for what is given to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ready {
    /// The places of the listeners that it goes on with.
    pub(super) listeners: Vec<u32>,
    /// What its sources are made for.
    pub(super) sources: Vec<Basis>,
}

/// Nothing more comes: how much there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) channels: u64,
    pub(super) upstreams: u64,
    pub(super) clients: u64,
    /// Connections without a request.
    pub(super) unasked: u64,
}

/// From now on what was given is the new process's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Yours {
    /// Clients that stay with the old process, to be drained.
    pub(super) stay: u64,
}

/// What stayed with the old process has left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Left {
    /// In order.
    pub(super) drained: u64,
    /// Because they did not go in time.
    pub(super) cut: u64,
}

/// What a running process says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its process.
    pub process: u32,
    /// Its version.
    pub version: String,
    /// Upgrades that came to nothing while it ran.
    pub failed: u64,
    /// Why the last of them did; empty: there was none.
    pub last_failure: String,
}
