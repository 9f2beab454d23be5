//! A shard adopts a client that a predecessor process has given: it goes on where that one stopped.

use super::carried::CarriedState;
use super::client::{AfterRest, Client, ClientState, Peer};
use super::intake::Intake;
use super::keys::ClientKey;
use super::lag::LAG_CHECK_EVERY;
use super::mailbox::WakeFlag;
use super::member::Member;
use super::shard::Shard;
use super::shard_channel::ShardChannel;
use super::sink::Sink;
use super::taking::TakenClient;
use crate::gzip::Sum;
use crate::metrics::CloseReason;
use std::time::Duration;

impl Shard {
    /// Goes on with a client, whose socket `intake` watches from now on.
    pub(super) fn adopt(&mut self, taken: TakenClient, intake: &Intake) {
        let TakenClient {
            carried,
            rest,
            mut stream,
            subscription,
            permit,
            leaves,
        } = taken;
        let reference = self.clients.next_ref();
        if let Err(error) = intake.watch(&mut stream, reference) {
            return tracing::warn!(peer = %carried.peer, %error, "client cut: its socket can't be watched");
        }
        let channel = subscription.channel().clone();
        let mailbox_sender = &self.mailbox_sender;
        let coding = carried.coding();
        let side = |key| ShardChannel::new(channel.clone(), coding, WakeFlag::new(mailbox_sender.clone(), key));
        let channel_key = self.channels.key_of(&channel, coding, side);
        let now = self.clock.tick();
        let ago = |ms| now.minus(Duration::from_millis(ms));
        let shard_channel = &mut self.channels[channel_key];
        let client = Client {
            sink: Sink::Own(stream),
            next: carried.next(),
            rest: rest.map(Box::new),
            subscription,
            permit,
            peer: Peer::new(carried.peer),
            channel_key,
            index: shard_channel.clients.len() as u32,
            generation: reference.generation,
            active: ago(carried.active_ms),
            opened: ago(carried.opened_ms),
            // It does not stand in the timers yet.
            armed: now,
            leave_at: carried
                .leaves
                .as_ref()
                .map_or(now, |leave| now.plus(Duration::from_millis(leave.in_ms))),
            leaves,
            slow_state: carried.slow_state.taken(now),
            state: ClientState::Replaying,
            after_rest: carried.after_rest.into(),
            framing: carried.framing(),
            has_caught_up: carried.has_caught_up,
        };
        shard_channel.clients.push(reference.key);
        let sum = carried.gzip.map(Sum::of_numbers);
        shard_channel.members.extend(sum.map(Member::going_on));
        // What it got before is not counted: only the place where it is now came along.
        self.accounts.open(reference.key, &client, None);
        let key = self.clients.insert(client);
        match (carried.state, leaves) {
            (CarriedState::Closing, Some(reason)) => self.go_on_ending(key, reason),
            (state, _) => self.go_on(key, state),
        }
    }

    fn go_on_ending(&mut self, key: ClientKey, reason: CloseReason) {
        let delay = self.clients[key].leave_at.since(self.clock.tick());
        let client = &mut self.clients[key];
        client.leaves = None;
        client.state = ClientState::Closing(reason);
        self.arm(key, delay);
        self.go_on_closing(key);
    }

    fn go_on(&mut self, key: ClientKey, state: CarriedState) {
        self.limit_life_on(key);
        let client = &self.clients[key];
        let is_between = client.rest.is_none() && client.after_rest == AfterRest::Log;
        match state {
            // The poll says when it is writable, also if it is by now.
            CarriedState::Blocked => {
                self.clients[key].state = ClientState::Blocked;
                self.arm(key, LAG_CHECK_EVERY);
                self.waiting_changed(key);
            }
            CarriedState::Live if self.waits_for_its_turn(key) => {
                self.clients[key].state = ClientState::Live;
                let delay = self.until_look(key);
                self.arm(key, delay);
            }
            _ if is_between => self.settle(key),
            _ => {
                self.replay_later(key);
                let delay = self.until_look(key);
                self.arm(key, delay);
            }
        }
    }
}
