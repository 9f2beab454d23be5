//! From the parser's items to the log's entries: ids are passed or assigned, and the one copy is made.

use super::backpressure::Limits;
use super::coalesce::CoalesceBuffer;
use super::end_rules::is_terminal;
use super::{Cause, Channel, gap_blocks, retry_block};
use crate::config::{Forward, Ids, LogLimits};
use crate::event_stream::{Event, Item};
use crate::log::{Draft, Kind, Tip, Writer, frame};
use crate::metrics::{GapReason, SourceMetrics};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// A longer id is not given to clients: no request could bring it back, since servers bound a request's head, and each
/// block that inherits it would repeat it.
const ID_BYTES_MAX: usize = 1024;

/// The id in force at an upstream, as far as clients get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IdInForce {
    /// This one. Empty: none, or reset.
    Id(Bytes),
    /// One over [`ID_BYTES_MAX`]: what is under it goes out without an id, and leaves clients the one before.
    TooLong,
}

impl IdInForce {
    fn is(&self, id: &[u8]) -> bool {
        match self {
            Self::Id(own) => own == id,
            Self::TooLong => id.len() > ID_BYTES_MAX,
        }
    }

    fn of(id: &[u8]) -> Self {
        match id.len() {
            ..=ID_BYTES_MAX => Self::Id(Bytes::copy_from_slice(id)),
            _ => Self::TooLong,
        }
    }
}

/// What the writing side of a channel remembers.
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

/// The sink of one upstream of a channel.
pub struct Publisher {
    channel: Arc<Channel>,
    id: IdInForce,
    /// Counted here, added up once per read.
    events: u64,
    /// Handed over since the last flush.
    unflushed_entries: u64,
    unflushed_bytes: u64,
    /// Whether this upstream has been connected before: a new connection that says no place may have missed events.
    connected_before: bool,
    /// Whether the origin has said that this upstream's stream has ended for good.
    ended: bool,
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

    /// Bounds the log anew.
    pub(super) fn limit(&mut self, limits: LogLimits) {
        self.writer.limit(limits);
    }

    /// Lets go what is too old.
    pub(super) fn trim(&mut self, now: Instant) {
        self.writer.trim(now);
    }

    /// Lets everything go.
    pub(super) fn clear(&mut self) {
        self.writer.clear();
    }

