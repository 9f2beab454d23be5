//! The name of a numbering, and the ids that it gives.

use super::position::Position;
use super::shared_numbering::{SharedNumbering, plain};

/// A name is 60 bits in 12 characters, without vowels (no words) and without a dot (it separates
/// the number).
const ALPHABET: &[u8; 32] = b"0123456789bcdfghjklmnpqrstvwxz_-";
const NAME_BYTES: usize = 12;

/// The name of one unbroken numbering: the first part of assigned ids.
#[derive(Debug, Clone)]
pub struct Epoch(Form);

/// How a numbering names its positions.
#[derive(Debug, Clone)]
enum Form {
    /// By its name, which stays, and the position's number.
    Own(String),
    /// As all processes that share the log do.
    Shared(SharedNumbering),
}

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
        let letter = |i| char::from(ALPHABET[(seed >> (5 * i)) as usize & 31]);
        Self::named((0..NAME_BYTES).map(letter).collect::<String>())
    }

    /// That of a log that several processes share.
    pub(crate) fn shared(numbering: SharedNumbering) -> Self {
        Self(Form::Shared(numbering))
    }

    /// The numbering, where several processes share the log.
    pub(crate) fn numbering(&self) -> Option<&SharedNumbering> {
        match &self.0 {
            Form::Own(_) => None,
            Form::Shared(numbering) => Some(numbering),
        }
    }

    /// Whether an id has the form of those that a numbering of the relay's gives, whichever it is.
    pub(crate) fn is_like_ours(id: &[u8]) -> bool {
        let Some(dot) = id.iter().position(|&byte| byte == b'.') else {
            return false;
        };
        let (name, numbers) = (&id[..dot], &id[dot + 1..]);
        let mut numbers = numbers.splitn(2, |&byte| byte == b'.');
        let are_numbers = numbers.all(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit));
        are_numbers && name.len() == NAME_BYTES && name.iter().all(|byte| ALPHABET.contains(byte))
    }

    /// A numbering that was begun elsewhere, or before.
    pub fn named(name: impl Into<String>) -> Self {
        Self(Form::Own(name.into()))
    }

    /// Its name; empty where several processes share the log, and the name may change.
    pub fn name(&self) -> &str {
        match &self.0 {
            Form::Own(name) => name,
            Form::Shared(_) => "",
        }
    }

    /// The id of the event at a position, and of the place after it. Empty: the log is shared, and not
    /// known yet.
    pub fn id(&self, position: Position) -> String {
        match &self.0 {
            Form::Own(name) => format!("{name}.{position}"),
            Form::Shared(numbering) => numbering.id(position),
        }
    }

    /// Where a position stands in a log that is shared, under the name that it has by now: the message, and
    /// the event's number in it.
    pub(crate) fn shared_place(&self, position: Position) -> Option<(String, u64, u32)> {
        match &self.0 {
            Form::Own(_) => None,
            Form::Shared(numbering) => numbering.place(position),
        }
    }

    /// The position that an id of this epoch names.
    pub fn position(&self, id: &[u8]) -> Option<Position> {
        match &self.0 {
            Form::Own(name) => plain(id.strip_prefix(name.as_bytes())?.strip_prefix(b".")?).map(Position::new),
            Form::Shared(numbering) => numbering.find(id),
        }
    }
}

impl Default for Epoch {
    fn default() -> Self {
        Self::new()
    }
}
