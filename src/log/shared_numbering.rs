//! The numbering of a log that several processes share: its engine counts messages, and a message may
//! hold several events.
//!
//! A position is the message's sequence and the event's number in it, in one integer, so that the
//! ring, its readers and its index see what they always see. Where the engine comes back with less
//! than it had, the numbering goes on under another name: an *era*. Positions grow over all of them,
//! and ids of an earlier era still lead to what the ring holds of it.

use super::position::Position;
use crate::sync::Swap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Events that share a message at the most, and one: their numbers fit into so many bits, which
/// leaves 54 for sequences.
const NUMBER_BITS: u32 = 10;
/// Events in a message at the most.
pub(crate) const EVENTS_PER_MESSAGE_MAX: usize = (1 << NUMBER_BITS) - 2;
/// The number of what stands behind all events of a message: a gap before the next one.
pub(crate) const BEHIND_ALL: u32 = (1 << NUMBER_BITS) - 1;
/// Earlier eras whose ids are known: the ring holds seldom more than one.
const ERAS_MAX: usize = 32;

/// The numbering; clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct SharedNumbering(Arc<Swap<Vec<Era>>>);

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Era {
    name: String,
    /// What is added to the sequences of it; nothing in the first one.
    base: u64,
    /// Where it begins, before that is added: what lies below is another era's of the same name.
    first: u64,
    /// Whether the numbers are of this process alone.
    is_own: bool,
}

impl Era {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl SharedNumbering {
    /// One whose first name is not known yet: it gives no ids.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Swap::empty()))
    }

    /// One that another process had, by its eras; the newest last.
    pub(crate) fn going_on(eras: &[Era]) -> Self {
        let numbering = Self::new();
        if !eras.is_empty() {
            numbering.0.update(|_| eras.to_vec());
        }
        numbering
    }

    /// Its eras; the newest last.
    pub(crate) fn eras(&self) -> Vec<Era> {
        self.0.load().map(|eras| eras.to_vec()).unwrap_or_default()
    }

    /// Whether this process numbers for itself by now, or the one before did.
    pub(crate) fn is_own(&self) -> bool {
        self.0
            .load()
            .is_some_and(|eras| eras.last().is_some_and(|era| era.is_own))
    }

    /// From now on this is its name. All positions from here on are above `newest`.
    pub(crate) fn begin(&self, name: &str, newest: Position) {
        self.begin_era(name, newest, 0, false);
    }

    /// From now on this process numbers for itself, under a name that no other gives.
    pub(crate) fn begin_own(&self, name: &str, newest: Position) {
        self.begin_era(name, newest, 0, true);
    }

    /// From now on this is its name again, or another one, from behind this message on.
    pub(crate) fn begin_behind(&self, name: &str, newest: Position, sequence: u64) {
        let first = (sequence << NUMBER_BITS) + u64::from(BEHIND_ALL);
        self.begin_era(name, newest, first, false);
    }

    fn begin_era(&self, name: &str, newest: Position, first: u64, is_own: bool) {
        let base = match newest {
            Position::START => 0,
            newest => ((newest.get() >> NUMBER_BITS) + 1) << NUMBER_BITS,
        };
        self.0.update(|eras| {
            let mut eras = eras.cloned().unwrap_or_default();
            if eras.len() == ERAS_MAX {
                eras.remove(0);
            }
            eras.push(Era {
                name: name.to_owned(),
                base,
                first,
                is_own,
            });
            eras
        });
    }

    /// Its name by now.
    pub(crate) fn name(&self) -> Option<String> {
        Some(self.0.load()?.last()?.name.clone())
    }

    /// The position of an event: its message's sequence, and its number in it, from 1 on; 0: it is
    /// alone.
    pub(crate) fn position(&self, sequence: u64, number: u32) -> Position {
        let base = self.0.load().and_then(|eras| Some(eras.last()?.base)).unwrap_or(0);
        Position::new(base + (sequence << NUMBER_BITS) + u64::from(number))
    }

    /// The name by now, and what a position stands for under it: the message's sequence, and the event's
    /// number in it. `None`: it is another name's, or of this process alone.
    pub(super) fn place(&self, position: Position) -> Option<(String, u64, u32)> {
        let eras = self.0.load()?;
        let era = eras.iter().rfind(|era| era.base <= position.get())?;
        let rest = position.get() - era.base;
        if era.is_own || era.name != eras.last()?.name {
            return None;
        }
        let number = rest & ((1 << NUMBER_BITS) - 1);
        Some((era.name.clone(), rest >> NUMBER_BITS, u32::try_from(number).ok()?))
    }

