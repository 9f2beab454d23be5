//! From the parser's items to the channel's writing side.

use super::backpressure::Limits;
use super::blocks::{gap_blocks, retry_block};
use super::channel::Channel;
use super::end_rules::is_terminal;
use super::ids::{AtUpstream, IdInForce};
use crate::config::Forward;
use crate::event_stream::{Event, Item};
use crate::log::{Kind, frame};
use crate::metrics::GapReason;
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The sink of one upstream of a channel.
pub struct Publisher {
    channel: Arc<Channel>,
    /// Which upstream, in the order of the configuration.
    upstream: u32,
    /// The id in force at this upstream.
    id: IdInForce,
    /// Counted here, added up once per read.
    events: u64,
    /// Handed over since the last flush.
    unflushed_entries: u64,
    unflushed_bytes: u64,
    /// Whether this upstream has been connected before: a new connection that says no place may
    /// have missed events.
    connected_before: bool,
    /// Whether the origin has said that this upstream's stream has ended for good.
    ended: bool,
    /// Whether events wait for others like them, if the source says so.
    coalesces: bool,
}

impl Channel {
    /// A sink for one upstream, by its number. Of a stream that goes on after a restart, or that another
    /// process began and of which nothing is known here, it has been connected before: a connection
    /// that can't resume is a gap.
    pub fn publisher(self: &Arc<Self>, upstream: usize) -> Publisher {
        let mut publisher = Publisher::new(self.clone(), upstream, false);
        publisher.connected_before = self.goes_on();
        if let Some(place) = self.kept_place(upstream) {
            publisher.id.follow(place);
        }
        publisher
    }

    /// A sink for an upstream that the origin had ended, and is asked for again: until it is
    /// connected nothing changes.
    pub fn publisher_again(self: &Arc<Self>, upstream: usize) -> Publisher {
        Publisher::new(self.clone(), upstream, true)
    }
}

impl Channel {
    /// A sink for an upstream, by its number, that goes on where another process had it.
    /// `last_event_id`: the one in force there; `connected_before`: whether its stream was open at any
    /// time.
    pub fn publisher_going_on(
        self: &Arc<Self>,
        upstream: usize,
        last_event_id: &[u8],
        connected_before: bool,
    ) -> Publisher {
        let mut publisher = self.publisher(upstream);
        publisher.id.follow(last_event_id);
        publisher.connected_before = connected_before;
        if connected_before {
            self.asks.connected();
        }
        publisher
    }
}

impl Publisher {
    pub(super) fn new(channel: Arc<Channel>, upstream: usize, comes_back: bool) -> Self {
        Self {
            channel,
            upstream: upstream as u32,
            id: IdInForce::none(),
            events: 0,
            unflushed_entries: 0,
            unflushed_bytes: 0,
            connected_before: comes_back,
            ended: comes_back,
            coalesces: true,
        }
    }

    /// What it is given has been coalesced before.
    pub(super) fn of_coalesced(self) -> Self {
        Self {
            coalesces: false,
            ..self
        }
    }

    fn event(&mut self, event: &Event<'_>, received: Instant) {
        if let Some(id) = event.id() {
            self.follow(id);
        }
        self.events += u64::from(event.dispatches());
        let channel = &*self.channel;
        let Some(mut writer_state) = channel.write() else {
            return;
        };
        let settings = channel.settings().load();
        let ends = is_terminal(&settings.end_when, event);
        if self.coalesces && !settings.coalesce.is_zero() && !ends {
            writer_state
                .held
                .hold(event, || self.at().to_owned(), received + settings.coalesce);
            channel.held.notify_waiters();
            return;
        }
        // What came before it goes before it.
        writer_state.release(&channel.ids, received);
        if ends {
            writer_state.publish_last(&channel.ids, &channel.ending, event, self.at(), received);
            drop(writer_state);
            self.flush();
        } else {
            writer_state.publish(&channel.ids, event, self.at(), received);
        }
    }

    /// The id in force at this upstream, and whether the origin has ended its stream for good.
    pub(super) fn give(&self) -> (Vec<u8>, bool) {
        (self.id.bytes().to_vec(), self.ended)
    }

