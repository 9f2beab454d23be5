//! Delivering: passes over the live clients, and turns of those that read the log on their own.

use super::client::{AfterRest, ClientState, Flow, reason_of, write};
use super::shard::Shard;
use super::shard_channel::Found;
use crate::channel::{Cause, Channel, gap_blocks};
use crate::log::{Cursor, frame};
use crate::metrics::{CloseReason, GapReason};
use bytes::Bytes;

/// Clients of one channel that are written to before another channel has its turn.
const SLICE_CLIENTS: usize = 256;
/// Clients written to in one turn, over all channels.
const VISITS_PER_TURN: usize = 512;
/// Clients that read on their own and have a turn in one turn of the shard.
const REPLAYS_PER_TURN: usize = 32;
/// Streams of one channel that are ended before others have their turn.
const ENDS_PER_TURN: usize = 64;
/// Bytes that such a client gets before it goes to the end of the queue.
const REPLAY_BYTES_PER_TURN: usize = 128 * 1024;

impl Shard {
    /// Goes on with the passes of the channels that have one, each a slice at a time.
    pub(super) fn passes(&mut self) {
        let mut visits = 0;
        for _ in 0..self.working.len() {
            let Some(key) = self.working.pop_front() else { break };
            visits += self.slice(key);
            if visits >= VISITS_PER_TURN {
                break;
            }
        }
    }

    /// Offers the batch of a channel's pass to a slice of its clients. Returns how many were visited.
    fn slice(&mut self, key: u32) -> usize {
        let now = self.clock.tick();
        let shard_channel = &mut self.channels[key as usize];
        if shard_channel.follow_stagger() {
            return self.stagger(key);
        }
        if shard_channel.cursor.is_some() {
            self.end_stagger(key);
        }
        let shard_channel = &mut self.channels[key as usize];
        shard_channel.cursor = None;
        match shard_channel.begin_pass() {
            Found::News => {}
            Found::Nothing => {
                shard_channel.queued = false;
                return 1 + self.end_streams(key);
            }
            Found::Lapsed => {
                self.working.push_back(key);
                return self.all_read_alone(key);
            }
        }
        let Some(pass) = &mut shard_channel.pass else { return 0 };
        let (from, to) = (pass.batch.from, pass.batch.to);
        // Between two slices the audience may have shrunk to less than what has been visited.
        let begin = pass.index.min(shard_channel.clients.len());
        let end = (begin + SLICE_CLIENTS).min(shard_channel.clients.len());
        let mut stuck = Vec::new();
        let mut gone = Vec::new();
        let mut alone = Vec::new();
        let mut bytes: Option<(super::Framing, Bytes)> = None;
        for &client_key in &shard_channel.clients[begin..end] {
            let client = &mut self.clients[client_key as usize];
            if client.state != ClientState::Live || client.next >= to {
                continue;
            }
            if client.next != from {
                alone.push(client_key);
                continue;
            }
            let bytes = match &bytes {
                Some((framing, bytes)) if *framing == client.framing => bytes,
                _ => &bytes.insert((client.framing, pass.batch.bytes(client.framing))).1,
            };
            match write(&client.stream, bytes) {
                Ok(written) if written == bytes.len() => {
                    client.next = to;
                    client.active = now;
                    shard_channel.counts.deliveries += to.since(from);
                    shard_channel.counts.bytes_sent += written as u64;
                }
                Ok(written) => {
                    let left = pass.batch.left(client.framing, written);
                    shard_channel.counts.deliveries += left.next.since(from);
                    shard_channel.counts.bytes_sent += written as u64;
                    client.next = left.next;
                    client.rest = (!left.rest.is_empty()).then(|| Box::new(left.rest));
                    stuck.push(client_key);
                }
                Err(error) => gone.push((client_key, reason_of(&error))),
            }
        }
        pass.index = end;
        stuck.into_iter().for_each(|key| self.block(key));
        alone.into_iter().for_each(|key| self.replay_later(key));
        gone.into_iter().for_each(|(key, reason)| self.left(key, reason));
        self.end_pass_if_done(key);
        end - begin
    }

    /// If the channel's stream has ended: lets go those who have everything. Returns how many.
    pub(super) fn end_streams(&mut self, key: u32) -> usize {
        let shard_channel = &self.channels[key as usize];
        let Some(end) = shard_channel.channel.end() else {
            return 0;
        };
        let at_the_end = |client: &u32| {
            let client = &self.clients[*client as usize];
            client.state == ClientState::Live && client.next > end.last
        };
        // The others come here by themselves, when they have read what is left for them.
        let clients = shard_channel.clients.iter().copied().filter(at_the_end);
        let clients: Vec<u32> = clients.take(ENDS_PER_TURN).collect();
        clients
            .iter()
            .for_each(|&client| self.close(client, CloseReason::Ended));
        if clients.len() == ENDS_PER_TURN {
            self.has_work(key);
        }
        clients.len()
    }

