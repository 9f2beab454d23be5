//! Lagging: looks at clients whose sockets are full, and what the slow-client policy makes of them.

use super::client::{AfterRest, ClientState};
use super::keys::ClientKey;
use super::shard::Shard;
use super::sink::Sink;
use super::slow_client::{self, Decision, Lag, Look};
use crate::metrics::{CloseReason, EvictReason};
use std::time::Duration;

/// How often a blocked client's lag is looked at.
pub(super) const LAG_CHECK_EVERY: Duration = Duration::from_millis(250);

impl Shard {
    pub(super) fn lag(&self, key: ClientKey) -> Lag {
        let client = &self.clients[key];
        let log = self.channels[client.channel_key].channel.log();
        let rest = client.rest.as_ref().map_or(0, |rest| rest.len() as u64);
        let stalled = match client.state {
            ClientState::Blocked => self.clock.tick().since(client.active),
            _ => Duration::ZERO,
        };
        Lag {
            events: log.head().next().since(client.next),
            bytes: log.bytes_from(client.next) + rest + client.sink.unread(&self.connections),
            stalled,
        }
    }

    /// On a stream of HTTP/2, what is in flight and not read is a lag too: no more of it is allowed
    /// than the policy allows behind the head.
    pub(super) fn bound_unread(&mut self, key: ClientKey) {
        let client = &self.clients[key];
        if let Sink::Http2 { connection, stream } = client.sink {
            let bytes = client.subscription.channel().settings().load().slow_client.bytes;
            self.connections.set_unread_max(connection, stream, bytes);
        }
    }

    /// A client's socket is full, or its window shut.
    pub(super) fn block(&mut self, key: ClientKey) {
        let now = self.clock.tick();
        let client = &mut self.clients[key];
        client.state = ClientState::Blocked;
        client.active = now;
        let policy = client.subscription.channel().settings().load().slow_client.policy;
        // A look that is due soon stays: put off at each block, it would never come to one that
        // reads a little all the time. One that has come up (this may be it) does not count.
        let is_due_soon = !now.reached(client.armed) && client.armed.since(now) <= LAG_CHECK_EVERY;
        if slow_client::blocking_puts_off_looks(policy) || !is_due_soon {
            self.arm(key, LAG_CHECK_EVERY);
        }
        self.waiting_changed(key);
    }

    /// A blocked client: is it too slow?
    pub(super) fn check_lag(&mut self, key: ClientKey) {
        self.bound_unread(key);
        // Under settings that were replaced in between, the upstream may wait for it from now on,
        // or no longer.
        self.waiting_changed(key);
        match self.decide(key, false) {
            Decision::Wait => {}
            Decision::Skip => self.clients[key].after_rest = AfterRest::Skip,
            Decision::Evict(reason) => return self.evict(key, reason),
        }
        self.arm(key, LAG_CHECK_EVERY);
    }

    /// The log has let go what a client needs next, which stands between two events.
    pub(super) fn lapsed(&mut self, key: ClientKey) {
        match self.decide(key, true) {
            Decision::Skip => {
                self.clients[key].after_rest = AfterRest::Skip;
                self.replay_later(key);
            }
            Decision::Evict(reason) => self.evict(key, reason),
            Decision::Wait => self.evict(key, EvictReason::Log),
        }
    }

    fn decide(&mut self, key: ClientKey, lapsed: bool) -> Decision {
        let lag = self.lag(key);
        let client = &mut self.clients[key];
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
    fn evict(&mut self, key: ClientKey, reason: EvictReason) {
        let lag = self.lag(key);
        let client = &self.clients[key];
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
}
