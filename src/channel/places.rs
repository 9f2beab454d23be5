//! Where in its log a channel's clients start, and the ids of places.

use super::channel::Channel;
use super::end::Cause;
use super::lineage::Lineage;
use crate::log::{Cursor, Entry, Position, Read, ResumePoint, StartPoint, WantedStart};
use bytes::Bytes;
use std::time::Instant;

impl Channel {
    /// Where a client without a last event ID starts that comes now: where it wants to, else by the
    /// source's `start`. Once the stream has ended there is no next event to start with: it gets at
    /// least the end.
    pub(super) fn start_point(&self, wanted: Option<WantedStart>) -> StartPoint {
        if let Some(whole) = self.lineage.whole() {
            return whole.start_point(wanted);
        }
        if let (Some(join), Some(wanted)) = (self.lineage.join(), wanted)
            && Self::lacks(join, wanted)
        {
            return StartPoint::OldestOfMore;
        }
        if !self.is_open() {
            return StartPoint::Unopened;
        }
        let wanted = wanted.unwrap_or_else(|| WantedStart::As(self.settings().load().start));
        let start = self.log().start_wanted(wanted, Instant::now());
        // The end after the place: it may come in between.
        let end = self.end().filter(|end| end.cause == Cause::Terminal);
        match (start, end) {
            (StartPoint::At(next), Some(end)) => StartPoint::At(next.min(end.last)),
            (start, _) => start,
        }
    }

    /// Where a client's stream starts: behind its last event ID, wherever that is by now, or where
    /// it was let in.
    pub fn place(&self, last_event_id: Option<&[u8]>, start: StartPoint) -> ResumePoint {
        if let Some(whole) = self.lineage.whole() {
            return self.place_by(whole, || whole.place(last_event_id, start));
        }
        match last_event_id {
            // 9.2.2: an empty last event ID is not sent; some libraries send it all the same.
            None | Some(b"") => {
                let start = match start {
                    StartPoint::Unopened => self.start_point(None),
                    start => start,
                };
                self.ids.begin(self.log(), start)
            }
            Some(id) => self.place_behind(id),
        }
    }

    /// The place behind an id that this channel's clients have had.
    pub(crate) fn place_behind(&self, id: &[u8]) -> ResumePoint {
        match &self.lineage {
            Lineage::Filtered(whole, _) => self.place_by(whole, || whole.place_behind(id)),
            Lineage::Joined(join) => self.joined_place(join, id).into(),
            Lineage::Upstreams => self.ids.resume(self.log(), id),
        }
    }

    /// The same as far as its own log says it, without a look at anything else.
    pub(super) fn place_in_log(&self, id: &[u8]) -> ResumePoint {
        match &self.lineage {
            Lineage::Joined(_) => self.ids.resume(self.log(), id),
            Lineage::Filtered(..) | Lineage::Upstreams => self.place_behind(id),
        }
    }

    /// An id that names a place in this channel's log exactly, whatever ids its events have.
    pub(crate) fn exact_id(&self, position: Position) -> Bytes {
        match &self.lineage {
            Lineage::Filtered(whole, _) => whole.exact_id(position),
            Lineage::Joined(join) => self.joined_id_behind(join, position).unwrap_or_default(),
            Lineage::Upstreams => self.ids.own(position),
        }
    }

    /// An id that names the place behind an entry: its own, if that is enough.
    pub(crate) fn id_behind(&self, entry: &Entry) -> Bytes {
        let Some(whole) = self.lineage.whole() else {
            // What the relay has numbered has a number also where it carries the id of another.
            let is_named = entry.is_passed() && entry.is_named_by_id();
            let exact = || Some(self.exact_id(entry.position)).filter(|id| !id.is_empty());
            return (!is_named).then(exact).flatten().unwrap_or_else(|| entry.id().clone());
        };
        let cursor = whole.log().cursor_of(entry.position);
        match cursor.map(|cursor| whole.log().read(cursor)) {
            Some(Read::Entry(same)) => whole.id_behind(&same),
            _ if whole.lineage.join().is_some() => entry.id().clone(),
            _ => self.exact_id(entry.position),
        }
    }

    /// The same for the place before an entry. `None`: the log has let it go meanwhile.
    pub(crate) fn exact_id_before(&self, cursor: Cursor) -> Option<Bytes> {
        if let Some(whole) = self.lineage.whole()
            && let Some(id) = self.exact_id_at_head(whole, cursor)
        {
            return Some(id);
        }
        if let Some(join) = self.lineage.join() {
            return self.joined_id_before(join, cursor);
        }
        Some(self.exact_id(self.log().position_before(cursor)?))
    }

    /// Whether the origin has reset the id that is in force before an entry: a client that goes on
    /// there after a gap has to be told, since what follows carries none.
    pub(crate) fn is_id_reset_before(&self, cursor: Cursor) -> bool {
        match self.lineage.whole() {
            Some(whole) => self.is_id_reset_in(whole, cursor),
            None => self.log().is_id_reset_before(cursor),
        }
    }
}
