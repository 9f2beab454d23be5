//! How many readers have not got an event yet.
//!
//! A look at every client costs a cache miss for each, and the driver wants to know it many times a
//! second: so those that get it are counted down, and all are looked at only to begin with, to
//! confirm that none is left, and now and then, because clients come and go.

use super::Swarm;
use crate::clock::SECOND_NS;
use crate::swarm::client::{Client, Kind};

/// From one look at all clients to the next.
const LOOK_NS: u64 = 2 * SECOND_NS;

/// The event that is awaited, and by how many.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Behind {
    /// 0: none.
    pub(super) awaited: u64,
    count: u64,
    next_look_ns: u64,
}

impl Behind {
    /// Everyone's place is looked at first.
    pub(super) fn event(awaited: u64) -> Self {
        Self {
            awaited,
            ..Self::default()
        }
    }

    /// What is wanted has changed.
    pub(super) fn look_again(&mut self) {
        self.next_look_ns = 0;
    }

    /// A reader that had not got the event has it.
    pub(super) fn got(&mut self) {
        self.count = self.count.saturating_sub(1);
    }
}

impl Swarm {
    /// Readers that wait for the awaited event.
    pub(super) fn behind(&mut self, now: u64) -> u64 {
        if self.behind.awaited == 0 {
            return 0;
        }
        if self.behind.count == 0 || now >= self.behind.next_look_ns {
            let awaited = self.behind.awaited;
            let waits = |client: &&Client| {
                client.kind == Kind::Reader && (!self.held || client.is_live()) && client.tally.missing(awaited) > 0
            };
            self.behind.count = self.clients.iter().take(self.wanted).filter(waits).count() as u64;
            self.behind.next_look_ns = now + LOOK_NS;
        }
        self.behind.count
    }
}
