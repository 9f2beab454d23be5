//! A look at each connection once a second: what has been waited for too long.

use crate::delivery::clock::Tick;
use crate::delivery::keys::ConnectionKey;
use crate::delivery::shard::Shard;
use crate::h2::ErrorCode;
use crate::metrics::CloseReason;
use std::time::Duration;

/// How often each connection is looked at: its deadlines are this exact.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Connections looked at in one turn.
const LOOKS_PER_TURN: usize = 512;
/// A connection from which nothing has come for so long is asked for a sign of life: less than the
/// minute after which home routers forget a connection.
const ASK_AFTER: Duration = Duration::from_secs(45);
/// How long that may take: longer than a phone needs to find its network again.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// After it was told to make no more requests, how long those that are on their way may take.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

/// What is to be done about a connection.
enum Verdict {
    GoesOn,
    /// A head, or the first request, does not come.
    TooLate,
    /// It has no streams any more, and is leaving or has been idle for long.
    Over,
    /// It gives no sign of life.
    Dead,
    Ask,
    /// Those requests that were on their way have come.
    TakesNoMore,
}

impl Shard {
    /// Looks at some connections, if that is due.
    pub(super) fn sweep(&mut self) {
        let now = self.clock.tick();
        if self.connections.sweep_at >= self.connections.slab.capacity() {
            if !now.reached(self.connections.sweep_due) {
                return;
            }
            self.connections.sweep_due = now.plus(SWEEP_EVERY);
            self.connections.sweep_at = 0;
        }
        for _ in 0..LOOKS_PER_TURN {
            let at = self.connections.sweep_at;
            if at >= self.connections.slab.capacity() {
                self.connections.sweep_at = usize::MAX;
                return;
            }
            self.connections.sweep_at += 1;
            if self.connections.slab.contains(at) {
                self.look_at_connection(ConnectionKey::new(at), now);
            }
        }
    }

    /// How long no look at connections is due.
    pub(in crate::delivery) fn until_sweep(&self) -> Option<Duration> {
        if self.connections.is_empty() {
            return None;
        }
        let is_under_way = self.connections.sweep_at < self.connections.slab.capacity();
        let due = self.connections.sweep_due.since(self.clock.tick());
        Some(if is_under_way { Duration::ZERO } else { due })
    }

    fn look_at_connection(&mut self, key: ConnectionKey, now: Tick) {
        match self.verdict(key, now) {
            Verdict::GoesOn => {}
            Verdict::TooLate => {
                let connection = &mut self.connections.slab[key.index()];
                tracing::debug!(peer = %connection.peer, "the request did not come in time");
                connection.requests.too_late();
                connection.protocol.leave(ErrorCode::NoError);
                self.connections.write_out(key);
                self.disconnected(key, CloseReason::Error);
            }
            Verdict::Over => self.close_idle(key),
            Verdict::Dead => self.disconnected(key, CloseReason::Error),
            Verdict::Ask => {
                let connection = &mut self.connections.slab[key.index()];
                connection.is_asked = true;
                connection.protocol.ping();
                self.connections.has_output(key);
            }
            Verdict::TakesNoMore => {
                self.connections.slab[key.index()].protocol.leave(ErrorCode::NoError);
                self.connections.has_output(key);
            }
        }
    }

    fn verdict(&mut self, key: ConnectionKey, now: Tick) -> Verdict {
        let connection = &self.connections.slab[key.index()];
        let limits = connection.requests.limits();
        let has_streams = connection.protocol.streams() > 0;
        let is_late = |since: Tick| now.since(since) >= limits.header_timeout;
        let never_asked = !connection.protocol.has_requests() && is_late(connection.idle_since);
        if never_asked || connection.head_since.is_some_and(is_late) {
            return Verdict::TooLate;
        }
        if !has_streams {
            let is_over = connection.protocol.is_leaving() || now.since(connection.idle_since) >= limits.keep_alive;
            if is_over {
                return Verdict::Over;
            }
        }
        let announced = connection.announced.filter(|_| !connection.protocol.is_leaving());
        if announced.is_some_and(|announced| now.since(announced) >= LAST_REQUESTS) {
            return Verdict::TakesNoMore;
        }
        let silent = now.since(connection.heard);
        if connection.is_asked {
            return match silent >= ASK_AFTER + ANSWER_WITHIN {
                true => Verdict::Dead,
                false => Verdict::GoesOn,
            };
        }
        match has_streams && silent >= ASK_AFTER {
            true => Verdict::Ask,
            false => Verdict::GoesOn,
        }
    }
}
