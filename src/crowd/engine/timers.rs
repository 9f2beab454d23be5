//! What the clock brings: connections at their rate, clients that come back, reports.

use super::super::clock::{SECOND_NS, now_ns, own_cpu_ns};
use super::{CONNECTING_MAX, Crowd, Report, Stage};
use std::cmp::Reverse;
use std::io;
use std::time::Duration;

/// A reconnect's delay where the server doesn't say one, and the longest that it can ask for. A
/// server's `retry` of some seconds is kept: many who come back in the same moment are what it is
/// against.
const RECONNECT_MS: u64 = 1000;
const RECONNECT_MS_MAX: u64 = 10_000;
/// From the connection's beginning to the response head.
const OPEN_TIMEOUT_NS: u64 = 30 * SECOND_NS;
/// Between two reports.
const REPORT_NS: u64 = SECOND_NS / 4;
/// How often orders are looked for, and connections opened while a rate is to be kept.
const LOOK_NS: u64 = SECOND_NS / 50;
const PACE_NS: u64 = SECOND_NS / 500;

impl Crowd {
    /// Until the next thing that the clock brings.
    pub(super) fn timeout(&self) -> Duration {
        let paced = self.begun < self.wanted || self.is_return_due(now_ns());
        Duration::from_nanos(if paced { PACE_NS } else { LOOK_NS })
    }

    pub(super) fn timers(&mut self, tell: &mut impl FnMut(&Report)) {
        let now = now_ns();
        self.begin_due(now);
        while self.connecting < CONNECTING_MAX
            && self.is_return_due(now)
            && let Some(Reverse((_, index))) = self.returns.pop()
        {
            if index < self.wanted && matches!(self.clients[index].stage, Stage::Away) {
                self.connect(index);
            }
        }
        if now >= self.next_report_ns {
            self.next_report_ns = now + REPORT_NS;
            self.give_up_waiting(now);
            self.report.at_ns = now;
            self.report.cpu_ns = own_cpu_ns();
            self.report.latency_us = self.latencies.take();
            tell(&self.report);
        }
    }

    fn is_return_due(&self, now: u64) -> bool {
        self.returns.peek().is_some_and(|Reverse((due, _))| *due <= now)
    }

    /// Begins the connections that the rate allows by now.
    fn begin_due(&mut self, now: u64) {
        let mut due = if self.begun < self.wanted {
            self.rate.due(now)
        } else {
            0
        };
        while due > 0 && self.begun < self.wanted && self.connecting < CONNECTING_MAX {
            let index = self.begun;
            self.begun += 1;
            if matches!(self.clients[index].stage, Stage::Away) {
                self.rate.done += 1;
                due -= 1;
                self.connect(index);
            }
        }
    }

    /// A connection that gets no answer is refused.
    fn give_up_waiting(&mut self, now: u64) {
        for index in 0..self.begun {
            let client = &self.clients[index];
            let opening = matches!(client.stage, Stage::Connecting | Stage::Head(_));
            if opening && now.saturating_sub(client.started_ns) > OPEN_TIMEOUT_NS {
                self.refused(index);
            }
        }
    }

    /// The server ended a connection, or the network did.
    pub(super) fn ended(&mut self, index: usize) {
        if !self.clients[index].is_live() {
            return self.refused(index);
        }
        self.report.ended_by_server += 1;
        self.come_back_later(index);
    }

    /// A connection failed.
    pub(super) fn failed(&mut self, index: usize, error: &io::Error) {
        if self.report.first_error.is_none() && !self.clients[index].is_live() {
            self.report.first_error = Some(error.to_string());
        }
        self.ended(index);
    }

    /// A stream could not be opened.
    pub(super) fn refused(&mut self, index: usize) {
        self.report.refused += 1;
        self.come_back_later(index);
    }

    fn come_back_later(&mut self, index: usize) {
        self.drop_connection(index);
        let delay_ms = match self.clients[index].retry_ms {
            0 => RECONNECT_MS,
            millis => u64::from(millis).min(RECONNECT_MS_MAX),
        };
        self.returns.push(Reverse((now_ns() + delay_ms * 1_000_000, index)));
    }
}
