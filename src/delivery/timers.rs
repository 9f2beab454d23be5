//! When a shard's clients have to be looked at.

use super::clock::Tick;
use super::keys::ClientRef;
use super::wheel::Wheel;
use std::collections::VecDeque;
use std::time::Duration;

/// The wheel, and what has come up in it and waits for its look: a turn of the shard makes only
/// some.
#[derive(Debug)]
pub(super) struct Timers {
    wheel: Wheel,
    due: VecDeque<ClientRef>,
    /// Empty but within a turn of the wheel; kept for its memory.
    scratch: Vec<ClientRef>,
}

impl Timers {
    pub(super) fn new() -> Self {
        Self {
            wheel: Wheel::new(),
            due: VecDeque::new(),
            scratch: Vec::new(),
        }
    }

    /// Enters a look `delay` after `now` (ticks since the shard's start), or as near to it as the
    /// wheel reaches, and says when that is.
    pub(super) fn enter(&mut self, client: ClientRef, now: u64, delay: Duration) -> Tick {
        self.wheel.enter(client, now, delay)
    }

    /// Takes note of what is due by `now`.
    pub(super) fn turn(&mut self, now: u64) {
        self.wheel.turn(now, &mut self.scratch);
        self.due.extend(self.scratch.drain(..));
    }

    /// The next one whose look is due. It may be gone, or have been entered anew for later.
    pub(super) fn next_due(&mut self) -> Option<ClientRef> {
        self.due.pop_front()
    }

    pub(super) fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// How long after `now` the next look comes up that is not due yet.
    pub(super) fn until_next(&self, now: u64) -> Option<Duration> {
        self.wheel.next(now)
    }

    /// Whether a look at this client is due, or comes up at this tick.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn holds(&self, client: ClientRef, at: Tick) -> bool {
        self.wheel.holds(client, at) || self.due.contains(&client)
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::TICK;
    use super::super::keys::{ClientKey, Generation};
    use super::*;

    #[test]
    fn what_is_entered_is_held_until_its_look() {
        let mut timers = Timers::new();
        let generation = Generation::FIRST;
        let clients: Vec<_> = (0..5)
            .map(|n| ClientRef {
                key: ClientKey::new(n),
                generation,
            })
            .collect();
        let at: Vec<_> = (clients.iter().zip(1..))
            .map(|(&client, n)| timers.enter(client, 0, TICK * 100 * n))
            .collect();
        assert!(!timers.has_due() && timers.until_next(0) == Some(TICK * 100));
        timers.turn(200);
        for (&client, &at) in clients.iter().zip(&at) {
            assert!(timers.holds(client, at), "in the wheel, or due");
        }
        assert!(timers.has_due());
        assert_eq!(
            [timers.next_due(), timers.next_due()],
            [Some(clients[0]), Some(clients[1])]
        );
        assert!(timers.next_due().is_none() && !timers.holds(clients[0], at[0]));
        let later = ClientRef {
            generation: generation.next(),
            ..clients[2]
        };
        assert!(!timers.holds(later, at[2]), "another client under the same key");
    }
}
