//! How long a client's stream may live: what let it in expires or is taken away, it grows too old,
//! or the process leaves. The first of these ends it.

use super::client::{Client, ClientState};
use super::clock::Tick;
use super::join::jittered;
use super::shard::Shard;
use super::still_holds::StillHolds;
use crate::config::Source;
use crate::metrics::CloseReason;
use std::time::{Duration, SystemTime};

/// `max_age` differs from client to client, else all would come back together.
const MAX_AGE_JITTER: f64 = 0.1;

/// What expires later than this is looked at again before: ticks don't reach farther.
const FAR: Duration = Duration::from_secs(180 * 24 * 3600);

impl Shard {
    /// When a new client's stream has to end, as far as that is known.
    pub(super) fn limit_life(&self, client: &mut Client, source: &Source, now: Tick) {
        if self.drained_by.is_some() {
            return leave_by(client, CloseReason::Drained, now);
        }
        if !source.max_age.is_zero() {
            leave_by(
                client,
                CloseReason::MaxAge,
                now.plus(jittered(source.max_age, MAX_AGE_JITTER)),
            );
        }
        let expires = client.permit.grant().and_then(|grant| grant.expires);
        if !self.may_stay(client) {
            leave_by(client, CloseReason::Expired, now);
        } else if let Some(expires) = expires {
            let left = expires.duration_since(SystemTime::now()).unwrap_or_default();
            leave_by(client, CloseReason::Expired, now.plus(left.min(FAR)));
        }
    }

    fn may_stay(&self, client: &Client) -> bool {
        let grant = client.permit.grant().map(|grant| &**grant);
        let holds = self.holds.as_ref();
        holds.is_none_or(|holds| holds(client.subscription.channel(), grant))
    }

    /// From now on only those may stay: the streams of the others end.
    pub(super) fn expire(&mut self, holds: StillHolds) {
        self.holds = Some(holds);
        let now = self.clock.tick();
        let keys: Vec<_> = self.clients.iter().map(|(key, _)| key).collect();
        for key in keys {
            if self.may_stay(&self.clients[key]) || matches!(self.clients[key].state, ClientState::Closing(_)) {
                continue;
            }
            leave_by(&mut self.clients[key], CloseReason::Expired, now);
            self.arm(key, Duration::ZERO);
        }
    }
}

/// A client's stream ends then, unless it does before.
pub(super) fn leave_by(client: &mut Client, reason: CloseReason, at: Tick) {
    if client.leaves.is_none() || !at.reached(client.leave_at) {
        client.leaves = Some(reason);
        client.leave_at = at;
    }
}
