//! Looks at clients whose time has come: a heartbeat, the end of a stream, a lag that goes on for
//! too long.

use super::client::{ClientState, Flow};
use super::clock::TICK;
use super::keys::{ChannelKey, ClientKey};
use super::lag::LAG_CHECK_EVERY;
use super::shard::Shard;
use std::time::Duration;

/// Looks made in one turn: some of them close a socket.
const LOOKS_PER_TURN: usize = 64;
/// The farthest that a client is looked at again when nothing is due.
const LOOK_MAX: Duration = Duration::from_secs(40);

impl Shard {
    /// Makes some of the looks that are due.
    pub(super) fn looks(&mut self) {
        self.clients.turn_timers(self.clock.ticks());
        for _ in 0..LOOKS_PER_TURN {
            let Some(next) = self.clients.next_due() else { break };
            if let Some(key) = next {
                self.look(key);
            }
        }
    }

    /// A client's entry in the wheel came up.
    fn look(&mut self, key: ClientKey) {
        let now = self.clock.tick();
        let client = &self.clients[key];
        if !now.reached(client.armed) {
            return; // Stale: it has been entered anew for later.
        }
        if let ClientState::Closing(_) = client.state {
            return if now.reached(client.leave_at) {
                self.cut(key)
            } else {
                self.arm(key, client.leave_at.since(now))
            };
        }
        if let Some(reason) = client.leaves
            && now.reached(client.leave_at)
        {
            return self.close(key, reason);
        }
        match client.state {
            ClientState::Live => self.heartbeat(key),
            ClientState::Blocked => self.check_lag(key),
            ClientState::Replaying | ClientState::Closing(_) => self.arm(key, LAG_CHECK_EVERY),
        }
    }

    /// Where a channel's settings have been replaced, its clients are looked at by the new ones:
    /// also those whose next look was far away.
    pub(super) fn follow_settings(&mut self, key: ChannelKey) {
        let Some((before, now)) = self.channels[key].replaced_settings() else {
            return;
        };
        let age_changed = before.max_age != now.max_age;
        if !age_changed && before.heartbeat.every == now.heartbeat.every {
            return;
        }
        for client in self.channels[key].clients.clone() {
            if let ClientState::Closing(_) = self.clients[client].state {
                continue;
            }
            if age_changed {
                self.limit_age_anew(client, now.max_age);
            }
            // The others are looked at soon.
            if self.clients[client].state == ClientState::Live {
                let delay = self.until_look(client);
                self.arm(client, delay);
            }
        }
    }

    /// When a client that is not blocked has to be looked at next.
    pub(super) fn until_look(&self, key: ClientKey) -> Duration {
        let now = self.clock.tick();
        let client = &self.clients[key];
        let every = client.subscription.channel().settings().load().heartbeat.every;
        let mut delay = LOOK_MAX;
        if !every.is_zero() {
            delay = delay.min(every.saturating_sub(now.since(client.active)));
        }
        if client.leaves.is_some() {
            delay = delay.min(client.leave_at.since(now));
        }
        delay.max(TICK)
    }

    /// A quiet client gets a heartbeat. It is live, so nothing of an event is under way to it.
    fn heartbeat(&mut self, key: ClientKey) {
        let now = self.clock.tick();
        self.bound_unread(key);
        let client = &mut self.clients[key];
        let every = client.subscription.channel().settings().load().heartbeat.every;
        if !every.is_zero() && now.since(client.active) >= every {
            let shard_channel = &mut self.channels[client.channel_key];
            let beat = shard_channel.heartbeat(client);
            match client.write_own(beat, &mut self.connections, now, &mut shard_channel.counts.bytes_sent) {
                Flow::Done => {}
                Flow::Blocked => return self.block(key),
                Flow::Broken(reason) => return self.left(key, reason),
            }
        }
        let delay = self.until_look(key);
        self.arm(key, delay);
    }
}
