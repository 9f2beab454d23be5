//! The writing side of a channel: one at a time, what its upstreams yield becomes entries of the
//! log.

use super::coalesce::CoalesceBuffer;
use super::end::{Cause, Ending};
use super::ids::{IdInForce, Ids};
use crate::config::LogLimits;
use crate::event_stream::Event;
use crate::log::{Draft, Kind, Tip, Writer, frame};
use crate::metrics::SourceMetrics;
use bytes::Bytes;
use std::io;
use std::time::Instant;

/// What the writing side remembers.
pub(super) struct WriterState {
    writer: Writer,
    /// Events that wait for others like them.
    pub(super) held: CoalesceBuffer,
    /// The id in force, as clients see it; empty: none.
    id: Bytes,
    /// Whether `id` came from the origin.
    id_is_passed: bool,
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
        while let Some((event, id)) = self.held.pop_due(limits, now) {
            self.publish(ids, &event, &id, now);
            any = true;
        }
        any
    }

    /// Publishes all that is held.
    pub(super) fn release(&mut self, ids: &Ids, now: Instant) {
        while let Some((event, id)) = self.held.pop() {
            self.publish(ids, &event, &id, now);
        }
    }

    /// Publishes an event of an upstream at which this id is in force.
    pub(super) fn publish(&mut self, ids: &Ids, event: &Event, id: &IdInForce, received: Instant) {
        // A block that only moves the id is not what `start: latest` means.
        let kind = match event.dispatches() {
            true => Kind::Event,
            false => Kind::NonEvent,
        };
        if let Some(frame) = self.frame(ids, event, id) {
            self.append(frame, kind, received);
        }
    }

    /// Publishes the stream's last event.
    pub(super) fn publish_last(
        &mut self,
        ids: &Ids,
        ending: &Ending,
        event: &Event,
        id: &IdInForce,
        received: Instant,
    ) {
        let Some(frame) = self.frame(ids, event, id) else {
            debug_assert!(false, "it dispatches an event");
            return;
        };
        // Before the event: a shard that sees it has to see what it is.
        let last = Tip {
            cursor: self.writer.log().head().next(),
            position: self.writer.next_position(),
            id: self.id.clone(),
        };
        ending.set(Cause::Terminal, last);
        self.append(frame, Kind::Terminal, received);
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
        self.writer.append(Draft {
            frame,
            id: self.id.clone(),
            indexed: self.id_is_passed,
            kind,
            received,
        });
    }

    /// The event as clients get it, with which its id comes into force; `None`: there is nothing in
    /// it for them.
    fn frame(&mut self, ids: &Ids, event: &Event, id: &IdInForce) -> Option<Bytes> {
        match ids.are_passed() {
            true => self.pass(event, id),
            false if event.dispatches() => Some(self.assign(ids, event)),
            false => None,
        }
    }

    /// An event under the origin's own id. One that inherits its id is written with it: of several
    /// upstreams, each has its own.
    fn pass(&mut self, event: &Event, id: &IdInForce) -> Option<Bytes> {
        let block = event.block();
        match (id, event.id_line()) {
            // Without its id nothing is left of it.
            (IdInForce::TooLong, Some(_)) if !event.dispatches() => None,
            (IdInForce::TooLong, Some(line)) => Some(frame(&[&block[..line.start], &block[line.end..]])),
            (IdInForce::TooLong, None) => Some(frame(&[block])),
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
