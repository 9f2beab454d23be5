//! The name of a numbering, and the ids that it gives.

use super::position::Position;

/// A name is 60 bits in 12 characters, without vowels (no words) and without a dot (it separates
/// the number).
const ALPHABET: &[u8; 32] = b"0123456789bcdfghjklmnpqrstvwxz_-";
const NAME_BYTES: usize = 12;

/// The name of one unbroken numbering: the first part of assigned ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch(String);

impl Epoch {
    /// A new numbering: its name has not been used before, and holds no position of an older one.
    pub fn new() -> Self {
        let mut seed = [0u8; 8];
        // A failing random source leaves the clock: two processes within a nanosecond would have to
        // collide.
        if getrandom::fill(&mut seed).is_err() {
            let now = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or_default();
            seed = (now.as_nanos() as u64).to_le_bytes();
        }
        let seed = u64::from_le_bytes(seed);
        Self(
            (0..NAME_BYTES)
                .map(|i| char::from(ALPHABET[(seed >> (5 * i)) as usize & 31]))
                .collect(),
        )
    }

    /// Whether an id has the form of those that a numbering of the relay's gives, whichever it is.
    pub(crate) fn is_like_ours(id: &[u8]) -> bool {
        let Some(dot) = id.iter().position(|&byte| byte == b'.') else {
            return false;
        };
        let (name, number) = (&id[..dot], &id[dot + 1..]);
        let is_number = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
        is_number && name.len() == NAME_BYTES && name.iter().all(|byte| ALPHABET.contains(byte))
    }

    /// A numbering that was begun elsewhere, or before.
    pub fn named(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The id of the event at a position, and of the place after it.
    pub fn id(&self, position: Position) -> String {
        format!("{}.{position}", self.0)
    }

    /// The position that an id of this epoch names.
    pub fn position(&self, id: &[u8]) -> Option<Position> {
        let number = id.strip_prefix(self.0.as_bytes())?.strip_prefix(b".")?;
        // Only as we write them: no sign, no leading zero, so that an id has one form.
        let plain = number == b"0" || (number.first()? != &b'0' && number.iter().all(u8::is_ascii_digit));
        let number = plain.then(|| std::str::from_utf8(number).ok()?.parse().ok()).flatten();
        number.map(Position::new)
    }
}

impl Default for Epoch {
    fn default() -> Self {
        Self::new()
    }
}
