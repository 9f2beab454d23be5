//! Where a client's stream starts: from its last event ID, or by the source's `start`.

use super::entry::EntryMeta;
use super::epoch::Epoch;
use super::index::comes_back_as;
use super::position::Cursor;
use super::ring::Log;
use super::search::Search;
use crate::config::Start;
use crate::metrics::GapReason;
use crate::sync::Ordering;
use bytes::Bytes;

/// A place in the log at which a stream starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumePoint {
    /// The first entry to be sent.
    pub next: Cursor,
    /// The id in force before it, where it is known; empty: none.
    pub id: Bytes,
    /// Why events may be missing before it.
    pub gap: Option<GapReason>,
}

/// Where a client without a last event ID starts, as it was when its request was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartPoint {
    /// With this entry, which may be still to come.
    At(Cursor),
    /// With the oldest entry that there is when the stream is written. The log had let some go
    /// before: where it begins is its own affair, and no gap.
    Oldest,
    /// The same, and the client has asked for what was before it: that is a gap.
    OldestOfMore,
    /// Where a client would start that comes when the log is known: it is not yet, as it is shared.
    Unopened,
}

/// How the events are numbered at this moment.
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
            // No id is in force. A place gets one of the relay's numbering only if the next event
            // does.
            (false, true) if self.assigning => self.epoch.id(meta.position).into(),
            (false, true) => Bytes::new(),
        }
    }
}

impl Log {
    /// The place after the event that a client names as its last.
    ///
    /// An id that several events share stands for the first of them. One that has changed on its
    /// way back (without the spaces around it, with U+FFFD for what is no UTF-8) stands for the id
    /// that it was, unless it is one itself. Where the log can't vouch for what follows, the place
    /// is the oldest entry, with the reason.
    pub fn resume(&self, last_event_id: &[u8], numbering: &Numbering<'_>) -> ResumePoint {
        if let Some(position) = numbering.epoch.position(last_event_id) {
            return match self.search(position) {
                Search::Found(cursor) => ResumePoint {
                    next: cursor.next(),
                    id: Bytes::copy_from_slice(last_event_id),
                    gap: None,
                },
                // What was given that number is not known any more. What came before it the client
                // has had.
                Search::Hole(before) => ResumePoint {
                    gap: Some(GapReason::UnknownId),
                    ..self.after(&before, numbering)
                },
                Search::Evicted => self.oldest(numbering, Some(GapReason::Evicted)),
                Search::NotYet => self.oldest(numbering, Some(GapReason::UnknownId)),
            };
        }
        if last_event_id.is_empty() {
            return self.oldest(numbering, Some(GapReason::UnknownId));
        }
        if let Some(entry) = self.find(last_event_id) {
            return if entry.first_with_id().next() >= self.tail() {
                ResumePoint {
                    next: entry.first_with_id().next(),
                    id: entry.id().clone(),
                    gap: None,
                }
            } else {
                self.oldest(numbering, Some(GapReason::Evicted))
            };
        }
        // No kept entry has it. A client that stands right before the oldest one has missed nothing
        // all the same.
        let last_evicted = self.last_evicted();
        match last_evicted.passed && comes_back_as(&last_evicted.id, last_event_id) {
            true if last_evicted.first_with_id == last_evicted.cursor => ResumePoint {
                next: last_evicted.cursor.next(),
                id: last_evicted.id,
                gap: None,
            },
            true => self.oldest(numbering, Some(GapReason::Evicted)),
            false if self.remembers(last_event_id) => self.oldest(numbering, Some(GapReason::Evicted)),
            false => self.oldest(numbering, Some(GapReason::UnknownId)),
        }
    }

    /// Where a client without a last event ID that comes now is to start.
    pub fn start(&self, start: Start) -> StartPoint {
        let behind_head = StartPoint::At(self.head().next());
        match start {
            Start::Live => behind_head,
            Start::Latest => match self.shared.newest_event.load(Ordering::Relaxed) {
                latest if latest != Cursor::START && latest >= self.tail() => StartPoint::At(latest),
                _ => behind_head,
            },
            Start::Earliest if self.tail() == Cursor::FIRST => StartPoint::At(Cursor::FIRST),
            Start::Earliest => StartPoint::Oldest,
        }
    }

    /// The place at which such a client's stream starts. What the log has let go since is a gap.
    pub fn begin(&self, start: StartPoint, numbering: &Numbering<'_>) -> ResumePoint {
        match start {
            StartPoint::Oldest | StartPoint::Unopened => self.oldest(numbering, None),
            StartPoint::OldestOfMore => self.oldest(numbering, Some(GapReason::Evicted)),
            StartPoint::At(next) => match self.meta(next.before()) {
                Some(before) => self.after(&before, numbering),
                None => self.oldest(numbering, Some(GapReason::Evicted)),
            },
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
        let next = meta.cursor.next();
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
