//! A client joins: its socket is registered, its place in the log found, and its stream begun.

use super::Newcomer;
use super::batch::Framing;
use super::bell::Doorbell;
use super::client::{AfterRest, Client, Flow, Peer, State};
use super::clock::Tick;
use super::leave::LOOK_MAX;
use super::shard::{Shard, ViewKey};
use super::view::View;
use crate::channel::{Channel, gap_block, retry_block};
use crate::config::{Forward, Source};
use crate::log::{Place, put_frame};
use crate::metrics::CloseReason;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::time::Duration;

impl Shard {
    pub(super) fn join(&mut self, newcomer: Newcomer) {
        let Newcomer {
            mut stream,
            head,
            framing,
            subscription,
            permit,
            last_event_id,
            peer,
        } = newcomer;
        let channel = subscription.channel().clone();
        let view = self.view_of(&channel);
        self.generation = self.generation.wrapping_add(1);
        let key = self.clients.vacant_key() as u32;
        let token = mio::Token(key as usize | (self.generation as usize) << 32);
        // Both directions once, edge-triggered: nothing is ever modified. Registering reports what holds already, so a
        // client that left before this is seen.
        let interest = mio::Interest::READABLE | mio::Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut stream, token, interest) {
            tracing::warn!(%peer, %error, "client refused: its socket can't be watched");
            return self.leave_view_if_empty(view);
        }

        let place = channel.place(last_event_id.as_deref());
        count_resume(&channel, last_event_id.as_deref(), &place);
        let opening = opening(&head, framing, channel.opening_retry(), &channel, &place);
        let now = self.clock.tick();
        let seats = &mut self.views[view as usize].clients;
        let mut client = Client {
            stream,
            next: place.next,
            rest: None,
            subscription,
            permit,
            peer: Peer::new(peer),
            view,
            seat: seats.len() as u32,
            generation: self.generation,
            active: now,
            opened: now,
            // It does not stand in the wheel yet.
            armed: now.plus(LOOK_MAX),
            leave_at: now,
            leaves: None,
            // Who comes back from far is catching up from the beginning.
            noted: u32::MAX,
            state: State::Replaying,
            after_rest: AfterRest::Log,
            framing,
            holds: false,
        };
        seats.push(key);
        self.limit_age(&mut client, channel.source(), now);
        let flow = client.write_own(opening, now, &mut self.views[view as usize].counts.bytes_sent);
        self.clients.insert(client);
        match flow {
            Flow::Done => self.settle(key),
            Flow::Blocked => self.block(key),
            Flow::Broken => self.left(key),
        }
    }

    /// A client whose `rest` is out stands in the log: live at the head, else in the queue of those that read on their own.
    pub(super) fn settle(&mut self, key: u32) {
        let client = &mut self.clients[key as usize];
        let view = &self.views[client.view as usize];
        if client.next >= view.target() {
            client.state = State::Live;
            client.noted = 0;
            client.holds = false;
            if view.channel.end().is_some_and(|end| client.next > end.position) {
                return self.close(key, CloseReason::Ended);
            }
            let delay = self.until_look(key);
            self.arm(key, delay);
        } else {
            self.replay_later(key);
        }
    }

    fn view_of(&mut self, channel: &Arc<Channel>) -> u32 {
        let address = Arc::as_ptr(channel) as usize;
        if let Some(&key) = self.view_keys.get(&address) {
            return key;
        }
        let entry = self.views.vacant_entry();
        let key = entry.key() as u32;
        entry.insert(View::new(
            channel.clone(),
            Doorbell::new(self.ringer.clone(), ViewKey(key)),
        ));
        self.view_keys.insert(address, key);
        key
    }

    /// A view without clients is of no use, and its bell would ring for nothing.
    pub(super) fn leave_view_if_empty(&mut self, key: u32) {
        if self.views[key as usize].clients.is_empty() {
            let view = self.views.remove(key as usize);
            self.view_keys.remove(&(Arc::as_ptr(&view.channel) as usize));
            self.working.retain(|&other| other != key);
            self.replayed.retain(|&other| other != key);
            self.holding.retain(|&other| other != key);
            self.staggering.retain(|&other| other != key);
        }
    }

    fn limit_age(&self, client: &mut Client, source: &Source, now: Tick) {
        if self.draining.is_some() {
            client.leaves = Some(CloseReason::Drained);
        } else if !source.max_age.is_zero() {
            client.leaves = Some(CloseReason::MaxAge);
            client.leave_at = now.plus(jittered(source.max_age, MAX_AGE_JITTER));
        }
    }
}

/// `max_age` is not the same for everybody, else all would come back together.
const MAX_AGE_JITTER: f64 = 0.1;

/// `mean` ± `part` of it, evenly spread.
pub(crate) fn jittered(mean: Duration, part: f64) -> Duration {
    mean.mul_f64((1.0 + part * (2.0 * fastrand::f64() - 1.0)).max(0.0))
}

/// The bytes before the log: the response head, a comment so that everybody on the way sees the stream open, the reconnection
/// time, the id of the place, and the gap event if the place is not where the client wanted to go on.
fn opening(head: &[u8], framing: Framing, retry: Option<Duration>, channel: &Channel, place: &Place) -> Bytes {
    let source = channel.source();
    let retry = retry.map(retry_block).unwrap_or_default();
    let gap = match (place.gap, &source.gap_event) {
        (Some(reason), Some(event_type)) => gap_block(event_type, reason, &source.name, None),
        _ => String::new(),
    };
    let id: [&[u8]; 3] = if place.id.is_empty() {
        [b"", b"", b""]
    } else {
        [b"id: ", &place.id, b"\n\n"]
    };
    let parts: [&[u8]; 6] = [b":\n\n", retry.as_bytes(), id[0], id[1], id[2], gap.as_bytes()];
    let len: usize = parts.iter().map(|part| part.len()).sum();
    // The chunk's size line and its end are less than 24 bytes.
    let mut out = BytesMut::with_capacity(head.len() + len + 24);
    out.extend_from_slice(head);
    match framing {
        Framing::Chunked => put_frame(&mut out, &parts),
        Framing::Plain => parts.iter().for_each(|part| out.extend_from_slice(part)),
    }
    out.freeze()
}

fn count_resume(channel: &Channel, last_event_id: Option<&[u8]>, place: &Place) {
    let metrics = channel.metrics();
    if let Some(reason) = place.gap {
        metrics.gaps[reason as usize].increment(1);
        metrics.resumes_gap.increment(1);
    } else if last_event_id.is_some_and(|id| !id.is_empty()) {
        metrics.resumes_exact.increment(1);
    }
}

impl Channel {
    /// The reconnection time that a client is told when its stream begins or is cut: ours, spread; or the origin's last one.
    pub(super) fn opening_retry(&self) -> Option<Duration> {
        match self.source().retry {
            Forward::Never => Some(jittered(self.source().reconnect, self.source().reconnect_jitter)),
            Forward::Always => self.origin_retry(),
        }
    }
}
