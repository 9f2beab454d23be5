//! From the parser's items to the log's entries: ids are passed or assigned, and the one copy is made.

use super::{Channel, gap_block, retry_block};
use crate::config::{Ids, Relay};
use crate::event_stream::{Event, Item};
use crate::log::{Draft, Kind, Log, Writer, frame};
use crate::metrics::{GapReason, SourceMetrics};
use crate::upstream::{Failure, Resume, Sink, Verdict};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// What the writing side of a channel remembers.
pub(super) struct Desk {
    writer: Writer,
    /// The id in force, as clients see it; empty: none.
    id: Bytes,
    /// Whether `id` came from the origin.
    id_is_passed: bool,
    gauged_events: f64,
    gauged_bytes: f64,
}

/// The sink of one upstream of a channel.
pub struct Publisher {
    channel: Arc<Channel>,
    /// Counted here, added up once per read.
    events: u64,
    /// Handed over since the last flush.
    unflushed_entries: u64,
    unflushed_bytes: u64,
    /// Whether this upstream has been connected before: a new connection that says no place may have missed events.
    connected_before: bool,
}

impl Desk {
    pub(super) fn new(writer: Writer) -> Self {
        Self {
            writer,
            id: Bytes::new(),
            id_is_passed: false,
            gauged_events: 0.0,
            gauged_bytes: 0.0,
        }
    }

    pub(super) fn sweep(&mut self, now: Instant, log: &Log, metrics: &SourceMetrics) {
        self.writer.trim(now);
        self.gauge(log.events() as f64, log.bytes() as f64, metrics);
    }

    pub(super) fn retire(&mut self, metrics: &SourceMetrics) {
        self.gauge(0.0, 0.0, metrics);
    }

    /// Gauges are summed over the channels of a source: each moves them by its own difference.
    fn gauge(&mut self, events: f64, bytes: f64, metrics: &SourceMetrics) {
        metrics.log_events.increment(events - self.gauged_events);
        metrics.log_bytes.increment(bytes - self.gauged_bytes);
        (self.gauged_events, self.gauged_bytes) = (events, bytes);
    }

    fn append(&mut self, frame: Bytes, kind: Kind, received: Instant) {
        let draft = Draft {
            frame,
            id: self.id.clone(),
            indexed: self.id_is_passed,
            kind,
            received,
        };
        self.writer.append(draft);
    }
}

impl Publisher {
    pub(super) fn new(channel: Arc<Channel>) -> Self {
        Self {
            channel,
            events: 0,
            unflushed_entries: 0,
            unflushed_bytes: 0,
            connected_before: false,
        }
    }

    fn event(&mut self, event: Event, received: Instant) {
        let channel = &self.channel;
        let mut desk = channel.desk();
        let passing = match channel.source.ids {
            Ids::Pass => true,
            Ids::Assign => false,
            Ids::Auto => {
                let seen = channel.passing.load(Ordering::Relaxed);
                if !seen && event.id().is_some_and(|id| !id.is_empty()) {
                    channel.passing.store(true, Ordering::Release);
                }
                seen || channel.passing.load(Ordering::Relaxed)
            }
        };
        if passing {
            pass(&mut desk, &event, received)
        } else {
            assign(&mut desk, channel, &event, received)
        }
        self.events += u64::from(event.dispatches());
    }

    fn gap(&mut self, reason: GapReason, received: Instant) {
        let source = &self.channel.source;
        self.channel.metrics.gaps[reason as usize].increment(1);
        if let Some(event_type) = &source.gap_event {
            let block = gap_block(event_type, reason, &source.name, None);
            self.channel
                .desk()
                .append(frame(&[block.as_bytes()]), Kind::Gap, received);
        }
    }
}

/// An event under the origin's own id. One that inherits its id is written with it.
fn pass(desk: &mut Desk, event: &Event, received: Instant) {
    let frame = match event.id() {
        Some(id) => {
            if !desk.id_is_passed || desk.id != id {
                desk.id = Bytes::copy_from_slice(id);
            }
            desk.id_is_passed = true;
            frame(&[event.block()])
        }
        None if desk.id_is_passed && !desk.id.is_empty() => frame(&[b"id: ", &desk.id, b"\n", event.block()]),
        None => frame(&[event.block()]),
    };
    // A block that only moves the id is not what `start: latest` means.
    let kind = if event.dispatches() { Kind::Event } else { Kind::Aside };
    desk.append(frame, kind, received);
}

/// An event under an id of our own numbering; the origin's, if it has one, is left out.
fn assign(desk: &mut Desk, channel: &Channel, event: &Event, received: Instant) {
    if !event.dispatches() {
        return;
    }
    let id = channel.epoch.id(channel.log.head() + 1);
    let block = event.block();
    let line = event.id_line().unwrap_or(0..0);
    let frame = frame(&[b"id: ", id.as_bytes(), b"\n", &block[..line.start], &block[line.end..]]);
    desk.id = id.into();
    desk.id_is_passed = false;
    desk.append(frame, Kind::Event, received);
}

impl Sink for Publisher {
    fn connected(&mut self, resume: Resume) {
        let before = std::mem::replace(&mut self.connected_before, true);
        if resume == Resume::Impossible || (resume == Resume::First && before) {
            self.gap(GapReason::UpstreamReconnected, Instant::now());
            self.unflushed_entries += 1;
            self.flush();
        }
    }

    fn item(&mut self, item: Item, received: Instant) {
        self.unflushed_entries += 1;
        match item {
            Item::Event(event) => {
                self.unflushed_bytes += event.block().len() as u64;
                self.event(event, received);
            }
            Item::Oversized { id, .. } => {
                if let Some(id) = id
                    && self.channel.passing.load(Ordering::Relaxed)
                {
                    let mut desk = self.channel.desk();
                    desk.id = id;
                    desk.id_is_passed = true;
                }
                self.gap(GapReason::OversizedEvent, received);
            }
            Item::Comment(line) => {
                if self.channel.source.comments == Relay::Relay {
                    self.channel
                        .desk()
                        .append(frame(&[&line, b"\n"]), Kind::Aside, received);
                }
            }
            Item::Retry(time) => {
                let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX - 1);
                self.channel
                    .origin_retry
                    .store(millis.saturating_add(1), Ordering::Relaxed);
                if self.channel.source.retry == Relay::Relay {
                    let block = retry_block(time);
                    self.channel
                        .desk()
                        .append(frame(&[block.as_bytes()]), Kind::Aside, received);
                }
            }
        }
    }

    fn flush(&mut self) {
        self.unflushed_bytes = 0;
        if std::mem::take(&mut self.unflushed_entries) > 0 {
            self.channel.bells.ring_all();
        }
        let events = std::mem::take(&mut self.events);
        if events > 0 {
            self.channel.metrics.events_received.increment(events);
        }
    }

    fn full(&self) -> bool {
        self.channel
            .pacing
            .is_batch(self.unflushed_entries, self.unflushed_bytes)
    }

    fn failed(&mut self, _failure: &Failure) -> Verdict {
        Verdict::Retry
    }

    fn ended(&mut self) {}

    async fn ready(&mut self) {
        self.channel.pacing.wait(&self.channel.log, &self.channel.bells).await;
    }
}
