//! What the clock brings: connections that are due, churn, cuts, slow readers, the report to the
//! driver.

use super::Swarm;
use crate::clock::{SECOND_NS, now_ns};
use crate::control::{SwarmReport, Tick, say};
use crate::swarm::client::{Client, Stage};
use crate::swarm::fetch::Fetcher;
use fanfare::crowd::Rate;
use std::cmp::Reverse;
use std::time::Duration;

/// From the connection's beginning to the response head.
const OPEN_TIMEOUT_NS: u64 = 30 * SECOND_NS;
/// How often connections that take too long are looked for.
pub(super) const TIMEOUT_CHECK_NS: u64 = SECOND_NS;
/// How often the driver hears where we stand; oftener while it waits for something.
const TICK_NS: u64 = SECOND_NS / 5;
const TICK_AWAITING_NS: u64 = SECOND_NS / 50;
/// How often connections are opened while a rate is to be kept, and slow readers read.
const PACE_NS: u64 = SECOND_NS / 500;
pub(super) const SLOW_NS: u64 = SECOND_NS / 20;

impl Swarm {
    /// Until the next thing that the clock brings.
    pub(super) fn timeout(&self) -> Duration {
        let now = now_ns();
        let mut next = self.next_tick_ns.min(self.next_timeout_check_ns);
        if self.opened_to < self.wanted && !self.held || self.churn.is_some() {
            next = next.min(now + PACE_NS);
        }
        if self.totals.slow > 0 {
            next = next.min(self.next_slow_ns);
        }
        if let Some((_, cut)) = self.half_cut {
            next = next.min(cut);
        }
        if let Some(Reverse((due, _))) = self.reconnects.peek() {
            next = next.min((*due).max(now + if self.held { TICK_NS } else { PACE_NS }));
        }
        Duration::from_nanos(next.saturating_sub(now))
    }

    pub(super) fn timers(&mut self) {
        self.send_restless();
        if let Some(fetcher) = &mut self.fetcher {
            fetcher.hand_over();
        }
        let now = now_ns();
        self.open_due(now);
        self.reopen_due(now);
        if let Some(mut churn) = self.churn {
            for _ in 0..churn.due(now) {
                churn.done += 1;
                self.churn_one();
            }
            self.churn = Some(churn);
        }
        if let Some((every_ns, next_ns)) = &mut self.half_cut
            && now >= *next_ns
        {
            *next_ns = now + *every_ns;
            self.cut_half();
        }
        if self.totals.slow > 0 && now >= self.next_slow_ns {
            self.next_slow_ns = now + SLOW_NS;
            self.read_slow(now);
        }
        if now >= self.next_timeout_check_ns {
            self.next_timeout_check_ns = now + TIMEOUT_CHECK_NS;
            self.check_timeouts(now);
        }
        // The driver times storms by this: it must not wait for the next regular tick.
        let complete = self.wanted > 0 && self.live as usize >= self.wanted;
        if std::mem::replace(&mut self.was_complete, complete) != complete || now >= self.next_tick_ns {
            self.tick(now);
        }
    }

    /// Opens the connections that the rate allows by now.
    fn open_due(&mut self, now: u64) {
        let mut due = if self.opened_to < self.wanted && !self.held {
            self.rate.due(now)
        } else {
            0
        };
        while due > 0 && self.opened_to < self.wanted && self.connecting < self.setup.connecting_max {
            let index = self.opened_to;
            self.opened_to += 1;
            if matches!(self.clients[index].stage, Stage::Away) {
                self.rate.done += 1;
                due -= 1;
                self.connect(index);
            }
        }
    }

    /// Opens the connections of clients whose reconnection time is over.
    fn reopen_due(&mut self, now: u64) {
        while !self.held
            && self.connecting < self.setup.connecting_max
            && self.reconnects.peek().is_some_and(|Reverse((due, _))| *due <= now)
            && let Some(Reverse((_, index))) = self.reconnects.pop()
        {
            let index = index as usize;
            if matches!(self.clients[index].stage, Stage::Away) && index < self.wanted {
                self.connect(index);
            }
        }
    }

    fn tick(&mut self, now: u64) {
        let awaits = self.behind.awaited > 0;
        self.next_tick_ns = now + if awaits { TICK_AWAITING_NS } else { TICK_NS };
        let (behind, awaiting) = (self.behind(now), self.behind.awaited);
        say(&SwarmReport::Tick(Tick {
            live: self.live,
            opened: self.totals.opened,
            given_up: self.totals.given_up,
            delivered: self.counts.delivered,
            latencies: self.latencies,
            bytes: self.bytes,
            refused: self.totals.refused_connections + self.refused_statuses.values().sum::<u64>(),
            behind,
            awaiting,
            newest: self.newest,
            fetching: self.fetcher.as_ref().map_or(0, Fetcher::open),
            fetched_ns: self.fetcher.as_ref().map_or(0, Fetcher::answered_ns),
        }));
        self.latencies[2] = 0;
    }

    /// A client leaves and comes back at once.
    fn churn_one(&mut self) {
        /// Tries to find one that is live: most are.
        const TRIES: usize = 16;
        for _ in 0..TRIES {
            let index = fastrand::usize(..self.wanted.max(1));
            if self.clients.get(index).is_some_and(Client::is_live) {
                self.drop_connection(index);
                self.connect(index);
                return;
            }
        }
    }

    /// Half of the clients lose their connections at once, and come back as fast as connections are
    /// opened.
    fn cut_half(&mut self) {
        for index in 0..self.wanted {
            if self.clients[index].is_live() && fastrand::bool() {
                self.drop_connection(index);
            }
        }
        self.opened_to = 0;
        self.rate = Rate::new(self.rate.per_second);
    }

    fn check_timeouts(&mut self, now: u64) {
        for index in 0..self.opened_to {
            let client = &self.clients[index];
            let opening = matches!(client.stage, Stage::Connecting | Stage::Head(_));
            if opening && now.saturating_sub(client.started_ns) > OPEN_TIMEOUT_NS {
                self.refused(index, None);
            }
        }
    }
}
