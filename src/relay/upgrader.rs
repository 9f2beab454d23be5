//! What starts a process that takes over, as it sees the relay.

use super::in_force::InForce;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

/// Looks after upgrades of a relay, from outside. It keeps nothing of the relay running.
#[derive(Clone)]
pub struct Upgrader(Weak<InForce>);

impl Upgrader {
    pub(super) fn new(in_force: &Arc<InForce>) -> Self {
        Self(Arc::downgrade(in_force))
    }

    /// Where another process takes over; `None`: nowhere, or the relay is gone.
    pub fn socket(&self) -> Option<PathBuf> {
        self.0.upgrade()?.config().handover.clone()
    }

    /// How many upgrades have come to nothing.
    pub fn failures(&self) -> u64 {
        self.0.upgrade().map_or(0, |in_force| in_force.hand_over.failures())
    }

    /// Says that an upgrade came to nothing, and why: for the log, the metrics and `/status`.
    pub fn failed(&self, why: String) {
        if let Some(in_force) = self.0.upgrade() {
            in_force.hand_over.failed(why);
        }
    }

    /// Whether another process has taken over, or the relay is gone.
    pub fn is_over(&self) -> bool {
        self.0.upgrade().is_none_or(|in_force| in_force.hand_over.is_done())
    }
}
