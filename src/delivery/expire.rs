//! How long a client's stream may live: what let it in expires or is taken away, it grows too old,
//! or the process leaves. The first of these ends it.

use super::client::{Client, ClientState};
use super::clock::{TICK, Tick};
use super::join::jittered;
use super::keys::ClientKey;
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
        if let Some(removal) = client.subscription.channel().removal() {
            // It was on its way here as its source went.
            let at = now.plus(removal.spread.mul_f64(fastrand::f64()));
            leave_by(client, CloseReason::Removed, at);
        }
        if !source.max_age.is_zero() {
            let at = now.plus(jittered(source.max_age, MAX_AGE_JITTER));
            leave_by(client, CloseReason::MaxAge, at);
        }
        if let Some(at) = self.expires(client, now) {
            leave_by(client, CloseReason::Expired, at);
        }
    }

    /// When what let a client in expires; now, if it has been taken away.
    fn expires(&self, client: &Client, now: Tick) -> Option<Tick> {
        if !self.may_stay(client) {
            return Some(now);
        }
        let expires = client.permit.grant().and_then(|grant| grant.expires)?;
        let left = expires.duration_since(SystemTime::now()).unwrap_or_default();
        // Not before: a client that came back at once would be let in again.
        Some(self.clock.tick_in(left.min(FAR)))
    }

    /// Another `max_age` is in force. A stream that is older than allowed by now ends some time within
    /// another one: else all of them would come back together.
    pub(super) fn limit_age_anew(&mut self, key: ClientKey, max_age: Duration) {
        let now = self.clock.tick();
        let expires = self.expires(&self.clients[key], now);
        let client = &mut self.clients[key];
        match client.leaves {
            None | Some(CloseReason::MaxAge | CloseReason::Expired) => client.leaves = None,
            Some(_) => return,
        }
        if !max_age.is_zero() {
            let at = client.opened.plus(jittered(max_age, MAX_AGE_JITTER));
            let at = match now.reached(at) {
                true => now.plus(max_age.mul_f64(fastrand::f64())),
                false => at,
            };
            leave_by(client, CloseReason::MaxAge, at);
        }
        if let Some(at) = expires {
            leave_by(client, CloseReason::Expired, at);
        }
    }

    /// The same for a client that comes from another process, where its end was known already. One that
    /// was to grow as old as it may here does so; another gets an age of this configuration's.
    pub(super) fn limit_life_on(&mut self, key: ClientKey) {
        let now = self.clock.tick();
        if self.drained_by.is_some() {
            return leave_by(&mut self.clients[key], CloseReason::Drained, now);
        }
        let max_age = self.clients[key].subscription.channel().settings().load().max_age;
        let client = &self.clients[key];
        let age = client.leave_at.since(client.opened);
        let is_as_here = !max_age.is_zero() && age.abs_diff(max_age) <= max_age.mul_f64(MAX_AGE_JITTER) + 4 * TICK;
        if client.leaves != Some(CloseReason::MaxAge) || !is_as_here {
            return self.limit_age_anew(key, max_age);
        }
        if let Some(at) = self.expires(client, now) {
            leave_by(&mut self.clients[key], CloseReason::Expired, at);
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
