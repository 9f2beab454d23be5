//! What others see of a source's part in the fleet.

use super::Driver;
use crate::fleet::engine::Engine;
use std::time::Instant;

impl<E: Engine> Driver<E> {
    /// Brings what others see up to date.
    pub(super) fn show(&mut self) {
        let now = Instant::now();
        let reading = &self.member.reading;
        let leads = self.member.leads();
        let buffered = self.shared.inbox.buffered();
        let lag = self.member.seen_end().saturating_sub(reading.read());
        let lease_age = self.member.lease.age(now);
        let metrics = &self.metrics;
        metrics.leader.set(f64::from(u8::from(leads.is_some())));
        metrics.term.set(reading.term() as f64);
        metrics.lag_events.set(lag as f64);
        metrics.buffered_events.set(buffered as f64);
        metrics
            .lease_age_seconds
            .set(lease_age.unwrap_or_default().as_secs_f64());
        let mut state = self.shared.locked();
        state.term = reading.term();
        if state.leader.as_deref() != reading.leader() {
            state.leader = reading.leader().map(str::to_owned);
        }
        state.is_leader = leads.is_some();
        (state.lag, state.buffered, state.lease_age) = (lag, buffered as u64, lease_age);
        state.is_open = self.writer.channel().is_open();
        drop(state);
        let resyncs = self.member.pipeline().map_or(0, |pipeline| pipeline.resyncs());
        if resyncs > self.resyncs {
            self.metrics.resyncs.increment(resyncs - self.resyncs);
        }
        self.resyncs = resyncs;
    }
}
