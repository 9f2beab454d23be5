//! A million clients, or as many as the plan says, at relays side by side or behind a root.

use super::{CATCH_UP_TIMEOUT, SETTLE, TAIL_TIMEOUT, Trial};
use crate::driver::metrics::median;
use crate::machine::memory::Memory;
use crate::proc::{Cpu, resident_kib};
use anyhow::Result;
use std::time::{Duration, Instant};

/// How long one event may take to reach all: at 10 µs each on one core, five million clients.
const EVENT_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two events to all, so that none is measured in the other's wake.
const BETWEEN_EVENTS: Duration = Duration::from_secs(2);
/// Between two upgrades.
const BETWEEN_UPGRADES: Duration = Duration::from_millis(200);

impl Trial<'_> {
    /// All connect; then one event after another to all; a part of them is cut and comes back; every
    /// instance is upgraded, one after the other.
    pub(super) fn million(&mut self, before: &Memory) -> Result<()> {
        let resident = resident_kib(&self.pids);
        self.connect(self.plan.clients)?;
        self.hold("settling", 2 * SETTLE)?;
        self.memory_of_all(before, resident);
        let last = self.events_to_all()?;
        let last = self.storm_of_a_part(last)?;
        self.upgrade_all(last)
    }

    /// Where the memory has gone.
    fn memory_of_all(&mut self, before: &Memory, resident: u64) {
        let clients = self.plan.clients as f64;
        let mut harness = self.fleet.pids();
        if !self.running.source_is_server() {
            harness.extend(self.running.source.pids());
        }
        let parts = Memory::now().since(before, &self.pids, &harness);
        let values = &mut self.outcome.values;
        let grown = resident_kib(&self.pids).saturating_sub(resident);
        values.set("rss_kib_per_client", grown as f64 / clients);
        match parts.first().filter(|all| all.kib > 0.0) {
            Some(all) => values.set("machine_kib_per_client", all.kib / clients),
            // Other programs have given back more than this took.
            None => values.set_unknown(&["machine_kib_per_client"]),
        }
        self.outcome.memory = parts;
    }

    /// Events, one at a time: what counts is the time from the write until the last client has it,
    /// and CPU in that time. What else the server does for a million clients at rest (heartbeats) is
    /// not in it.
    fn events_to_all(&mut self) -> Result<u64> {
        let events = self.plan.all_events;
        let mut times = Vec::new();
        let mut spent_ns = 0;
        self.measure(|trial| {
            for seq in 1..=events {
                let (cpu, begun) = (Cpu::of(&trial.pids), Instant::now());
                trial.running.source.burst(1)?;
                if !trial.await_event(seq, EVENT_TIMEOUT)? {
                    let text = format!("event {seq} has not reached all after {EVENT_TIMEOUT:?}");
                    trial.outcome.failures.push(text);
                }
                times.push(begun.elapsed().as_secs_f64());
                spent_ns += Cpu::of(&trial.pids).since(&cpu).total_ns;
                trial.hold("between two events", BETWEEN_EVENTS)?;
            }
            Ok(())
        })?;
        let values = &mut self.outcome.values;
        if let Some(deliveries) = values.get("deliveries").filter(|deliveries| *deliveries > 0.0) {
            // The measurement's own is of the whole time.
            for name in [
                "cpu_user_us_per_delivery",
                "cpu_system_us_per_delivery",
                "server_cpu_share",
            ] {
                values.remove(name);
            }
            values.set("cpu_us_per_delivery", spent_ns as f64 / 1e3 / deliveries);
        }
        if let Some(longest) = times.iter().copied().reduce(f64::max) {
            values.set("event_to_all_max_s", longest);
        }
        if let Some(usual) = median(&mut times) {
            values.set("event_to_all_s", usual);
            values.set("deliveries_per_s", self.plan.clients as f64 / usual);
        }
        Ok(events)
    }

    /// A part of the clients is cut, misses events, and comes back, beside all others at rest.
    fn storm_of_a_part(&mut self, last: u64) -> Result<u64> {
        let (cut, all) = (self.plan.storm_clients.min(self.plan.clients), self.plan.clients as u64);
        if cut == 0 {
            return Ok(last);
        }
        self.fleet.cut_some(cut)?;
        self.hold("cut", SETTLE)?;
        self.running.source.burst(self.plan.replay_events)?;
        let last = last + self.plan.replay_events;
        self.await_event(last, EVENT_TIMEOUT)?;
        let (cpu, before, begun) = (Cpu::of(&self.pids), self.fleet.tick(), Instant::now());
        self.fleet.connect(self.plan.clients, self.plan.storm_per_second)?;
        let deadline = self.connect_deadline(cut);
        let live = self.watch("coming back", deadline, |tick| tick.live >= all)?;
        let live_s = begun.elapsed().as_secs_f64();
        let level = self.await_event(last, CATCH_UP_TIMEOUT)?;
        let caught_up_s = begun.elapsed().as_secs_f64();
        let micros = Cpu::of(&self.pids).since(&cpu).total_ns as f64 / 1e3;
        let replayed = self.fleet.tick().delivered - before.delivered;
        let values = &mut self.outcome.values;
        values.set("storm_clients", cut as f64);
        values.set("replayed", replayed as f64);
        values.set("cpu_us_per_return", micros / cut as f64);
        if live {
            values.set("all_live_s", live_s);
        }
        match level {
            true => values.set("caught_up_s", caught_up_s),
            false => self.outcome.failures.push("some clients have not caught up".to_owned()),
        }
        Ok(last)
    }

    /// Another process takes over from each, while an event is on its way now and then.
    fn upgrade_all(&mut self, last: u64) -> Result<()> {
        let instances = self.running.upgradable();
        if instances == 0 {
            return Ok(());
        }
        let (opened, begun) = (self.fleet.tick().opened, Instant::now());
        let (mut slowest, mut seq) = (Duration::ZERO, last);
        for instance in 0..instances {
            // An event goes out before every fourth: it is delivered by both kinds of processes.
            if instance % 4 == 0 {
                self.running.source.burst(1)?;
                seq += 1;
            }
            slowest = self.running.upgrade(instance)?.max(slowest);
            self.pids = self.running.pids();
            self.hold("between two upgrades", BETWEEN_UPGRADES)?;
        }
        let took = begun.elapsed().as_secs_f64();
        if !self.await_event(seq, EVENT_TIMEOUT + TAIL_TIMEOUT)? {
            let text = "after the upgrades, some clients lack the last event";
            self.outcome.failures.push(text.to_owned());
        }
        let again = self.fleet.tick().opened - opened;
        if again > 0 {
            let text = format!("{again} connections were made again: clients were cut");
            self.outcome.failures.push(text);
        }
        let values = &mut self.outcome.values;
        values.set("upgrades", instances as f64);
        values.set("upgrade_max_ms", slowest.as_secs_f64() * 1e3);
        values.set("upgrades_s", took);
        if let Some(frozen) = self.running.frozen_max() {
            values.set("frozen_max_ms", frozen.as_secs_f64() * 1e3);
        }
        Ok(())
    }
}