    pub(super) fn retire(&mut self, metrics: &SourceMetrics) {
        self.gauge(0.0, 0.0, metrics);
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

    /// Publishes an event of an upstream whose id in force is `id`. `ends`: it is the stream's last.
    pub(super) fn publish(&mut self, channel: &Channel, event: &Event, id: &IdInForce, received: Instant, ends: bool) {
        let kind = match (ends, event.dispatches()) {
            (true, _) => Kind::Terminal,
            (false, true) => Kind::Event,
            // A block that only moves the id is not what `start: latest` means.
            (false, false) => Kind::NonEvent,
        };
        let frame = match channel.passing.load(Ordering::Relaxed) {
            true => self.pass(event, id),
            false if event.dispatches() => Some(self.assign(channel, event)),
            false => None,
        };
        if ends {
            // Before the event: a shard that sees it there has to see what it is.
            channel.ending.set(Cause::Terminal, self.next_tip());
        }
        if let Some(frame) = frame {
            self.append(frame, kind, received);
        }
    }

    /// What the tip will be after the next entry.
    fn next_tip(&self) -> Tip {
        Tip {
            cursor: self.writer.log().head().next(),
            position: self.writer.next_position(),
            id: self.id.clone(),
        }
    }

    /// An event under the origin's own id. One that inherits its id is written with it: of several upstreams, each has its own.
    /// `None`: without an id that clients can have, nothing is left of it.
    fn pass(&mut self, event: &Event, id: &IdInForce) -> Option<Bytes> {
        let block = event.block();
        match (id, event.id_line()) {
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
    fn assign(&mut self, channel: &Channel, event: &Event) -> Bytes {
        let id = channel.epoch.id(self.writer.next_position());
        let block = event.block();
        let line = event.id_line().unwrap_or(0..0);
        let frame = frame(&[b"id: ", id.as_bytes(), b"\n", &block[..line.start], &block[line.end..]]);
        self.id = id.into();
        self.id_is_passed = false;
        frame
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
    pub(super) fn new(channel: Arc<Channel>, comes_back: bool) -> Self {
        Self {
            channel,
            id: IdInForce::Id(Bytes::new()),
            events: 0,
            unflushed_entries: 0,
            unflushed_bytes: 0,
            connected_before: comes_back,
            ended: comes_back,
        }
    }

    fn event(&mut self, event: Event, received: Instant) {
        if let Some(id) = event.id() {
            self.follow(id);
        }
        self.events += u64::from(event.dispatches());
        let channel = self.channel.clone();
        let mut writer_state = channel.writer_state();
        // Under the writer's lock: after the last event of the stream, nothing more.
        if channel.ending.is_over() {
            return;
        }
        let settings = channel.settings.load();
        let ends = is_terminal(&settings.end_when, &event);
        if !settings.coalesce.is_zero() && !ends {
            writer_state.held.hold(event, &self.id, received + settings.coalesce);
            channel.held.notify_one();
            return;
        }
        writer_state.release(&channel, received, true);
        writer_state.publish(&channel, &event, &self.id, received, ends);
        if ends {
            drop(writer_state);
            self.flush();
        }
    }

    /// Follows the id in force at this upstream.
    fn follow(&mut self, id: &[u8]) {
        if !self.id.is(id) {
            self.id = IdInForce::of(id);
        }
        // An origin of which clients could have no id at all is numbered by the relay.
        if self.channel.ids == Ids::Auto && !id.is_empty() && self.id != IdInForce::TooLong {
            self.channel.passing.store(true, Ordering::Release);
        }
    }

    fn gap(&mut self, reason: GapReason, received: Instant) {
        let settings = self.channel.settings.load();
        self.channel.metrics.gaps[reason as usize].increment(1);
        let mut writer_state = self.channel.writer_state();
        // What came before it goes before it.
        writer_state.release(&self.channel, received, true);
        // An id that was reset where events are missing is written, or clients would keep the one from before.
        let reset = self.channel.passing.load(Ordering::Relaxed) && writer_state.id.is_empty();
        let event_type = settings.gap_event.as_deref();
        let blocks = gap_blocks(event_type, reason, self.channel.name(), None, reset);
        if !blocks.is_empty() {
            let kind = match event_type {
                Some(_) => Kind::Gap,
                None => Kind::NonEvent,
            };
            writer_state.append(frame(&[blocks.as_bytes()]), kind, received);
        }
    }
}

/// What an upstream yields, in its order.
impl Publisher {
    /// The stream is open. `resumed`: the origin was told where it goes on.
    pub fn connected(&mut self, resumed: bool) {
        if std::mem::take(&mut self.ended) {
            self.channel.upstreams.fetch_add(1, Ordering::Relaxed);
            self.channel.reopen();
        }
        let before = std::mem::replace(&mut self.connected_before, true);
        if before && !resumed {
            self.gap(GapReason::UpstreamReconnected, Instant::now());
            self.unflushed_entries += 1;
            self.flush();
        }
    }

    /// One item of the stream; `received` is when the bytes that completed it were read.
    pub fn item(&mut self, item: Item, received: Instant) {
        if self.channel.ending.is_over() {
            return;
        }
        self.unflushed_entries += 1;
        match item {
            Item::Event(event) => {
                self.unflushed_bytes += event.block().len() as u64;
                self.event(event, received);
            }
            Item::Oversized { id, .. } => {
                if let Some(id) = id {
                    self.follow(&id);
                    if self.channel.passing.load(Ordering::Relaxed)
                        && let IdInForce::Id(id) = &self.id
                    {
                        let mut writer_state = self.channel.writer_state();
                        writer_state.id = id.clone();
                        writer_state.id_is_passed = true;
                    }
                }
                self.gap(GapReason::OversizedEvent, received);
            }
            Item::Comment(line) => {
                if self.channel.settings.load().comments == Forward::Always {
                    self.channel
                        .writer_state()
                        .append(frame(&[&line, b"\n"]), Kind::NonEvent, received);
                }
            }
            Item::Retry(time) => {
                let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX - 1);
                self.channel
                    .origin_retry
                    .store(millis.saturating_add(1), Ordering::Relaxed);
                if self.channel.settings.load().retry == Forward::Always {
                    let block = retry_block(time);
                    self.channel
                        .writer_state()
                        .append(frame(&[block.as_bytes()]), Kind::NonEvent, received);
                }
            }
        }
    }

    /// The items of one read have all been handed over: wakes the followers.
    pub fn flush(&mut self) {
        self.unflushed_bytes = 0;
        if std::mem::take(&mut self.unflushed_entries) > 0 {
            self.channel.followers.notify_all();
        }
        let events = std::mem::take(&mut self.events);
        if events > 0 {
            self.channel.metrics.events_received.increment(events);
            self.channel.metrics.last_event.set_to_now();
        }
    }

    /// Whether so much has been handed over since the last flush that it is time for one.
    pub fn full(&self) -> bool {
        Limits::of(&self.channel.settings.load()).make_a_batch(self.unflushed_entries, self.unflushed_bytes)
    }

    /// Whether the stream's last event has been published, by whichever upstream.
    pub fn is_over(&self) -> bool {
        self.channel.has_terminated()
    }

    /// The origin has ended this upstream's stream for good.
    pub fn ended(&mut self) {
        self.ended = true;
        // Of merged upstreams the others go on.
        if self.channel.upstreams.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.channel.finish();
        }
    }

    /// Completes when the followers are near enough for more.
    pub async fn ready(&mut self) {
        let Channel {
            backpressure,
            log,
            followers,
            settings,
            ..
        } = &*self.channel;
        let limits = || Limits::of(&settings.load());
        backpressure.wait(log, followers, limits).await;
    }
}
