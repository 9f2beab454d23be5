//! A client joins: its socket is registered, its place in the log found, and its stream begun.

use super::client::{AfterRest, Client, ClientState, Flow, Peer};
use super::framing::Framing;
use super::intake::Intake;
use super::keys::{ClientKey, ClientRef};
use super::mailbox::WakeFlag;
use super::member::{Member, put_own};
use super::new_client::{Joining, NewClient};
use super::shard::Shard;
use super::shard_channel::ShardChannel;
use super::sink::Sink;
use super::slow_client::SlowState;
use crate::channel::{Beginning, Channel, Coding, HistoryPlace, gap_block, retry_block};
use crate::config::Forward;
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
            coding,
            permit,
            start,
            last_event_id,
            history,
            peer,
        } = joining;
        let channel = subscription.channel().clone();
        let mailbox_sender = &self.mailbox_sender;
        let side = |key| ShardChannel::new(channel.clone(), coding, WakeFlag::new(mailbox_sender.clone(), key));
        let channel_key = self.channels.key_of(&channel, coding, side);

        let beginning = channel.beginning(last_event_id.as_deref(), start, history.map(|history| *history));
        count_resume(&channel, last_event_id.as_deref(), &beginning);
        let mut member = (coding == Coding::Gzip).then(Member::default);
        let blocks = opening_blocks(channel.opening_retry(), &channel, &beginning);
        let Beginning { next, before, .. } = beginning;
        let opening = opening(head, framing, member.as_mut(), &blocks);
        let now = self.clock.tick();
        let shard_channel = &mut self.channels[channel_key];
        let mut client = Client {
            sink,
            next,
            rest: None,
            subscription,
            permit,
            peer: Peer::new(peer),
            channel_key,
            index: shard_channel.clients.len() as u32,
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
        shard_channel.clients.push(reference.key);
        shard_channel.members.extend(member);
        self.accounts.open(reference.key, &client, before.as_ref());
        self.limit_life(&mut client, &channel.settings().load(), now);
        let flow = self.write_beginning(&mut client, opening, before.as_ref());
        let key = self.clients.insert(client);
        self.bound_unread(key);
        self.begun(key, flow);
        // What was decrypted before is nothing that the poll knows of; it may be the client's end.
        if self.clients.key_of(reference) == Some(key) && self.clients[key].sink.has_read_ahead() {
            self.drop_what_it_sends(key);
        }
    }

    /// Writes what stands before the log: the opening, and behind it the history.
    fn write_beginning(&mut self, client: &mut Client, opening: Bytes, history: Option<&HistoryPlace>) -> Flow {
        let now = self.clock.tick();
        let shard_channel = &mut self.channels[client.channel_key];
        let counts = &mut shard_channel.counts;
        let opened = client.write_own(opening, &mut self.connections, now, &mut counts.bytes_sent);
        let Some(history) = history.filter(|history| !history.entries().is_empty()) else {
            return opened;
        };
        counts.deliveries += history.entries().len() as u64;
        if let Some(member) = shard_channel.members.get_mut(client.index as usize) {
            history.entries().iter().for_each(|entry| member.sum.add(entry.block()));
        }
        let bytes = history.bytes(client.framing == Framing::Chunked, shard_channel.coding);
        match (opened, client.rest.take()) {
            (Flow::Done, _) => client.write_own(bytes, &mut self.connections, now, &mut counts.bytes_sent),
            (flow, rest) => {
                let both = [rest.as_deref().map_or(&[][..], |rest| rest), &bytes].concat();
                client.rest = Some(Box::new(both.into()));
                flow
            }
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

/// `mean` ± `part` of it, evenly spread.
pub(crate) fn jittered(mean: Duration, part: f64) -> Duration {
    mean.mul_f64((1.0 + part * (2.0 * fastrand::f64() - 1.0)).max(0.0))
}

/// What stands before the log: a comment so that every proxy on the way sees the stream open, the
/// reconnection time, the id of the place, and a gap event for each source in which the place is not
/// where the client wanted to go on.
fn opening_blocks(retry: Option<Duration>, channel: &Channel, beginning: &Beginning) -> Vec<u8> {
    let settings = channel.settings().load();
    let retry = retry.map(retry_block).unwrap_or_default();
    let gap = |(reason, source): &(_, Box<str>)| Some(gap_block(settings.gap_event.as_deref()?, *reason, source, None));
    let gaps: String = beginning.gaps.iter().filter_map(gap).collect();
    // After a gap the client's own id names nothing here: an empty one takes its place too.
    let id: [&[u8]; 3] = match beginning.id.is_empty() && beginning.gaps.is_empty() {
        true => [b"", b"", b""],
        false => [b"id: ", &beginning.id, b"\n\n"],
    };
    let parts: [&[u8]; 6] = [b":\n\n", retry.as_bytes(), id[0], id[1], id[2], gaps.as_bytes()];
    parts.concat()
}

/// The same behind the response head.
fn opening(head: &[u8], framing: Framing, member: Option<&mut Member>, blocks: &[u8]) -> Bytes {
    // The chunk's size line and its end are less than 24 bytes.
    let mut out = BytesMut::with_capacity(head.len() + blocks.len() + 24);
    out.extend_from_slice(head);
    put_own(&mut out, framing, member, blocks);
    out.freeze()
}

fn count_resume(channel: &Channel, last_event_id: Option<&[u8]>, beginning: &Beginning) {
    let metrics = channel.metrics();
    for (reason, _) in &beginning.gaps {
        metrics.gaps[*reason as usize].increment(1);
    }
    // One that starts somewhere does not come back.
    match (
        last_event_id.is_some_and(|id| !id.is_empty()),
        beginning.gaps.is_empty(),
    ) {
        (true, false) => metrics.resumes_gap.increment(1),
        (true, true) => metrics.resumes_exact.increment(1),
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
