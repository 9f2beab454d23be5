//! Passes: what is new in a channel is offered to its live clients, a slice of them at a time.

use super::audience::{Audience, Compressed, InClear};
use super::client::ClientState;
use super::clients::Clients;
use super::clock::Tick;
use super::failure::reason_of;
use super::http2::Connections;
use super::keys::{ChannelKey, ClientKey};
use super::shard::Shard;
use super::shard_channel::{Counts, Found, Pass, ShardChannel};
use crate::channel::Coding;
use crate::metrics::CloseReason;
use crate::net::Sent;

/// Clients of one channel that are written to before another channel has its turn.
const SLICE_CLIENTS: usize = 256;
/// Clients written to in one turn, over all channels.
const VISITS_PER_TURN: usize = 512;
/// Streams of one channel that are ended before others have their turn.
const ENDS_PER_TURN: usize = 64;

/// What became of a slice's clients, but for those that took everything.
#[derive(Debug, Default)]
struct Offered {
    visited: usize,
    /// Their sockets are full.
    blocked: Vec<ClientKey>,
    /// They stand elsewhere in the log.
    elsewhere: Vec<ClientKey>,
    gone: Vec<(ClientKey, CloseReason)>,
}

impl Shard {
    /// Goes on with the passes of the channels that have one, each a slice at a time.
    pub(super) fn passes(&mut self) {
        let mut visits = 0;
        for _ in 0..self.channels.working.len() {
            let Some(key) = self.channels.working.pop() else { break };
            visits += self.slice(key);
            if visits >= VISITS_PER_TURN {
                break;
            }
        }
    }

    /// Offers the batch of a channel's pass to a slice of its clients. Returns how many were
    /// visited.
    fn slice(&mut self, key: ChannelKey) -> usize {
        if self.channels[key].follow_stagger() {
            return self.stagger(key);
        }
        if self.channels[key].cursor.is_some() {
            self.end_stagger(key);
            self.channels[key].cursor = None;
        }
        match self.channels[key].begin_pass() {
            Found::News => {}
            Found::Nothing => return 1 + self.end_streams(key),
            Found::Lapsed => {
                self.channels.working.push(key);
                return self.all_read_alone(key);
            }
        }
        let now = self.clock.tick();
        let offered = offer(&mut self.channels[key], &mut self.clients, &mut self.connections, now);
        offered.blocked.into_iter().for_each(|client| self.block(client));
        offered
            .elsewhere
            .into_iter()
            .for_each(|client| self.replay_later(client));
        for (client, reason) in offered.gone {
            self.left(client, reason);
        }
        // The shard's channel may have gone with its last client.
        if let Some(shard_channel) = self.channels.get_mut(key) {
            shard_channel.end_pass_if_done();
            // Once more even if it is done: the wake flag is cleared, and the log looked at, when
            // nothing is left.
            self.channels.working.push(key);
        }
        offered.visited
    }

    /// If the channel's stream has ended: lets go the clients that have everything. Returns how
    /// many.
    pub(super) fn end_streams(&mut self, key: ChannelKey) -> usize {
        self.follow_settings(key);
        self.leave_removed(key);
        let shard_channel = &self.channels[key];
        let Some(end) = shard_channel.channel.end() else {
            return 0;
        };
        let is_at_the_end = |client: &ClientKey| {
            let client = &self.clients[*client];
            client.state == ClientState::Live && client.next > end.last
        };
        // The others come here by themselves, when they have read what is left for them.
        let clients = shard_channel.clients.iter().copied().filter(is_at_the_end);
        let clients: Vec<_> = clients.take(ENDS_PER_TURN).collect();
        if clients.len() == ENDS_PER_TURN {
            self.channels.working.push(key);
        }
        for &client in &clients {
            self.close(client, CloseReason::Ended);
        }
        clients.len()
    }

    /// The log went past this shard: the channel's live clients find out one by one what that means
    /// for them.
    fn all_read_alone(&mut self, key: ChannelKey) -> usize {
        let shard_channel = &self.channels[key];
        let is_behind = |client: &ClientKey| {
            let client = &self.clients[*client];
            client.state == ClientState::Live && client.next < shard_channel.next
        };
        let behind: Vec<_> = shard_channel.clients.iter().copied().filter(is_behind).collect();
        behind.iter().for_each(|&client| self.replay_later(client));
        behind.len()
    }
}

/// Writes the batch of the pass that is under way to the next slice of the clients.
fn offer(shard_channel: &mut ShardChannel, clients: &mut Clients, connections: &mut Connections, now: Tick) -> Offered {
    let keys = &shard_channel.clients;
    let Some(pass) = &mut shard_channel.pass else {
        return Offered::default();
    };
    // Between two slices the audience may have shrunk to less than what has been visited.
    let begin = pass.index.min(keys.len());
    let end = (begin + SLICE_CLIENTS).min(keys.len());
    pass.index = end;
    let (keys, counts) = (&keys[begin..end], &mut shard_channel.counts);
    match shard_channel.coding {
        Coding::Identity => offer_to(InClear::default(), keys, pass, counts, clients, connections, now),
        Coding::Gzip => {
            let audience = Compressed {
                members: &mut shard_channel.members[begin..end],
                clear_bytes: &mut shard_channel.clear_bytes,
            };
            offer_to(audience, keys, pass, counts, clients, connections, now)
        }
    }
}

/// The same where the clients get the batch in the same coding.
fn offer_to(
    mut audience: impl Audience,
    keys: &[ClientKey],
    pass: &mut Pass,
    counts: &mut Counts,
    clients: &mut Clients,
    connections: &mut Connections,
    now: Tick,
) -> Offered {
    let mut offered = Offered {
        visited: keys.len(),
        ..Offered::default()
    };
    let (from, to) = (pass.batch.from, pass.batch.to);
    let entries = to.since(from);
    for (index, &key) in keys.iter().enumerate() {
        let client = &mut clients[key];
        if client.state != ClientState::Live || client.next >= to {
            continue;
        }
        if client.next != from {
            offered.elsewhere.push(key);
            continue;
        }
        let bytes = audience.bytes(&mut pass.batch, client.framing, index);
        match client.sink.send(bytes, connections) {
            Ok(Sent { taken, is_full: false }) => {
                audience.all_taken(&pass.batch, index);
                client.next = to;
                client.active = now;
                counts.deliveries += entries;
                counts.bytes_sent += taken as u64;
            }
            Ok(Sent { taken, is_full: true }) => {
                let left = audience.left(&pass.batch, client.framing, index, taken);
                counts.deliveries += left.next.since(from);
                counts.bytes_sent += taken as u64;
                client.next = left.next;
                client.rest = (!left.rest.is_empty()).then(|| Box::new(left.rest));
                offered.blocked.push(key);
            }
            Err(error) => offered.gone.push((key, reason_of(&error))),
        }
    }
    offered
}
