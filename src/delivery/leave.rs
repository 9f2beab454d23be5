//! Leaving: a stream ends in order or is cut, a client is gone, or all are drained.

use super::client::{AfterRest, Client, ClientState, Flow};
use super::clock::TICK;
use super::keys::{ChannelKey, ClientKey};
use super::member::farewell;
use super::shard::Shard;
use super::sink::Sink;
use crate::channel::{Channel, Coding, end_block, retry_block};
use crate::config::Drain;
use crate::metrics::CloseReason;
use std::io::ErrorKind;
use std::time::Duration;

/// How long an evicted client's socket may take to accept the rest of its event and the farewell.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

impl Shard {
    /// Begins to end a stream: the rest of an event that is under way, then the farewell, as the
    /// socket takes them.
    pub(super) fn close(&mut self, key: ClientKey, reason: CloseReason) {
        let now = self.clock.tick();
        let until = match (reason, self.drained_by) {
            (CloseReason::Drained, Some(until)) => until,
            // Nothing is urgent about it: it may take as long as any event may.
            (CloseReason::MaxAge | CloseReason::Ended | CloseReason::Removed, _) => {
                now.plus(self.stall_of(key).max(CLOSE_GRACE))
            }
            _ => now.plus(CLOSE_GRACE),
        };
        let client = &mut self.clients[key];
        client.state = ClientState::Closing(reason);
        client.after_rest = AfterRest::Farewell;
        client.leave_at = until;
        self.arm(key, until.since(now));
        self.waiting_changed(key);
        self.go_on_closing(key);
    }

    fn stall_of(&self, key: ClientKey) -> Duration {
        self.clients[key]
            .subscription
            .channel()
            .settings()
            .load()
            .slow_client
            .stall
    }

    /// Goes on with a stream's end.
    pub(super) fn go_on_closing(&mut self, key: ClientKey) {
        let now = self.clock.tick();
        loop {
            let client = &mut self.clients[key];
            let ClientState::Closing(reason) = client.state else {
                return;
            };
            let shard_channel = &mut self.channels[client.channel_key];
            match client.flush_rest(&mut self.connections, now, &mut shard_channel.counts.bytes_sent) {
                Flow::Done => {}
                Flow::Blocked => return,
                Flow::Broken(_) => return drop(self.remove(key, reason)),
            }
            if client.after_rest == AfterRest::Farewell {
                client.after_rest = AfterRest::Nothing;
                let retry = (reason != CloseReason::Ended)
                    .then(|| shard_channel.channel.opening_retry())
                    .flatten();
                let mut blocks = retry.map(retry_block).unwrap_or_default();
                blocks.extend(end_of(&shard_channel.channel, reason));
                let member = shard_channel.members.get_mut(client.index as usize);
                let farewell = farewell(client.framing, member, blocks.as_bytes());
                client.rest = (!farewell.is_empty()).then(|| Box::new(farewell));
            } else {
                match client.sink.finish(&mut self.connections) {
                    // It goes on when the socket is writable.
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                    _ => {}
                }
                let client = self.remove(key, reason);
                if let Sink::Http2 { connection, .. } = client.sink {
                    self.connections.hold(connection, client.permit);
                    self.settle_idleness(connection);
                }
                return;
            }
        }
    }

    /// The socket didn't take the end in time. Nothing that ends a body has been written inside an
    /// event, so a client can tell that it was cut.
    pub(super) fn cut(&mut self, key: ClientKey) {
        let client = &mut self.clients[key];
        let ClientState::Closing(reason) = client.state else {
            return;
        };
        client.sink.cut(&mut self.connections);
        if reason == CloseReason::Drained {
            client.permit.was_cut();
        }
        self.remove(key, reason);
    }

    /// A client is gone, of its own accord or with its connection. One whose end had begun is
    /// counted by the reason of that.
    pub(super) fn left(&mut self, key: ClientKey, reason: CloseReason) {
        let reason = match self.clients[key].state {
            ClientState::Closing(reason) => reason,
            _ => reason,
        };
        self.remove(key, reason);
    }

