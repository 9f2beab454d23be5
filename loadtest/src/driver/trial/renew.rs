//! Certificates are replaced under live clients.

use super::{SETTLE, Trial};
use crate::driver::handshake::presented;
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// How long new handshakes may get the old certificate.
const TAKEN_TIMEOUT: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(20);

impl Trial<'_> {
    /// Events flow, and now and then certificate and key are replaced. The server is told so by a
    /// signal, and every other time it isn't if it looks at its files. Clients that are there must
    /// notice nothing; those that come get the new one.
    pub(super) fn renew_certificates(&mut self) -> Result<()> {
        self.connect(self.plan.clients)?;
        self.hold("settling", SETTLE)?;
        self.running.source.run(self.plan.events_per_second, self.plan.burst)?;
        self.hold("warming up", self.plan.warmup)?;
        let (mut told, mut noticed) = (Duration::ZERO, Duration::ZERO);
        let mut taken = 0;
        self.measure(|trial| {
            let pause = trial.plan.duration / trial.plan.renewals.max(1);
            for number in 0..trial.plan.renewals {
                let signal = number % 2 == 0 || !trial.running.watches_files();
                trial.hold("between two certificates", pause)?;
                if let Some(time) = trial.renew(signal)? {
                    let slowest = if signal { &mut told } else { &mut noticed };
                    *slowest = time.max(*slowest);
                    taken += 1;
                }
            }
            trial.hold("after the last certificate", pause)
        })?;
        let values = &mut self.outcome.values;
        values.set("renewals", f64::from(taken));
        values.set("renewed_max_ms", told.as_secs_f64() * 1e3);
        if !noticed.is_zero() {
            values.set("noticed_max_ms", noticed.as_secs_f64() * 1e3);
        }
        if taken < self.plan.renewals {
            self.outcome.failures.push(format!(
                "{taken} of {} certificates were in use {TAKEN_TIMEOUT:?} later",
                self.plan.renewals
            ));
        }
        Ok(())
    }

    /// Replaces the certificate once; returns how long new handshakes went on getting the old one.
    fn renew(&mut self, signal: bool) -> Result<Option<Duration>> {
        self.running.renew_certificate(signal)?;
        let begun = Instant::now();
        let target = self
            .running
            .targets
            .first()
            .context("a server without an address")?
            .clone();
        while begun.elapsed() < TAKEN_TIMEOUT {
            // Only what was issued by this run's authority is accepted.
            if self
                .running
                .is_latest_certificate(&presented(&target, self.running.authority().as_deref())?)
            {
                return Ok(Some(begun.elapsed()));
            }
            self.hold("waiting for the new certificate", LOOK)?;
        }
        Ok(None)
    }
}
