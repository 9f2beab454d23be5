//! `stagger`: the clients of a channel get an event one after the other over some time, for events
//! on which each fetches something.
//!
//! A cursor goes round the channel's clients once per `stagger`, as long as one is behind; the
//! client that it reaches gets everything up to the head. So each client gets an event within
//! `stagger`, in order, and a flood of events moves no faster than one.

use super::client::ClientState;
use super::keys::{ChannelKey, ClientKey};
use super::shard::Shard;
use crate::log::Cursor;
use std::time::{Duration, Instant};

/// Clients that one channel's cursor reaches in one turn of the shard.
const VISITS_PER_TURN: usize = 256;

impl Shard {
    /// Looks at the log for a channel that staggers. Returns how much work that was.
    pub(super) fn stagger(&mut self, key: ChannelKey) -> usize {
        let now = self.clock.now();
        let shard_channel = &mut self.channels[key];
        let Some(from) = shard_channel.take_news() else {
            return 1 + self.end_streams(key);
        };
        let clients = shard_channel.clients.len();
        let Some(cursor) = &mut shard_channel.cursor else {
            return 1;
        };
        cursor.begin(clients, from, now);
        let from = cursor.from();
        if shard_channel.is_too_much(from) {
            self.end_stagger(key);
        } else {
            self.channels.staggering.push(key);
        }
        // Once more: the flag was cleared before the look.
        self.channels.working.push(key);
        1
    }

    /// Moves the cursors that are under way.
    pub(super) fn staggers(&mut self) {
        let now = self.clock.now();
        for _ in 0..self.channels.staggering.len() {
            let Some(key) = self.channels.staggering.pop() else {
                break;
            };
            if self.advance_stagger(key, now) {
                self.channels.staggering.push(key);
            } else {
                self.end_stagger(key);
            }
        }
    }

    /// Whether the round goes on.
    fn advance_stagger(&mut self, key: ChannelKey, now: Instant) -> bool {
        for _ in 0..VISITS_PER_TURN {
            let shard_channel = &mut self.channels[key];
            let clients = shard_channel.clients.len();
            let due = shard_channel
                .cursor
                .as_mut()
                .and_then(|cursor| cursor.next(clients, now));
            let Some(index) = due else { break };
            let (client, next) = (shard_channel.clients[index], shard_channel.next);
            self.deliver_up_to(client, next);
        }
        let cursor = &self.channels[key].cursor;
        cursor.as_ref().is_some_and(|cursor| cursor.is_under_way())
    }

    /// Clients that the cursor has missed, since indices change as clients leave, are not left
    /// behind.
    pub(super) fn end_stagger(&mut self, key: ChannelKey) {
        let shard_channel = &mut self.channels[key];
        if let Some(cursor) = &mut shard_channel.cursor {
            cursor.stop();
        }
        let (clients, next) = (shard_channel.clients.clone(), shard_channel.next);
        clients.into_iter().for_each(|client| self.deliver_up_to(client, next));
    }

    fn deliver_up_to(&mut self, key: ClientKey, next: Cursor) {
        let client = &self.clients[key];
        if client.state == ClientState::Live && client.next < next {
            self.replay_later(key);
        }
    }

    /// Whether a live client that comes from another process is behind only because the cursor has not
    /// come to it there: then it is among those to whom the way round leads here.
    pub(super) fn waits_for_its_turn(&mut self, key: ClientKey) -> bool {
        let now = self.clock.now();
        let (channel_key, next) = (self.clients[key].channel_key, self.clients[key].next);
        let shard_channel = &mut self.channels[channel_key];
        if next >= shard_channel.next || !shard_channel.follow_stagger() {
            return false;
        }
        let clients = shard_channel.clients.len();
        if let Some(cursor) = &mut shard_channel.cursor {
            cursor.begin(clients, next, now);
        }
        self.channels.staggering.push(channel_key);
        true
    }

    /// When the next visit of any cursor is due.
    pub(super) fn until_next_visit(&self) -> Option<Duration> {
        let cursors = self.channels.staggering.iter();
        let cursors = cursors.filter_map(|key| self.channels[key].cursor.as_ref());
        let due = cursors.map(|cursor| cursor.wakes_at()).min()?;
        Some(due.saturating_duration_since(self.clock.now()))
    }
}
