//! The writing side of a channel: one at a time, what its upstreams yield becomes entries of the
//! log.

use super::coalesce::CoalesceBuffer;
use super::end::{Cause, Ending};
use super::ids::{AtUpstream, IdInForce, Ids, WasAtUpstream};
use crate::config::LogLimits;
use crate::event_stream::Event;
use crate::log::{Cursor, Draft, Kind, Moves, Position, Reserved, Tip, Writer, frame};
use crate::metrics::SourceMetrics;
use bytes::Bytes;
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// What the writing side remembers.
pub(super) struct WriterState {
    writer: Writer,
    /// Events that wait for others like them.
    pub(super) held: CoalesceBuffer<WasAtUpstream>,
    /// The id in force, as clients see it; empty: none.
    id: Bytes,
    /// Whether `id` came from the origin.
    id_is_passed: bool,
    /// Up to where numbers may be given, if the log is kept on disk.
    reserved: Option<Arc<Reserved>>,
    /// Whether an upstream has an id to go on behind: before that there is none to be kept.
    pub(super) has_places: bool,
    gauged_events: f64,
    gauged_bytes: f64,
}

impl WriterState {
    pub(super) fn new(writer: Writer) -> Self {
        Self {
            writer,
            held: CoalesceBuffer::default(),
            id: Bytes::new(),
            id_is_passed: false,
            reserved: None,
            has_places: false,
            gauged_events: 0.0,
            gauged_bytes: 0.0,
        }
    }

    /// Goes on with a log, and the id that was in force.
    pub(super) fn going_on(writer: Writer, id: Bytes, id_is_passed: bool) -> Self {
        Self {
            id,
            id_is_passed,
            ..Self::new(writer)
        }
    }

    /// The id in force, as clients see it, and whether it came from the origin.
    pub(super) fn id(&self) -> (&Bytes, bool) {
        (&self.id, self.id_is_passed)
    }

    /// Writes the log for a successor.
    pub(super) fn give(&self, out: impl io::Write) -> io::Result<()> {
        self.writer.give(out, Instant::now())
    }

    /// Bounds the log anew, and lets go what is too old.
    pub(super) fn trim(&mut self, limits: LogLimits, now: Instant) {
        self.writer.limit(limits);
        self.writer.trim(now);
    }

    /// Lets everything go.
    pub(super) fn clear(&mut self) {
        self.writer.clear();
    }

    /// Gauges are summed over the channels of a source: each moves them by its own difference.
    pub(super) fn gauge(&mut self, events: f64, bytes: f64, metrics: &SourceMetrics) {
        if (self.gauged_events, self.gauged_bytes) == (events, bytes) {
            return;
        }
        metrics.log_events.increment(events - self.gauged_events);
        metrics.log_bytes.increment(bytes - self.gauged_bytes);
        (self.gauged_events, self.gauged_bytes) = (events, bytes);
    }

    /// Publishes what is held and due by `now`. Returns whether there was anything.
    pub(super) fn release_due(&mut self, ids: &Ids, limits: LogLimits, now: Instant) -> bool {
        let mut any = false;
        while let Some(held) = self.held.pop_due(limits, now) {
            self.publish(ids, &held.event.get(), held.place.get(), now);
            any = true;
        }
        any
    }

    /// Publishes all that is held.
    pub(super) fn release(&mut self, ids: &Ids, now: Instant) {
        while let Some(held) = self.held.pop() {
            self.publish(ids, &held.event.get(), held.place.get(), now);
        }
    }

    /// Publishes an event of an upstream.
    pub(super) fn publish(&mut self, ids: &Ids, event: &Event<'_>, at: AtUpstream<'_>, received: Instant) {
        self.keep_to_what_is_reserved();
        // A block that only moves the id is not what `start: latest` means.
        let kind = match event.dispatches() {
            true => Kind::Event,
            false => Kind::NonEvent,
        };
        if let Some(frame) = self.frame(ids, event, at.id) {
            let moves = self.moves(at);
            self.put(frame, kind, received, moves);
        }
    }

    /// Publishes the stream's last event.
    pub(super) fn publish_last(
        &mut self,
        ids: &Ids,
        ending: &Ending,
        event: &Event<'_>,
        at: AtUpstream<'_>,
        received: Instant,
    ) {
        self.keep_to_what_is_reserved();
        let Some(frame) = self.frame(ids, event, at.id) else {
            debug_assert!(false, "it dispatches an event");
            return;
        };
        // Before the event: a shard that sees it has to see what it is.
        let last = self.next_tip(self.id.clone());
        ending.set_at(Cause::Terminal, last, received);
        let moves = self.moves(at);
        self.put(frame, Kind::Terminal, received, moves);
    }

    /// An id that was among what the origin sent, but is written nowhere: what follows inherits it.
    pub(super) fn id_moved(&mut self, ids: &Ids, id: &IdInForce) {
        if ids.are_passed()
            && let IdInForce::Id(id) = id
        {
            self.id = id.clone();
            self.id_is_passed = true;
        }
    }

    /// Whether the ids that clients have are the origin's, and none is in force.
    pub(super) fn has_no_id(&self, ids: &Ids) -> bool {
        ids.are_passed() && self.id.is_empty()
    }

