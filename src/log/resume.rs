//! Where a client's stream starts: from its last event ID, or by the source's `start`.

use super::entry::EntryMeta;
use super::index::comes_back_as;
use super::ring::Log;
use crate::config::Start;
use crate::metrics::GapReason;
use crate::sync::Ordering;
use bytes::Bytes;

/// The name of one unbroken numbering: the first part of assigned ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch(String);

/// A place in the log at which a stream starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumePoint {
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
    /// The id of the place after an entry.
    fn id_after(&self, meta: &EntryMeta) -> Bytes {
        match (meta.passed, meta.id.is_empty()) {
            (true, _) => meta.id.clone(),
            // Exact also after what has no id of its own, as a gap event.
            (false, false) => self.epoch.id(meta.position).into(),
            // No id is in force. A place gets one of the relay's numbering only if the next event does.
            (false, true) if self.assigning => self.epoch.id(meta.position).into(),
            (false, true) => Bytes::new(),
        }
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
            let now = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or_default();
            seed = (now.as_nanos() as u64).to_le_bytes();
        }
        let seed = u64::from_le_bytes(seed);
        Self(
            (0..12)
                .map(|i| char::from(ALPHABET[(seed >> (5 * i)) as usize & 31]))
                .collect(),
        )
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
    /// An id that several events share stands for the first of them. One that has changed on its way back (without the spaces around it,
    /// with U+FFFD for what is no UTF-8) stands for the id that it was, unless it is one itself. Where the log can't vouch for what
    /// follows, the place is the oldest entry, with the reason.
    pub fn resume(&self, last_event_id: &[u8], numbering: &Numbering<'_>) -> ResumePoint {
        if let Some(position) = numbering.epoch.position(last_event_id) {
            // Head before tail: the tail only grows.
            let reached = position <= self.head();
            return match (reached, position + 1 >= self.tail()) {
                (true, true) => ResumePoint {
                    next: position + 1,
                    id: Bytes::copy_from_slice(last_event_id),
                    gap: None,
                },
                (true, false) => self.oldest(numbering, Some(GapReason::Evicted)),
                (false, _) => self.oldest(numbering, Some(GapReason::UnknownId)),
            };
        }
        if last_event_id.is_empty() {
            return self.oldest(numbering, Some(GapReason::UnknownId));
        }
        if let Some(entry) = self.find(last_event_id) {
            return if entry.first_with_id() + 1 >= self.tail() {
                ResumePoint {
                    next: entry.first_with_id() + 1,
                    id: entry.id().clone(),
                    gap: None,
                }
            } else {
                self.oldest(numbering, Some(GapReason::Evicted))
            };
        }
        // No kept entry has it. Whoever stands right before the oldest one has missed nothing all the same.
        let last_evicted = self.last_evicted();
        match last_evicted.passed && comes_back_as(&last_evicted.id, last_event_id) {
            true if last_evicted.first_with_id == last_evicted.position => ResumePoint {
                next: last_evicted.position + 1,
                id: last_evicted.id,
                gap: None,
            },
            true => self.oldest(numbering, Some(GapReason::Evicted)),
            false if self.remembers(last_event_id) => self.oldest(numbering, Some(GapReason::Evicted)),
            false => self.oldest(numbering, Some(GapReason::UnknownId)),
        }
    }

    /// The place for a client without a last event ID.
    pub fn start(&self, start: Start, numbering: &Numbering<'_>) -> ResumePoint {
        match start {
            Start::Live => self.after(&self.meta_of_head(), numbering),
            Start::Latest => {
                let latest = self.shared.newest_event.load(Ordering::Relaxed);
                let before = latest
                    .checked_sub(1)
                    .filter(|_| latest >= self.tail())
                    .and_then(|before| self.meta(before));
                self.after(&before.unwrap_or_else(|| self.meta_of_head()), numbering)
            }
            Start::Earliest => self.oldest(numbering, None),
        }
    }

    /// The place before the oldest entry.
    fn oldest(&self, numbering: &Numbering<'_>, gap: Option<GapReason>) -> ResumePoint {
        ResumePoint {
            gap,
            ..self.after(&self.last_evicted(), numbering)
        }
    }

    fn after(&self, meta: &EntryMeta, numbering: &Numbering<'_>) -> ResumePoint {
        let next = meta.position + 1;
        let mut id = numbering.id_after(meta);
        if id.is_empty()
            && !meta.passed
            && let Some(entry) = self.entry(next)
            && entry.is_assigned()
        {
            // Numbered by us, though the origin's ids are passed by now.
            id = numbering.epoch.id(meta.position).into();
        }
        ResumePoint { next, id, gap: None }
    }
}
