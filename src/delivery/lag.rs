//! Lagging: looks at clients whose sockets are full, and what the slow-client policy makes of them.

use super::client::{AfterRest, ClientState};
use super::shard::Shard;
use super::slow_client::{self, Decision, Lag, Look};
use crate::log::Cursor;
use crate::metrics::{CloseReason, EvictReason};
use std::time::Duration;

/// How often a blocked client's lag is looked at.
pub(super) const LAG_CHECK_EVERY: Duration = Duration::from_millis(250);

impl Shard {
    pub(super) fn lag(&self, key: u32) -> Lag {
        let client = &self.clients[key as usize];
        let log = self.channels[client.channel_key as usize].channel.log();
        let rest = client.rest.as_ref().map_or(0, |rest| rest.len() as u64);
        let stalled = match client.state {
            ClientState::Blocked => self.clock.tick().since(client.active),
            _ => Duration::ZERO,
        };
        Lag {
            events: log.head().next().since(client.next),
            bytes: log.bytes_from(client.next) + rest,
            stalled,
        }
    }

    /// A client's socket is full.
    pub(super) fn block(&mut self, key: u32) {
        let client = &mut self.clients[key as usize];
        client.state = ClientState::Blocked;
        client.active = self.clock.tick();
        let policy = client.subscription.channel().settings().load().slow_client.policy;
        // A look that is due soon stays: put off at each block, it would never come to one that reads a little all the time.
        if slow_client::blocking_puts_off_looks(policy) || client.armed.since(client.active) > LAG_CHECK_EVERY {
            self.arm(key, LAG_CHECK_EVERY);
        }
        self.waiting_changed(key);
    }

    /// A blocked client: is it too slow?
    pub(super) fn check_lag(&mut self, key: u32) {
        match self.decide(key, false) {
            Decision::Wait => {}
            Decision::Skip => self.clients[key as usize].after_rest = AfterRest::Skip,
            Decision::Evict(reason) => return self.evict(key, reason),
        }
        self.arm(key, LAG_CHECK_EVERY);
    }

    /// The log has let go what a client needs next, which stands between two events.
    pub(super) fn lapsed(&mut self, key: u32) {
        match self.decide(key, true) {
            Decision::Skip => {
                self.clients[key as usize].after_rest = AfterRest::Skip;
                self.replay_later(key);
            }
            Decision::Evict(reason) => self.evict(key, reason),
            Decision::Wait => self.evict(key, EvictReason::Log),
        }
    }

    fn decide(&mut self, key: u32, lapsed: bool) -> Decision {
        let lag = self.lag(key);
        let client = &mut self.clients[key as usize];
        let channel = client.subscription.channel();
        let look = Look {
            lag,
            lapsed,
            holds_upstream: channel.waits_for(lag.events, lag.bytes),
            now: self.clock.tick(),
        };
        slow_client::decide(&channel.settings().load().slow_client, &look, &mut client.slow_state)
    }

    /// Ends the stream of a client that is too slow.
    fn evict(&mut self, key: u32, reason: EvictReason) {
        let lag = self.lag(key);
        let client = &self.clients[key as usize];
        let channel = client.subscription.channel();
        channel.metrics().evictions[reason as usize].increment(1);
        tracing::debug!(
            source = channel.name(),
            peer = %client.peer.address(),
            reason = reason.label(),
            lag_events = lag.events,
            lag_bytes = lag.bytes,
            "slow client evicted"
        );
        self.close(key, CloseReason::Evicted);
    }

    /// A client began to wait for its socket or its turn, moved on, or waits no longer: where the upstream waits for clients,
    /// it has to know.
    pub(super) fn waiting_changed(&mut self, key: u32) {
        let client = &self.clients[key as usize];
        let waits = slow_client::upstream_waits(client.subscription.channel().settings().load().slow_client.policy)
            && matches!(client.state, ClientState::Blocked | ClientState::Replaying);
        let (channel_key, cursor) = (client.channel_key, waits.then_some(client.next));
        self.set_waiting(channel_key, key, cursor);
    }

    pub(super) fn set_waiting(&mut self, channel_key: u32, key: u32, cursor: Option<Cursor>) {
        let shard_channel = &mut self.channels[channel_key as usize];
        if shard_channel.waiting.set(key, cursor) && !shard_channel.waiting_moved {
            shard_channel.waiting_moved = true;
            self.holding.push(channel_key);
        }
    }

    /// Tells the publishing sides how far the slowest clients are, where they wait for them.
    pub(super) fn tell_holds(&mut self) {
        for key in std::mem::take(&mut self.holding) {
            if let Some(shard_channel) = self.channels.get_mut(key as usize) {
                shard_channel.waiting_moved = false;
                shard_channel.tell_progress();
            }
        }
    }
}