    /// Appends what is no event of the origin.
    pub(super) fn append(&mut self, frame: Bytes, kind: Kind, received: Instant) {
        self.keep_to_what_is_reserved();
        self.put(frame, kind, received, Moves::Nothing);
    }

    /// Appends what was put together elsewhere, under the next position.
    pub(super) fn append_draft(&mut self, draft: Draft) -> Cursor {
        self.writer.append(draft)
    }

    /// The entry that comes next, with the id that will be in force behind it.
    pub(super) fn next_tip(&self, id: Bytes) -> Tip {
        Tip {
            cursor: self.writer.log().head().next(),
            position: self.writer.next_position(),
            id,
        }
    }

    /// Appends what was given a position elsewhere.
    pub(super) fn append_at(&mut self, position: Position, draft: Draft) {
        let appended = self.writer.append_at(position, draft);
        debug_assert!(appended.is_ok(), "positions grow there");
    }

    /// Lets go of what stands up to a position.
    pub(super) fn trim_up_to(&mut self, position: Position) {
        self.writer.trim_up_to(position);
    }

    fn put(&mut self, frame: Bytes, kind: Kind, received: Instant, moves: Moves) {
        self.writer.append(Draft {
            frame,
            id: self.id.clone(),
            indexed: self.id_is_passed,
            kind,
            received,
            moves,
        });
    }

    /// The event as clients get it, with which its id comes into force; `None`: there is nothing in
    /// it for them.
    fn frame(&mut self, ids: &Ids, event: &Event<'_>, id: &IdInForce) -> Option<Bytes> {
        match ids.are_passed() {
            true => self.pass(event, id),
            false if event.dispatches() => Some(self.assign(ids, event)),
            false => None,
        }
    }

    /// An event under the origin's own id. One that inherits its id is written with it: of several
    /// upstreams, each has its own.
    fn pass(&mut self, event: &Event<'_>, id: &IdInForce) -> Option<Bytes> {
        let block = event.block();
        match (id, event.id_line()) {
            // Without its id nothing is left of it.
            (IdInForce::TooLong(_), Some(_)) if !event.dispatches() => None,
            (IdInForce::TooLong(_), Some(line)) => Some(frame(&[&block[..line.start], &block[line.end..]])),
            (IdInForce::TooLong(_), None) => Some(frame(&[block])),
            (IdInForce::Id(id), None) if id.is_empty() => Some(frame(&[block])),
            (IdInForce::Id(id), line) => {
                self.id = id.clone();
                self.id_is_passed = true;
                Some(match line {
                    Some(_) => frame(&[block]),
                    None => frame(&[b"id: ", id, b"\n", block]),
                })
            }
        }
    }

    /// An event under an id of our own numbering; the origin's, if it has one, is left out.
    fn assign(&mut self, ids: &Ids, event: &Event) -> Bytes {
        self.id = ids.own(self.writer.next_position());
        self.id_is_passed = false;
        let block = event.block();
        let line = event.id_line().unwrap_or(0..0);
        frame(&[b"id: ", &self.id, b"\n", &block[..line.start], &block[line.end..]])
    }
}

/// A log that is kept on disk.
impl WriterState {
    /// From now on numbers are given only as far as they are reserved. `None`: as far as they go.
    pub(super) fn reserve(&mut self, reserved: Option<Arc<Reserved>>) {
        self.reserved = reserved;
    }

    /// Puts in what was kept. Nothing has been appended yet.
    pub(super) fn restore(&mut self, entries: Vec<(Position, Draft)>, next: Position) {
        for (position, draft) in entries {
            (self.id, self.id_is_passed) = (draft.id.clone(), draft.indexed);
            let appended = self.writer.append_at(position, draft);
            debug_assert!(appended.is_ok(), "they have been read in order");
        }
        self.writer.skip_to(next);
    }

    /// The number that the next entry would get.
    pub(super) fn next_position(&self) -> Position {
        self.writer.next_position()
    }

    /// What is appended next gets this number, or a higher one if it has been used.
    pub(super) fn skip_to(&mut self, position: Position) {
        self.writer.skip_to(position);
    }

    /// See [`Writer::begin_behind`].
    pub(super) fn begin_behind(&mut self, position: Position) {
        self.writer.begin_behind(position);
    }

    /// The number that was used last.
    pub(super) fn newest_position(&self) -> Position {
        Position::new(self.writer.next_position().get() - 1)
    }

    fn keep_to_what_is_reserved(&mut self) {
        if let Some(reserved) = &self.reserved {
            self.writer.skip_to(reserved.admit(self.writer.next_position()));
        }
    }

    /// Where an upstream goes on behind the entry that comes next.
    fn moves(&mut self, at: AtUpstream<'_>) -> Moves {
        let place = at.id.bytes();
        if self.reserved.is_none() || (place.is_empty() && !self.has_places) {
            return Moves::Nothing;
        }
        self.has_places = true;
        match at.upstream == 0 && self.id_is_passed && self.id == place {
            true => Moves::FirstToId,
            false => Moves::To(Box::new((at.upstream, place.clone()))),
        }
    }
}
