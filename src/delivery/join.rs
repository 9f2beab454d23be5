//! A client joins: its socket is registered, its place in the log found, and its stream begun.

use super::batch::Framing;
use super::client::{AfterRest, Client, ClientState, Flow, Peer};
use super::clock::Tick;
use super::http2::Connections;
use super::intake::Intake;
use super::keys::{ClientKey, ClientRef};
use super::mailbox::WakeFlag;
use super::new_client::{Joining, NewClient};
use super::shard::Shard;
use super::shard_channel::ShardChannel;
use super::sink::Sink;
use super::slow_client::SlowState;
use crate::channel::{Channel, HistoryPlace, gap_block, retry_block};
use crate::config::Forward;
use crate::log::{ResumePoint, StartPoint, put_frame};
use bytes::{Bytes, BytesMut};
use std::time::Duration;

impl Shard {
    /// Takes a client in, whose socket `intake` watches from now on.
    pub(super) fn join_alone(&mut self, new_client: NewClient, intake: &Intake) {
        let NewClient {
            mut stream,
            head,
            framing,
            joining,
        } = new_client;
        let reference = self.clients.next_ref();
        if let Err(error) = intake.watch(&mut stream, reference) {
            return tracing::warn!(peer = %joining.peer, %error, "client refused: its socket can't be watched");
        }
        self.join(Sink::Own(stream), &head, framing, joining, reference);
    }

    /// Takes a client in under the name that the next one has. Its stream begins with `head`.
    pub(super) fn join(&mut self, sink: Sink, head: &[u8], framing: Framing, joining: Joining, reference: ClientRef) {
        let Joining {
            subscription,
            permit,
            start,
            last_event_id,
            history,
            peer,
        } = joining;
        let channel = subscription.channel().clone();
        let mailbox_sender = &self.mailbox_sender;
        let side = |key| ShardChannel::new(channel.clone(), WakeFlag::new(mailbox_sender.clone(), key));
        let channel_key = self.channels.key_of(&channel, side);

        let place = place(&channel, last_event_id.as_deref(), start, history.is_some());
        count_resume(&channel, last_event_id.as_deref(), &place);
        let opening = opening(head, framing, channel.opening_retry(), &channel, &place);
        let now = self.clock.tick();
        let keys = &mut self.channels[channel_key].clients;
        let mut client = Client {
            sink,
            next: place.next,
            rest: None,
            subscription,
            permit,
            peer: Peer::new(peer),
            channel_key,
            index: keys.len() as u32,
            generation: reference.generation,
            active: now,
            opened: now,
            // It does not stand in the timers yet.
            armed: now,
            leave_at: now,
            leaves: None,
            slow_state: SlowState::RETURNING,
            state: ClientState::Replaying,
            after_rest: AfterRest::Log,
            framing,
            has_caught_up: false,
        };
        keys.push(reference.key);
        self.accounts.open(reference.key, &client, history.as_deref());
        self.limit_life(&mut client, &channel.settings().load(), now);
        let counts = &mut self.channels[channel_key].counts;
        let mut flow = client.write_own(opening, &mut self.connections, now, &mut counts.bytes_sent);
        if let Some(history) = history {
            counts.deliveries += history.entries().len() as u64;
            flow = write_history(
                &mut client,
                &history,
                flow,
                &mut self.connections,
                now,
                &mut counts.bytes_sent,
            );
        }
        let key = self.clients.insert(client);
        self.bound_unread(key);
        self.begun(key, flow);
        // What was decrypted before is nothing that the poll knows of; it may be the client's end.
        if self.clients.key_of(reference) == Some(key) && self.clients[key].sink.has_read_ahead() {
            self.drop_what_it_sends(key);
        }
    }

    /// The beginning of a client's stream was written.
    fn begun(&mut self, key: ClientKey, flow: Flow) {
        match flow {
            Flow::Done => self.settle(key),
            Flow::Blocked => self.block(key),
            Flow::Broken(reason) => self.left(key, reason),
        }
    }
}

/// Where a client's stream goes on in the log: behind its history, if it gets one.
fn place(channel: &Channel, last_event_id: Option<&[u8]>, start: StartPoint, has_history: bool) -> ResumePoint {
    match (last_event_id, has_history) {
        (Some(id), true) => ResumePoint {
            next: HistoryPlace::NEXT,
            id: Bytes::copy_from_slice(id),
            gap: None,
        },
        (id, _) => channel.place(id, start),
    }
}

/// Writes a history behind the opening, of which something may be left.
fn write_history(
    client: &mut Client,
    history: &HistoryPlace,
    opening: Flow,
    connections: &mut Connections,
    now: Tick,
    sent: &mut u64,
) -> Flow {
    let bytes = history.bytes(client.framing == Framing::Chunked);
    if bytes.is_empty() {
        return opening;
    }
    match (opening, client.rest.take()) {
        (Flow::Done, _) => client.write_own(bytes, connections, now, sent),
        (flow, rest) => {
            let both = [rest.as_deref().map_or(&[][..], |rest| rest), &bytes].concat();
            client.rest = Some(Box::new(both.into()));
            flow
        }
    }
}

/// `mean` ± `part` of it, evenly spread.
pub(crate) fn jittered(mean: Duration, part: f64) -> Duration {
    mean.mul_f64((1.0 + part * (2.0 * fastrand::f64() - 1.0)).max(0.0))
}

/// The bytes before the log: the response head, a comment so that every proxy on the way sees the
/// stream open, the reconnection time, the id of the place, and the gap event if the place is not
/// where the client wanted to go on.
fn opening(head: &[u8], framing: Framing, retry: Option<Duration>, channel: &Channel, place: &ResumePoint) -> Bytes {
    let settings = channel.settings().load();
    let retry = retry.map(retry_block).unwrap_or_default();
    let gap = match (place.gap, &settings.gap_event) {
        (Some(reason), Some(event_type)) => gap_block(event_type, reason, channel.name(), None),
        _ => String::new(),
    };
    // After a gap the client's own id names nothing here: an empty one takes its place too.
    let id: [&[u8]; 3] = match place.id.is_empty() && place.gap.is_none() {
        true => [b"", b"", b""],
        false => [b"id: ", &place.id, b"\n\n"],
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

fn count_resume(channel: &Channel, last_event_id: Option<&[u8]>, place: &ResumePoint) {
    let metrics = channel.metrics();
    if let Some(reason) = place.gap {
        metrics.gaps[reason as usize].increment(1);
    }
    // One that starts somewhere does not come back.
    match (last_event_id.is_some_and(|id| !id.is_empty()), place.gap) {
        (true, Some(_)) => metrics.resumes_gap.increment(1),
        (true, None) => metrics.resumes_exact.increment(1),
        (false, _) => {}
    }
}

impl Channel {
    /// The reconnection time that a client is told when its stream begins or is cut: ours, spread;
    /// or the origin's last one.
    pub(super) fn opening_retry(&self) -> Option<Duration> {
        let settings = self.settings().load();
        match settings.retry {
            Forward::Never => Some(jittered(settings.reconnect, settings.reconnect_jitter)),
            Forward::Always => self.origin_retry(),
        }
    }
}