    pub(super) fn remove(&mut self, key: ClientKey, reason: CloseReason) -> Client {
        if let Some((account, log)) = self.accounts.close(key, reason) {
            account.tell(&log, &self.clients[key], self.lag(key), self.clock.tick(), reason);
        }
        let client = self.clients.remove(key);
        if let Sink::Http2 { connection, .. } = client.sink {
            // Nothing, if the stream has ended or is gone with its connection.
            client.sink.cut(&mut self.connections);
            self.settle_idleness(connection);
        }
        client.subscription.channel().metrics().closed[reason as usize].increment(1);
        let channel_key = client.channel_key;
        let shard_channel = &mut self.channels[channel_key];
        let index = client.index as usize;
        shard_channel.clients.swap_remove(index);
        if shard_channel.coding == Coding::Gzip {
            shard_channel.members.swap_remove(index);
        }
        if let Some(&moved_key) = shard_channel.clients.get(index) {
            let moved = &mut self.clients[moved_key];
            let old_index = moved.index as usize;
            moved.index = index as u32;
            // It moved from the part that the pass has before it to the part behind it: it reads
            // this batch on its own.
            let passed_over = shard_channel.pass.as_ref().is_some_and(|pass| {
                index < pass.index
                    && old_index >= pass.index
                    && moved.state == ClientState::Live
                    && moved.next < pass.batch.to
            });
            if passed_over {
                self.replay_later(moved_key);
            }
        }
        self.channels.set_waiting(channel_key, key, None);
        self.channels.leave_if_empty(channel_key);
        client
    }

    /// Ends all streams, spread in time.
    pub(super) fn drain(&mut self, drain: &Drain) {
        let now = self.clock.tick();
        // A tick before the process cuts what is left: the counters then say how many were cut.
        let time = drain.timeout.saturating_sub(10 * TICK);
        let until = now.plus(time);
        self.drained_by = Some(until);
        self.announce_leaving();
        let keys: Vec<_> = self.clients.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.leave_within(key, drain.spread.min(time), CloseReason::Drained);
        }
    }

    /// Ends a stream at some time within the spread.
    fn leave_within(&mut self, key: ClientKey, spread: Duration, reason: CloseReason) {
        let now = self.clock.tick();
        let client = &mut self.clients[key];
        if let ClientState::Closing(_) = client.state {
            return;
        }
        let delay = spread.mul_f64(fastrand::f64());
        if client.leaves == Some(CloseReason::Expired) && now.plus(delay).reached(client.leave_at) {
            return; // Before its turn: it is in the timers for that.
        }
        client.leaves = Some(reason);
        client.leave_at = now.plus(delay);
        self.arm(key, delay);
    }

    /// Ends all streams of a channel whose source is no more, as it says. A drain of the process
    /// goes before.
    pub(super) fn leave_removed(&mut self, key: ChannelKey) {
        let shard_channel = &mut self.channels[key];
        let Some(removal) = shard_channel.channel.removal() else {
            return;
        };
        if std::mem::replace(&mut shard_channel.is_leaving, true) || self.drained_by.is_some() {
            return;
        }
        for client in self.channels[key].clients.clone() {
            self.leave_within(client, removal.spread, CloseReason::Removed);
        }
    }
}

/// Why a stream ends, where the source names an event for that.
fn end_of(channel: &Channel, reason: CloseReason) -> Option<String> {
    let reason = match reason {
        CloseReason::Drained => "drain",
        CloseReason::MaxAge => "max_age",
        CloseReason::Evicted => "slow",
        CloseReason::Ended => "ended",
        CloseReason::Removed => "removed",
        CloseReason::Expired => "expired",
        CloseReason::Client | CloseReason::Error | CloseReason::HandedOver => return None,
    };
    let settings = channel.settings().load();
    settings
        .end_event
        .as_deref()
        .map(|event_type| end_block(event_type, reason))
}
