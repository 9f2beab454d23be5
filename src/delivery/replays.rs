//! Replays: clients that are behind read the log on their own, in turns, until they are at the
//! head.

use super::client::{AfterRest, Flow};
use super::failure::reason_of;
use super::keys::ClientKey;
use super::shard::Shard;
use crate::channel::{Missed, gap_blocks};
use crate::metrics::GapReason;
use crate::net::Sent;

/// Clients that read on their own and have a turn in one turn of the shard.
const REPLAYS_PER_TURN: usize = 32;
/// Bytes that such a client gets before it goes to the end of the queue.
const REPLAY_BYTES_PER_TURN: usize = 128 * 1024;

impl Shard {
    /// Gives some of the clients that read on their own a turn each.
    pub(super) fn replays(&mut self) {
        for _ in 0..REPLAYS_PER_TURN {
            let Some(next) = self.clients.next_replay() else { break };
            if let Some(key) = next {
                self.replay(key);
            }
        }
        if !self.clients.has_replays() {
            while let Some(key) = self.channels.replayed.pop() {
                self.channels[key].forget_replays();
            }
        }
    }

    /// One client's turn.
    fn replay(&mut self, key: ClientKey) {
        let now = self.clock.tick();
        let mut budget = REPLAY_BYTES_PER_TURN;
        loop {
            let client = &mut self.clients[key];
            let channel_key = client.channel_key;
            let shard_channel = &mut self.channels[channel_key];
            match client.flush_rest(&mut self.connections, now, &mut shard_channel.counts.bytes_sent) {
                Flow::Done => {}
                Flow::Blocked => return self.block(key),
                Flow::Broken(reason) => return self.left(key, reason),
            }
            if client.after_rest == AfterRest::Skip {
                self.jump(key);
                continue;
            }
            let target = shard_channel.target_of(client.has_caught_up);
            if client.next >= target {
                return self.settle(key);
            }
            if budget == 0 {
                return self.replay_later(key);
            }
            self.channels.replayed.push(channel_key);
            let shard_channel = &mut self.channels[channel_key];
            let Some((batch, member)) = shard_channel.replay(client.next, target, client.index as usize) else {
                return self.lapsed(key);
            };
            let bytes = match &member {
                None => batch.bytes(client.framing),
                Some(member) => batch.compressed_bytes(client.framing, member),
            };
            let Sent { taken, is_full } = match client.sink.send(bytes, &mut self.connections) {
                Ok(sent) => sent,
                Err(error) => return self.left(key, reason_of(&error)),
            };
            let (left, clear_bytes) = match member {
                None => (batch.left(client.framing, taken), 0),
                Some(member) => batch.compressed_left(client.framing, member, taken),
            };
            shard_channel.clear_bytes += clear_bytes;
            shard_channel.counts.bytes_sent += taken as u64;
            shard_channel.counts.deliveries += left.next.since(client.next);
            client.next = left.next;
            if taken > 0 {
                client.active = now;
            }
            client.rest = (!left.rest.is_empty()).then(|| Box::new(left.rest));
            if is_full {
                return self.block(key);
            }
            // What had to be compressed for it took longer than writing it.
            budget = budget.saturating_sub(taken.max(clear_bytes as usize));
        }
    }

    /// The policy `skip`: a client goes on at the head, or with the terminal event, and is told
    /// what it missed.
    fn jump(&mut self, key: ClientKey) {
        let client = &mut self.clients[key];
        let shard_channel = &mut self.channels[client.channel_key];
        let channel = &shard_channel.channel;
        // The terminal event is for every client, as long as the log has it.
        let terminal = channel.first_terminal(client.next);
        let target = shard_channel.target();
        let to = terminal.map_or(target, |last| target.min(last)).max(client.next);
        client.after_rest = AfterRest::Log;
        if to == client.next {
            return;
        }
        self.accounts.skipped(key, channel.log(), client.next, to);
        let missed = channel.missed(client.next, to);
        client.next = to;
        channel.metrics().gaps[GapReason::Skipped as usize].increment(missed.len() as u64);
        let settings = channel.settings().load();
        let (event_type, reset) = (settings.gap_event.as_deref(), channel.is_id_reset_before(to));
        let tell = |missed: &Missed| gap_blocks(event_type, GapReason::Skipped, &missed.source, missed.events, reset);
        let blocks: String = missed.iter().map(tell).collect();
        if !blocks.is_empty() {
            drop(settings);
            client.rest = Some(Box::new(shard_channel.own(client, blocks.as_bytes())));
        }
    }
}
