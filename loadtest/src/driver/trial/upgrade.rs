//! The server is upgraded under live clients.

use super::{SETTLE, Trial};
use anyhow::Result;
use std::time::Duration;

impl Trial<'_> {
    /// Events flow, and now and then another process takes over. Clients must notice nothing.
    pub(super) fn upgrade(&mut self) -> Result<()> {
        self.connect(self.plan.clients)?;
        self.hold("settling", SETTLE)?;
        self.running.source.run(self.plan.events_per_second, self.plan.burst)?;
        self.hold("warming up", self.plan.warmup)?;
        let opened = self.fleet.tick().opened;
        let mut slowest = Duration::ZERO;
        self.measure(|trial| {
            let pause = trial.plan.duration / trial.plan.renewals.max(1);
            for _ in 0..trial.plan.renewals {
                trial.hold("between two upgrades", pause)?;
                slowest = trial.running.upgrade(0)?.max(slowest);
                trial.pids = trial.running.pids();
            }
            trial.hold("after the last upgrade", pause)
        })?;
        let again = self.fleet.tick().opened - opened;
        let values = &mut self.outcome.values;
        values.set("upgrades", f64::from(self.plan.renewals));
        values.set("upgrade_max_ms", slowest.as_secs_f64() * 1e3);
        if let Some(frozen) = self.running.frozen_max() {
            values.set("frozen_max_ms", frozen.as_secs_f64() * 1e3);
        }
        if again > 0 {
            let text = format!("{again} connections were made again: clients were cut");
            self.outcome.failures.push(text);
        }
        Ok(())
    }
}