    fn end_pass_if_done(&mut self, key: u32) {
        // The shard's channel may have gone with its last client.
        let Some(shard_channel) = self.channels.get_mut(key as usize) else {
            return;
        };
        if shard_channel
            .pass
            .as_ref()
            .is_some_and(|pass| pass.index >= shard_channel.clients.len())
        {
            shard_channel.end_pass();
        }
        // Once more even if it is done: the wake flag is cleared, and the log looked at, when nothing is left.
        self.working.push_back(key);
    }

    /// The log went past this shard: the channel's live clients find out one by one what that means for them.
    fn all_read_alone(&mut self, key: u32) -> usize {
        let shard_channel = &self.channels[key as usize];
        let behind: Vec<u32> = shard_channel
            .clients
            .iter()
            .copied()
            .filter(|&client| {
                let client = &self.clients[client as usize];
                client.state == ClientState::Live && client.next < shard_channel.next
            })
            .collect();
        behind.iter().for_each(|&client| self.replay_later(client));
        behind.len()
    }

    /// Puts a client into the queue of those that read on their own.
    pub(super) fn replay_later(&mut self, key: u32) {
        let client = &mut self.clients[key as usize];
        client.state = ClientState::Replaying;
        self.replaying.push_back((key, client.generation));
        self.waiting_changed(key);
    }

    /// Gives some of the clients that read on their own a turn each.
    pub(super) fn replays(&mut self) {
        for _ in 0..REPLAYS_PER_TURN {
            let Some((key, generation)) = self.replaying.pop_front() else {
                break;
            };
            let replays = |client: &super::client::Client| {
                client.generation == generation && client.state == ClientState::Replaying
            };
            if self.clients.get(key as usize).is_some_and(replays) {
                self.replay(key);
            }
        }
        if self.replaying.is_empty() {
            for key in std::mem::take(&mut self.replayed) {
                self.channels[key as usize].forget_replays();
            }
        }
    }

    /// One client's turn.
    fn replay(&mut self, key: u32) {
        let now = self.clock.tick();
        let mut budget = REPLAY_BYTES_PER_TURN;
        loop {
            let client = &mut self.clients[key as usize];
            let channel_key = client.channel_key;
            let shard_channel = &mut self.channels[channel_key as usize];
            match client.flush_rest(now, &mut shard_channel.counts.bytes_sent) {
                Flow::Done => {}
                Flow::Blocked => return self.block(key),
                Flow::Broken(reason) => return self.left(key, reason),
            }
            if client.after_rest == AfterRest::Skip {
                self.jump(key);
                continue;
            }
            let target = shard_channel.target();
            if client.next >= target {
                return self.settle(key);
            }
            if budget == 0 {
                return self.replay_later(key);
            }
            let Some(batch) = shard_channel.replay(client.next, target) else {
                return self.lapsed(key);
            };
            if !self.replayed.contains(&channel_key) {
                self.replayed.push(channel_key);
            }
            let bytes = batch.bytes(client.framing);
            let written = match write(&client.stream, &bytes) {
                Ok(written) => written,
                Err(error) => return self.left(key, reason_of(&error)),
            };
            let left = batch.left(client.framing, written);
            shard_channel.counts.bytes_sent += written as u64;
            shard_channel.counts.deliveries += left.next.since(client.next);
            client.next = left.next;
            if written > 0 {
                client.active = now;
            }
            client.rest = (!left.rest.is_empty()).then(|| Box::new(left.rest));
            if written < bytes.len() {
                return self.block(key);
            }
            budget = budget.saturating_sub(written);
        }
    }

    /// The policy `skip`: a client goes on at the head, or with the terminal event, and is told what it missed.
    fn jump(&mut self, key: u32) {
        let client = &mut self.clients[key as usize];
        let shard_channel = &mut self.channels[client.channel_key as usize];
        let channel = &shard_channel.channel;
        let to = before_terminal(channel, shard_channel.target()).max(client.next);
        let skipped = to.since(client.next);
        client.after_rest = AfterRest::Log;
        if skipped == 0 {
            return;
        }
        client.next = to;
        channel.metrics().gaps[GapReason::Skipped as usize].increment(1);
        let settings = channel.settings().load();
        let (event_type, reset) = (settings.gap_event.as_deref(), channel.is_id_reset_before(to));
        let blocks = gap_blocks(event_type, GapReason::Skipped, channel.name(), Some(skipped), reset);
        if !blocks.is_empty() {
            let bytes = match client.framing {
                super::Framing::Chunked => frame(&[blocks.as_bytes()]),
                super::Framing::Plain => Bytes::from(blocks),
            };
            client.rest = Some(Box::new(bytes));
        }
    }
}

/// How far a client may jump: the terminal event is for everybody, as long as the log has it.
fn before_terminal(channel: &Channel, target: Cursor) -> Cursor {
    match channel.end() {
        Some(end) if end.cause == Cause::Terminal && channel.log().tail() <= end.last => target.min(end.last),
        _ => target,
    }
}
