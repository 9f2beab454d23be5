//! A process in which nothing moves: nothing is accepted, read or written.

use crate::handover::{Link, LinkError};
use crate::relay::in_force::InForce;

/// While it is there nothing moves. Dropping it makes everything go on as if nothing had been.
pub(super) struct Frozen<'a> {
    in_force: &'a InForce,
    is_given: bool,
}

impl<'a> Frozen<'a> {
    /// Stops everything. Called on a thread that is none of a runtime's.
    pub(super) fn new(in_force: &'a InForce) -> Self {
        in_force.runtime.block_on(in_force.listeners.pause());
        Self {
            in_force,
            is_given: false,
        }
    }

    /// Gives all that can be given; how many clients that are.
    pub(super) fn give(&self, _link: &Link) -> Result<u64, LinkError> {
        Ok(0)
    }

    /// Clients that can't be given.
    pub(super) fn stay(&self) -> u64 {
        self.in_force.quotas.clients() as u64
    }

    /// It is another process's now. `listeners`: the places of those that it goes on with.
    pub(super) fn let_go(mut self, listeners: &[u32]) {
        self.is_given = true;
        let in_force = self.in_force;
        let is_taken = |place: usize| u32::try_from(place).is_ok_and(|place| listeners.contains(&place));
        in_force.quotas.announce_drain();
        in_force.listeners.handed_over(is_taken);
        if let Some(control) = &in_force.hand_over.control {
            control.handed_over();
        }
        in_force.stop_answering();
        if let Some(admin) = in_force.admin.get() {
            admin.close();
        }
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if !self.is_given {
            self.in_force.listeners.resume();
        }
    }
}
