//! Timers of a shard's clients: one wheel, in which every client stands at least once.
//!
//! A client is looked at when its entry comes up, and put back where it has to be looked at next.
//! So a client that is written to all the time costs one look per heartbeat interval, not one timer
//! operation per write. An entry that is not the client's current one is skipped.

use super::clock::{TICK, Tick};
use super::keys::ClientRef;
use std::time::Duration;

/// Ticks per slot: clients due within it are looked at together.
const SLOT_TICKS: u64 = 4;
/// Slots of the wheel: 41 seconds; what lies farther away is looked at on the way and put back.
const SLOTS: u64 = 1024;
/// Slots whose state fits into one word.
const WORD_SLOTS: u64 = u64::BITS as u64;
const WORDS: usize = (SLOTS / WORD_SLOTS) as usize;

#[derive(Debug)]
pub(super) struct Wheel {
    slots: Vec<Vec<ClientRef>>,
    /// One bit for each slot: whether it has an entry. A shard asks for the next one before each
    /// sleep, and mostly one of a thousand is in use.
    occupied: [u64; WORDS],
    /// Every slot before this one has been emptied.
    turned_to: u64,
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            occupied: [0; WORDS],
            turned_to: 0,
        }
    }

    /// Enters a look `delay` after `now` (ticks since the shard's start), or as near to it as the
    /// wheel reaches, and says when that is.
    pub(super) fn enter(&mut self, client: ClientRef, now: u64, delay: Duration) -> Tick {
        let ticks = delay.as_nanos().div_ceil(TICK.as_nanos()) as u64;
        // Rounded up: never early by a part of a slot.
        let wanted = now.saturating_add(ticks).div_ceil(SLOT_TICKS);
        let slot = wanted.clamp(self.turned_to + 1, self.turned_to + SLOTS - 1);
        self.slots[(slot % SLOTS) as usize].push(client);
        let (word, bit) = place(slot);
        self.occupied[word] |= bit;
        Tick::at(slot * SLOT_TICKS)
    }

    /// Moves everything that is due by `now` into `out`.
    pub(super) fn turn(&mut self, now: u64, out: &mut Vec<ClientRef>) {
        while self.turned_to < now / SLOT_TICKS {
            self.turned_to += 1;
            out.append(&mut self.slots[(self.turned_to % SLOTS) as usize]);
            let (word, bit) = place(self.turned_to);
            self.occupied[word] &= !bit;
        }
    }

    /// Whether this client stands in the slot that comes up at this tick.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn holds(&self, client: ClientRef, at: Tick) -> bool {
        let slot = u64::from(at.0) / SLOT_TICKS % SLOTS;
        self.slots[slot as usize].contains(&client)
    }

    /// How long after `now` the next slot with an entry comes up.
    pub(super) fn next(&self, now: u64) -> Option<Duration> {
        let ticks = self.next_slot()? * SLOT_TICKS;
        Some(TICK * u32::try_from(ticks.saturating_sub(now)).unwrap_or(u32::MAX))
    }

    /// The first slot with an entry from the one after `turned_to` on, all round.
    fn next_slot(&self) -> Option<u64> {
        let from = self.turned_to + 1;
        let (first, bit) = place(from);
        // Of the first word the slots from this one on; it comes again at the end, for the others.
        let behind = self.occupied[first] & !(bit - 1);
        let words = (1..=WORDS).map(|ahead| (first + ahead) % WORDS);
        let found = std::iter::once((first, behind))
            .chain(words.map(|word| (word, self.occupied[word])))
            .find(|(_, bits)| *bits != 0);
        let (word, bits) = found?;
        let index = word as u64 * WORD_SLOTS + u64::from(bits.trailing_zeros());
        Some(from + (index + SLOTS - from % SLOTS) % SLOTS)
    }
}

/// The word of a slot's bit, and the bit.
fn place(slot: u64) -> (usize, u64) {
    let index = slot % SLOTS;
    ((index / WORD_SLOTS) as usize, 1 << (index % WORD_SLOTS))
}

#[cfg(test)]
mod tests {
    use super::super::keys::{ClientKey, Generation};
    use super::*;

    fn client(n: usize) -> ClientRef {
        ClientRef {
            key: ClientKey::new(n),
            generation: Generation::FIRST,
        }
    }

    #[test]
    fn everything_comes_up_once_and_never_early() {
        let mut wheel = Wheel::new();
        let mut wanted = Vec::new();
        for key in 0..5000u32 {
            let delay = TICK * (key.wrapping_mul(2_654_435_761) % 4000);
            let at = wheel.enter(client(key as usize), 0, delay);
            assert!(wheel.holds(client(key as usize), at));
            wanted.push((key, delay, at));
        }
        let mut seen = vec![0; 5000];
        for now in 0..6000u64 {
            let mut due = Vec::new();
            wheel.turn(now, &mut due);
            for key in due.into_iter().map(|client| client.key.index()) {
                let (_, delay, at) = wanted[key];
                let late = (TICK * now as u32).checked_sub(delay).expect("never early");
                assert!(
                    late < TICK * SLOT_TICKS as u32 * 2 && at == Tick::at(now),
                    "{key}: {at:?} at {now}"
                );
                seen[key] += 1;
            }
        }
        assert!(seen.iter().all(|&n| n == 1));
        assert_eq!(wheel.next(6000), None);
    }

    #[test]
    fn the_next_entry_is_known() {
        let mut wheel = Wheel::new();
        wheel.turn(100, &mut Vec::new());
        wheel.enter(client(1), 100, Duration::from_secs(1));
        assert_eq!(wheel.next(100), Some(Duration::from_secs(1)));
        assert_eq!(wheel.next(150), Some(Duration::from_millis(500)));
    }

    /// Slot by slot, as anyone would look.
    fn next_of_all(wheel: &Wheel) -> Option<u64> {
        (1..=SLOTS)
            .map(|ahead| wheel.turned_to + ahead)
            .find(|slot| !wheel.slots[(slot % SLOTS) as usize].is_empty())
    }

    proptest::proptest! {
        /// Entries at any distance, and turns of any length between them.
        #[test]
        fn the_next_slot_is_the_one_that_a_look_at_all_finds(
            steps in proptest::collection::vec((0u64..6_000, 0u32..6_000, 0usize..4), 0..60)
        ) {
            let (mut wheel, mut now) = (Wheel::new(), 0);
            for (passed, delay, entries) in steps {
                now += passed;
                wheel.turn(now, &mut Vec::new());
                for n in 0..entries {
                    wheel.enter(client(n), now, TICK * delay * n as u32);
                }
                proptest::prop_assert_eq!(wheel.next_slot(), next_of_all(&wheel));
            }
        }
    }
}
