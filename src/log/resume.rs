//! Where a client's stream starts: from its last event ID, or by the source's `start`.

use super::ring::{Log, Read};
use crate::config::Start;
use crate::metrics::GapReason;
use bytes::Bytes;

/// The name of one unbroken numbering: the first part of assigned ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch(String);

/// A place in the log at which a stream starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The position of the first entry to be sent.
    pub next: u64,
    /// The id in force before it, where it is known; empty: none.
    pub id: Bytes,
    /// Why events may be missing before it.
    pub gap: Option<GapReason>,
}

/// Who numbers the events at this moment.
#[derive(Debug, Clone, Copy)]
pub struct Numbering<'a> {
    /// The relay's own numbering.
    pub epoch: &'a Epoch,
    /// Whether the next event will be given an id of it.
    pub assigning: bool,
}

impl Numbering<'_> {
    /// The id of the place at the head of a log in which no id is in force.
    fn id_at_head(&self, head: u64) -> Bytes {
        if self.assigning { self.epoch.id(head).into() } else { Bytes::new() }
    }
}

impl Epoch {
    /// A new numbering: its name has not been used before, and holds no position of an older one.
    pub fn new() -> Self {
        // 60 bits in 12 characters, without vowels (no words) and without a dot (it separates the number).
        const ALPHABET: &[u8; 32] = b"0123456789bcdfghjklmnpqrstvwxz_-";
        let mut seed = [0u8; 8];
        // A failing random source leaves the clock: two processes within a nanosecond would have to collide.
        if getrandom::fill(&mut seed).is_err() {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            seed = (now.as_nanos() as u64).to_le_bytes();
        }
        let seed = u64::from_le_bytes(seed);
        Self((0..12).map(|i| char::from(ALPHABET[(seed >> (5 * i)) as usize & 31])).collect())
    }

    /// The id of the event at a position; position 0 is the place before the first.
    pub fn id(&self, position: u64) -> String {
        format!("{}.{position}", self.0)
    }

    /// The position that an id of this epoch names.
    pub fn position(&self, id: &[u8]) -> Option<u64> {
        let number = id.strip_prefix(self.0.as_bytes())?.strip_prefix(b".")?;
        // Only as we write them: no sign, no leading zero, so that an id has one form.
        let plain = number == b"0" || (number.first()? != &b'0' && number.iter().all(u8::is_ascii_digit));
        plain.then(|| std::str::from_utf8(number).ok()?.parse().ok()).flatten()
    }
}

impl Default for Epoch {
    fn default() -> Self {
        Self::new()
    }
}

impl Log {
    /// The place after the event that a client names as its last.
    ///
    /// An id that several events share stands for the first of them. Where the log can't vouch for what follows, the place
    /// is the oldest entry, with the reason.
    pub fn resume(&self, last_event_id: &[u8], numbering: &Numbering<'_>) -> Place {
        let epoch = numbering.epoch;
        let id = Bytes::copy_from_slice(last_event_id);
        if let Some(position) = epoch.position(last_event_id) {
            // Head before tail: the tail only grows.
            let reached = position <= self.head();
            return match (reached, position + 1 >= self.tail()) {
                (true, true) => Place { next: position + 1, id, gap: None },
                (true, false) => self.oldest(numbering, Some(GapReason::Evicted)),
                (false, _) => self.oldest(numbering, Some(GapReason::UnknownId)),
            };
        }
        let found = self.find(last_event_id).or_else(|| self.run_across_the_tail(last_event_id));
        match found {
            Some(entry) if entry.first_with_id + 1 >= self.tail() => {
                Place { next: entry.first_with_id + 1, id, gap: None }
            }
            Some(_) => self.oldest(numbering, Some(GapReason::Evicted)),
            None => self.resume_at_forgotten_tip(id, numbering),
        }
    }

    /// The place for a client without a last event ID.
    pub fn start(&self, start: Start, numbering: &Numbering<'_>) -> Place {
        match start {
            Start::Live => {
                let (head, id) = self.tip();
                let id = if id.is_empty() { numbering.id_at_head(head) } else { id };
                Place { next: head + 1, id, gap: None }
            }
            Start::Latest => self.before(self.latest(), numbering),
            Start::Earliest => self.oldest(numbering, None),
        }
    }

    /// The place before the oldest entry.
    fn oldest(&self, numbering: &Numbering<'_>, gap: Option<GapReason>) -> Place {
        Place { gap, ..self.before(self.tail(), numbering) }
    }

    fn before(&self, next: u64, numbering: &Numbering<'_>) -> Place {
        let before = next - 1;
        let (head, last_id) = self.tip();
        let mut id = match self.read(before) {
            _ if before == head => last_id,
            Read::Entry(entry) => entry.id().clone(),
            Read::NotYet | Read::Gone => Bytes::new(),
        };
        if id.is_empty() {
            id = match self.read(next) {
                // An assigned id says by itself what the one before it was.
                Read::Entry(entry) if !entry.indexed() && !entry.id().is_empty() => numbering.epoch.id(before).into(),
                Read::Entry(_) | Read::Gone => Bytes::new(),
                Read::NotYet => numbering.id_at_head(before),
            };
        }
        Place { next, id, gap: None }
    }

    /// The newest entry that is an event; the place at the head if none is kept.
    fn latest(&self) -> u64 {
        let head = self.head();
        let oldest = self.tail();
        (oldest..=head)
            .rev()
            .find(|&position| {
                matches!(self.read(position), Read::Entry(entry)
                    if matches!(entry.kind(), super::Kind::Event | super::Kind::Terminal))
            })
            .unwrap_or(head + 1)
    }

    /// The oldest entry, if it carries an id on that an entry behind the tail introduced.
    fn run_across_the_tail(&self, id: &[u8]) -> Option<std::sync::Arc<super::Entry>> {
        match self.read(self.tail()) {
            Read::Entry(entry) if entry.indexed() && entry.id() == id => Some(entry),
            _ => None,
        }
    }

    /// A log that has let everything go by age still knows the last id: who has it has missed nothing.
    fn resume_at_forgotten_tip(&self, id: Bytes, numbering: &Numbering<'_>) -> Place {
        let (head, last) = self.tip();
        if head > 0 && last == id && self.tail() > head {
            return Place { next: head + 1, id, gap: None };
        }
        self.oldest(numbering, Some(GapReason::UnknownId))
    }
}
