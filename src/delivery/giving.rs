//! A shard gives its clients to a successor process: it stops, tells what each of them is, and has
//! them until it is told that the successor does. Then it lets go of them without a word, or goes on
//! as if nothing had been.

use super::carried::{CarriedClient, CarriedGrant, CarriedLeave, CarriedRest, CarriedSlowState, CarriedState, millis};
use super::client::{Client, ClientState};
use super::framing::Framing;
use super::intake::Intake;
use super::keys::ClientKey;
use super::shard::Shard;
use super::sink::Sink;
use super::taker::{CARRIED_PER_BATCH, ChannelPlaces, Taker};
use crate::log::Read;
use crate::metrics::{CloseReason, Protocol};
use crate::net::Stream;
use bytes::Bytes;
use std::io;
use std::os::fd::AsFd as _;

/// Bytes of a client that are not the log's: one whose rest is longer stays. Mostly these are a head,
/// or an event that the log has let go.
const OWN_REST_MAX: usize = 2 << 20;
/// The same of all clients of a shard: rests that share memory here would not there.
const OWN_RESTS_MAX: usize = 32 << 20;
/// The same of those that are given at one time, but for one client.
const BATCH_RESTS_MAX: usize = 4 << 20;

impl Shard {
    /// Gives the clients that can go over: on sockets of their own, in clear text, of channels that do.
    /// Returns which these were.
    pub(super) fn give(&self, channels: &ChannelPlaces, taker: &dyn Taker) -> io::Result<Vec<ClientKey>> {
        let mut given = Vec::new();
        let (mut own_rests, mut in_batch) = (0, 0);
        let (mut clients, mut sockets) = (Vec::new(), Vec::new());
        for (key, client) in self.clients.iter() {
            let Some((carried, stream)) = self.carried(client, channels) else {
                continue;
            };
            if let CarriedRest::Own(rest) = &carried.rest {
                if rest.len() > OWN_REST_MAX || own_rests + rest.len() > OWN_RESTS_MAX {
                    continue;
                }
                own_rests += rest.len();
                in_batch += rest.len();
            }
            given.push(key);
            clients.push(carried);
            sockets.push(stream.as_fd());
            if clients.len() == CARRIED_PER_BATCH || in_batch > BATCH_RESTS_MAX {
                taker.clients(&clients, &sockets)?;
                clients.clear();
                sockets.clear();
                in_batch = 0;
            }
        }
        if !clients.is_empty() {
            taker.clients(&clients, &sockets)?;
        }
        Ok(given)
    }

    fn carried<'a>(&self, client: &'a Client, channels: &ChannelPlaces) -> Option<(CarriedClient, &'a Stream)> {
        let Sink::Own(stream) = &client.sink else {
            return None;
        };
        if stream.tls().is_some() {
            return None;
        }
        let now = self.clock.tick();
        let leave = |reason| CarriedLeave::new(reason, client.leave_at.since(now));
        let (state, leaves) = match client.state {
            ClientState::Live => (CarriedState::Live, client.leaves.map(leave)),
            ClientState::Replaying => (CarriedState::Replaying, client.leaves.map(leave)),
            ClientState::Blocked => (CarriedState::Blocked, client.leaves.map(leave)),
            ClientState::Closing(reason) => (CarriedState::Closing, Some(leave(reason))),
        };
        let carried = CarriedClient {
            channel: channels.place(client.subscription.channel())?,
            is_http10: client.subscription.protocol() == Protocol::Http10,
            is_chunked: client.framing == Framing::Chunked,
            next: client.next.get(),
            rest: carried_rest(client),
            after_rest: client.after_rest.into(),
            state,
            has_caught_up: client.has_caught_up,
            slow_state: CarriedSlowState::of(client.slow_state, now),
            active_ms: millis(now.since(client.active)),
            opened_ms: millis(now.since(client.opened)),
            leaves,
            peer: client.peer.address(),
            grant: client.permit.grant().map(|grant| CarriedGrant::of(grant)),
            gzip: self.channels[client.channel_key]
                .members
                .get(client.index as usize)
                .map(|member| member.sum.numbers()),
        };
        Some((carried, stream))
    }

    /// Lets go of clients that the successor has: not a byte is written, and their sockets stay as
    /// they are.
    pub(super) fn let_go(&mut self, given: Vec<ClientKey>, intake: &Intake) {
        for key in given {
            if let Sink::Own(stream) = &mut self.clients[key].sink {
                // The poll would go on telling of it, since the socket stays open elsewhere.
                intake.unwatch(stream);
            }
            self.remove(key, CloseReason::HandedOver);
        }
    }
}

/// A rest that is the end of the entry before is told as that: mostly it is one, and the successor has
/// the entry.
fn carried_rest(client: &Client) -> CarriedRest {
    let Some(rest) = &client.rest else {
        return CarriedRest::Nothing;
    };
    match is_of_entry(client, rest) {
        true => CarriedRest::OfEntry(rest.len() as u64),
        false => CarriedRest::Own(rest.to_vec()),
    }
}

/// Whether a rest is the same memory as the end of the entry before `next`.
fn is_of_entry(client: &Client, rest: &Bytes) -> bool {
    let Read::Entry(entry) = client.subscription.channel().log().read(client.next.before()) else {
        return false;
    };
    let whole = client.framing.of(&entry);
    whole.len() >= rest.len() && whole[whole.len() - rest.len()..].as_ptr() == rest.as_ptr()
}
