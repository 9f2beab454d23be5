//! Certificates are replaced under live clients.

use super::{SETTLE, Trial};
use crate::driver::handshake::presented;
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// How long new handshakes may get the old certificate.
const TAKEN_TIMEOUT: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(20);

impl Trial<'_> {
    /// Events flow, and now and then certificate and key are replaced and the server is told so.
    /// Clients that are there must notice nothing; those that come get the new one.
    pub(super) fn renew_certificates(&mut self) -> Result<()> {
        self.connect(self.plan.clients)?;
        self.hold("settling", SETTLE)?;
        self.running.source.run(self.plan.events_per_second, self.plan.burst)?;
        self.hold("warming up", self.plan.warmup)?;
        let mut slowest = Duration::ZERO;
        let mut taken = 0;
        self.measure(|trial| {
            let pause = trial.plan.duration / trial.plan.renewals.max(1);
            for _ in 0..trial.plan.renewals {
                trial.hold("between two certificates", pause)?;
                if let Some(time) = trial.renew()? {
                    slowest = slowest.max(time);
                    taken += 1;
                }
            }
            trial.hold("after the last certificate", pause)
        })?;
        self.outcome.values.set("renewals", f64::from(taken));
        self.outcome.values.set("renewed_max_ms", slowest.as_secs_f64() * 1e3);
        if taken < self.plan.renewals {
            self.outcome.failures.push(format!(
                "{taken} of {} certificates were in use {TAKEN_TIMEOUT:?} after the signal",
                self.plan.renewals
            ));
        }
        Ok(())
    }

    /// Replaces the certificate once; returns how long new handshakes went on getting the old one.
    fn renew(&mut self) -> Result<Option<Duration>> {
        self.running.renew_certificate()?;
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