    /// The id of the event at a position, and of the place after it; empty: there is no name yet.
    pub(super) fn id(&self, position: Position) -> String {
        let eras = self.0.load().unwrap_or_default();
        let Some(era) = eras.iter().rfind(|era| era.base <= position.get()) else {
            return String::new();
        };
        let rest = position.get() - era.base;
        let (sequence, number) = (rest >> NUMBER_BITS, rest & ((1 << NUMBER_BITS) - 1));
        match number {
            0 => format!("{}.{sequence}", era.name),
            number => format!("{}.{sequence}.{number}", era.name),
        }
    }

    /// The position that an id names, of whichever era.
    pub(super) fn find(&self, id: &[u8]) -> Option<Position> {
        let eras = self.0.load()?;
        let of = |era: &Era| {
            let rest = id.strip_prefix(era.name.as_bytes())?.strip_prefix(b".")?;
            let (sequence, number) = match rest.iter().position(|&byte| byte == b'.') {
                None => (plain(rest)?, 0),
                Some(dot) => (
                    plain(&rest[..dot])?,
                    plain(&rest[dot + 1..]).filter(|&n| n > 0 && n >> NUMBER_BITS == 0)?,
                ),
            };
            let rest = sequence.checked_mul(1 << NUMBER_BITS)?.checked_add(number)?;
            (rest >= era.first).then(|| era.base.checked_add(rest)).flatten()
        };
        // What an era would have given beyond its end is another's place.
        let end = |at: usize| eras.get(at + 1).map_or(u64::MAX, |next| next.base);
        eras.iter()
            .enumerate()
            .rev()
            .find_map(|(at, era)| of(era).filter(|found| *found < end(at)))
            .map(Position::new)
    }
}

/// A number only as we write it: no sign, no leading zero, so that an id has one form.
pub(super) fn plain(digits: &[u8]) -> Option<u64> {
    let is_plain = digits == b"0" || (digits.first()? != &b'0' && digits.iter().all(u8::is_ascii_digit));
    is_plain
        .then(|| std::str::from_utf8(digits).ok()?.parse().ok())
        .flatten()
}

#[cfg(all(test, not(fanfare_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_has_one_form() {
        let numbering = SharedNumbering::new();
        assert_eq!(
            (numbering.id(Position::new(7 << 10)), numbering.name()),
            (String::new(), None)
        );
        numbering.begin("e", Position::START);
        for (sequence, number, id) in [
            (7, 0, "e.7"),
            (7, 1, "e.7.1"),
            (0, 0, "e.0"),
            (8, BEHIND_ALL, "e.8.1023"),
        ] {
            let position = numbering.position(sequence, number);
            assert_eq!(numbering.id(position), id);
            assert_eq!(numbering.find(id.as_bytes()), Some(position));
        }
        for none in [
            "",
            "e",
            "e.",
            "e.07",
            "e.7.",
            "e.7.0",
            "e.7.01",
            "e.7.1024",
            "e.7.1.1",
            "f.7",
            "e.-1",
            "e.18446744073709551615",
        ] {
            assert_eq!(numbering.find(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn an_era_begins_above_the_one_before() {
        let numbering = SharedNumbering::new();
        numbering.begin("a", Position::START);
        let last = numbering.position(100, 3);
        numbering.begin("b", last);
        let first = numbering.position(91, 0);
        assert!(first > last);
        assert_eq!(
            (numbering.id(last), numbering.id(first)),
            ("a.100.3".into(), "b.91".into())
        );
        assert_eq!(numbering.find(b"a.100.3"), Some(last));
        // It was never given: the place is another era's.
        assert_eq!(numbering.find(b"a.101"), None);
    }

    #[test]
    fn a_name_comes_back() {
        let numbering = SharedNumbering::new();
        numbering.begin("a", Position::START);
        let left = numbering.position(100, 0);
        numbering.begin_own("own", left);
        let own = numbering.position(3, 0);
        numbering.begin_behind("a", own, 149);
        let back = numbering.position(150, 0);
        assert!(left < own && own < numbering.position(149, BEHIND_ALL));
        assert_eq!(
            (numbering.id(own), numbering.id(back)),
            ("own.3".into(), "a.150".into())
        );
        for (id, position) in [
            ("a.100", Some(left)),
            ("own.3", Some(own)),
            ("a.150", Some(back)),
            ("a.120", None),
        ] {
            assert_eq!(numbering.find(id.as_bytes()), position, "{id}");
        }
        assert_eq!(numbering.place(left), Some(("a".to_owned(), 100, 0)));
        assert_eq!(numbering.place(own), None);
    }

    proptest! {
        #[test]
        fn ids_lead_back(sequence in 0u64..1 << 50, number in 0u32..1023, before in 0u64..1 << 50) {
            let numbering = SharedNumbering::new();
            numbering.begin("a", Position::START);
            numbering.begin("b", numbering.position(before, number));
            let position = numbering.position(sequence, number);
            prop_assert_eq!(numbering.find(numbering.id(position).as_bytes()), Some(position));
        }
    }
}
