//! Scenarios in which all clients connect and stay: a steady flow, a burst, or nothing but
//! connections.

use super::{SETTLE, Trial};
use crate::driver::plan::Scenario;
use crate::proc::{Cpu, resident_kib, tcp_memory_kib};
use anyhow::Result;
use std::time::{Duration, Instant};

impl Trial<'_> {
    /// Events flow at a rate, and every client that reads gets them all.
    pub(super) fn steady(&mut self, resident_before: u64) -> Result<()> {
        let tcp_before = tcp_memory_kib();
        self.connect(self.plan.clients)?;
        self.hold("settling", SETTLE)?;
        let clients = self.plan.clients as f64;
        let resident = resident_kib(&self.pids);
        self.outcome.values.set(
            "rss_kib_per_client",
            resident.saturating_sub(resident_before) as f64 / clients,
        );
        self.outcome.values.set(
            "tcp_kib_per_client",
            tcp_memory_kib().saturating_sub(tcp_before) as f64 / clients,
        );
        self.running.source.run(self.plan.events_per_second, self.plan.burst)?;
        self.fleet.churn(self.plan.churn_per_second, self.plan.cut_every)?;
        self.hold("warming up", self.plan.warmup)?;
        self.measure(|trial| trial.hold("measuring", trial.plan.duration))?;
        self.fleet.churn(0.0, Duration::ZERO)?;
        let now = resident_kib(&self.pids);
        self.outcome
            .values
            .set("rss_growth_mib", (now as f64 - resident as f64) / 1024.0);
        self.share_of_schedule();
        Ok(())
    }

    /// How much of what was to be delivered while it was measured has been.
    fn share_of_schedule(&mut self) {
        let readers = self.plan.clients as f64 * (1.0 - self.plan.stalled_share);
        let asked = self.plan.events_per_second * self.plan.duration.as_secs_f64() * readers;
        if let Some(delivered) = self.outcome.values.get("deliveries").filter(|_| asked > 0.0) {
            self.outcome.values.set("delivered_share", 100.0 * delivered / asked);
        }
    }

    /// What a protocol costs: resident memory per client from the slope between two numbers of
    /// them, then CPU per delivery.
    pub(super) fn edge(&mut self) -> Result<()> {
        self.memory()?;
        self.running.source.run(self.plan.events_per_second, self.plan.burst)?;
        self.hold("warming up", self.plan.warmup)?;
        self.measure(|trial| trial.hold("measuring", trial.plan.duration))?;
        self.share_of_schedule();
        Ok(())
    }

    /// Clients arrive at a quiet stream.
    pub(super) fn connect_storm(&mut self) -> Result<()> {
        self.connect(self.plan.clients)?;
        self.hold("settling", SETTLE)
    }

    /// Resident memory at two numbers of clients, or of streams with one client each.
    pub(super) fn memory(&mut self) -> Result<()> {
        let mut seen = Vec::new();
        for clients in [self.plan.from_clients, self.plan.clients] {
            self.connect(clients)?;
            self.hold("settling", 2 * SETTLE)?;
            seen.push((resident_kib(&self.pids) as f64, tcp_memory_kib() as f64));
        }
        let more = (self.plan.clients - self.plan.from_clients) as f64;
        let each = match self.plan.scenario {
            Scenario::IdleJobs => "rss_kib_per_job",
            _ => "rss_kib_per_client",
        };
        self.outcome.values.set(each, (seen[1].0 - seen[0].0) / more);
        self.outcome
            .values
            .set("tcp_kib_per_client", (seen[1].1 - seen[0].1) / more);
        Ok(())
    }

    /// The origin sends as fast as it is taken.
    pub(super) fn burst(&mut self) -> Result<()> {
        let events = self.plan.burst_events;
        self.connect(self.plan.clients)?;
        self.hold("settling", SETTLE)?;
        self.measure(|trial| {
            let (cpu, begun) = (Cpu::of(&trial.pids), Instant::now());
            trial.running.source.burst(events)?;
            if trial.await_while_it_flows(events)? {
                let seconds = begun.elapsed().as_secs_f64();
                let spent = Cpu::of(&trial.pids).since(&cpu);
                trial.outcome.values.set("burst_s", seconds);
                trial.outcome.values.set("burst_events_per_s", events as f64 / seconds);
                trial.outcome.values.set("burst_cpu_s", spent.total_ns as f64 / 1e9);
            } else {
                let text = "some clients do not have the burst's last event".to_owned();
                trial.outcome.failures.push(text);
            }
            Ok(())
        })
    }
}