    fn at(&self) -> AtUpstream<'_> {
        AtUpstream {
            upstream: self.upstream,
            id: &self.id,
        }
    }

    /// Follows the id in force at this upstream.
    pub(super) fn follow(&mut self, id: &[u8]) {
        self.id.follow(id);
        self.channel.ids.seen(&self.id);
    }

    fn oversized(&mut self, id: Option<&[u8]>, received: Instant) {
        if let Some(id) = id {
            self.follow(id);
            let channel = &self.channel;
            if let Some(mut writer_state) = channel.write() {
                writer_state.id_moved(&channel.ids, &self.id);
            }
        }
        self.gap(GapReason::OversizedEvent, received);
    }

    fn gap(&self, reason: GapReason, received: Instant) {
        self.gap_of(reason, None, received);
    }

    /// Events are missing here; `skipped`: so many, where that is known.
    pub(super) fn missing(&mut self, reason: GapReason, skipped: Option<u64>, received: Instant) {
        self.gap_of(reason, skipped, received);
        self.unflushed_entries += 1;
    }

    fn gap_of(&self, reason: GapReason, skipped: Option<u64>, received: Instant) {
        let channel = &self.channel;
        channel.metrics().gaps[reason as usize].increment(1);
        let Some(mut writer_state) = channel.write() else {
            return;
        };
        // What came before it goes before it.
        writer_state.release(&channel.ids, received);
        // An id that was reset where events are missing is written, or clients would keep the one
        // from before.
        let reset = writer_state.has_no_id(&channel.ids);
        let settings = channel.settings().load();
        let event_type = settings.gap_event.as_deref();
        let blocks = gap_blocks(event_type, reason, channel.name(), skipped, reset);
        if !blocks.is_empty() {
            let kind = match event_type {
                Some(_) => Kind::Gap,
                None => Kind::NonEvent,
            };
            writer_state.append(frame(&[blocks.as_bytes()]), kind, received);
        }
    }

    fn comment(&self, line: &Bytes, received: Instant) {
        let is_passed = self.channel.settings().load().comments == Forward::Always;
        if is_passed && let Some(mut writer_state) = self.channel.write() {
            writer_state.append(frame(&[line, b"\n"]), Kind::NonEvent, received);
        }
    }

    fn retry(&self, time: Duration, received: Instant) {
        self.channel.set_origin_retry(time);
        let is_passed = self.channel.settings().load().retry == Forward::Always;
        if is_passed && let Some(mut writer_state) = self.channel.write() {
            writer_state.append(frame(&[retry_block(time).as_bytes()]), Kind::NonEvent, received);
        }
    }
}

/// What an upstream yields, in its order.
impl Publisher {
    /// The origin has opened the stream again, if it had ended it.
    pub(super) fn reopened(&mut self) {
        if std::mem::take(&mut self.ended) {
            self.channel.ending.upstream_is_back();
            self.channel.reopen();
        }
    }

    /// The stream is open. `resumed`: the origin was told where it goes on.
    pub fn connected(&mut self, resumed: bool) {
        self.reopened();
        self.channel.asks.connected();
        self.channel.catching_up.connected();
        let before = std::mem::replace(&mut self.connected_before, true);
        if before && !resumed {
            self.gap(GapReason::UpstreamReconnected, Instant::now());
            self.unflushed_entries += 1;
            self.flush();
        }
    }

    /// One item of the stream; `received` is when the bytes that completed it were read.
    pub fn item(&mut self, item: Item<'_>, received: Instant) {
        if self.channel.ending.is_over() {
            return;
        }
        self.unflushed_entries += 1;
        match item {
            Item::Event(event) => {
                self.unflushed_bytes += event.block().len() as u64;
                self.event(&event, received);
            }
            Item::Oversized { id, .. } => self.oversized(id.as_deref(), received),
            Item::Comment(line) => self.comment(&line, received),
            Item::Retry(time) => self.retry(time, received),
        }
    }

    /// The items of one read have all been handed over: wakes the followers.
    pub fn flush(&mut self) {
        self.unflushed_bytes = 0;
        if std::mem::take(&mut self.unflushed_entries) > 0 {
            self.channel.notify_all();
        }
        let events = std::mem::take(&mut self.events);
        if events > 0 {
            let metrics = self.channel.metrics();
            metrics.events_received.increment(events);
            metrics.last_event.set_to_now();
        }
    }

    /// Whether so much has been handed over since the last flush that it is time for one.
    pub fn full(&self) -> bool {
        Limits::of(&self.channel.settings().load()).make_a_batch(self.unflushed_entries, self.unflushed_bytes)
    }

    /// Whether the stream's last event has been published, by whichever upstream.
    pub fn is_over(&self) -> bool {
        self.channel.has_terminated()
    }

    /// The origin has ended this upstream's stream for good.
    pub fn ended(&mut self) {
        self.ended = true;
        // Of merged upstreams the others go on.
        if self.channel.ending.upstream_ended() {
            self.channel.finish();
        }
    }

    /// Completes when the followers are near enough for more.
    pub async fn ready(&mut self) {
        let channel = &*self.channel;
        channel.backpressure.wait(|| channel.outruns()).await;
    }
}
