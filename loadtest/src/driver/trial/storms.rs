//! Scenarios in which something happens to a crowd at once, while healthy clients beside it read.

use super::{CATCH_UP_TIMEOUT, SETTLE, TAIL_TIMEOUT, Trial};
use crate::control::{SwarmOrder, Tick, Window};
use crate::driver::fleet::Fleet;
use crate::driver::latencies::{latency, millis};
use crate::driver::metrics::median;
use crate::driver::spread::spreads;
use crate::proc::Cpu;
use anyhow::Result;
use std::time::{Duration, Instant};

/// Events before a cut, so that every client has an id to resume from.
const EVENTS_BEFORE_CUT: u64 = 5;
/// What fills the buffers of a client that never reads, in bytes: the kernel's on both sides, and
/// still less than it may lag by.
const FILL_BYTES: usize = 512 * 1024;
/// Beyond the time that stalled clients have, for the server to notice.
const EVICT_GRACE: Duration = Duration::from_secs(15);
/// How often the server is asked whether it has evicted them.
const EVICT_LOOK: Duration = Duration::from_millis(50);
/// How long the server may go on with their sockets: what that does to others belongs to it.
const EVICT_CLOSE: Duration = Duration::from_secs(3);

impl Trial<'_> {
    /// All are cut, miss events, and come back: once on their own, for what it costs, and once
    /// beside healthy clients that get live events, for what it does to them. Live events would be
    /// in the cost, and it in them.
    pub(super) fn resume_storm(&mut self) -> Result<()> {
        self.connect_healthy()?;
        self.connect(self.plan.clients)?;
        self.running.source.burst(EVENTS_BEFORE_CUT)?;
        self.await_event(EVENTS_BEFORE_CUT, TAIL_TIMEOUT)?;
        self.fleet.order(SwarmOrder::Cut)?;
        self.hold("cut", SETTLE)?;
        self.running.source.burst(self.plan.replay_events)?;
        self.hold("missing events", SETTLE)?;
        self.measure(|trial| {
            let (cpu, before) = (Cpu::of(&trial.pids), trial.fleet.tick());
            let times = trial.come_back(EVENTS_BEFORE_CUT + trial.plan.replay_events)?;
            let replayed = (trial.fleet.tick().delivered - before.delivered) as f64;
            let micros = Cpu::of(&trial.pids).since(&cpu).total_ns as f64 / 1e3;
            let values = &mut trial.outcome.values;
            for (name, time) in ["all_live_s", "caught_up_s"].into_iter().zip(times) {
                time.into_iter().for_each(|time| values.set(name, time.as_secs_f64()));
            }
            values.set("replayed", replayed);
            values.set("cpu_us_per_replay", micros / replayed.max(1.0));
            values.set("cpu_us_per_return", micros / trial.plan.clients as f64);
            Ok(())
        })?;
        if self.healthy.is_some() {
            self.resume_beside_readers()?;
        }
        Ok(())
    }

    /// All clients reconnect, and get what they missed up to the event `upto`. Returns the times
    /// until all were live, and until all had caught up.
    fn come_back(&mut self, upto: u64) -> Result<[Option<Duration>; 2]> {
        let (begun, clients) = (Instant::now(), self.plan.clients);
        self.fleet.connect(clients, self.plan.connects_per_second)?;
        let deadline = self.connect_deadline(clients);
        let live = self
            .watch("coming back", deadline, |tick| tick.live >= clients as u64)?
            .then(|| begun.elapsed());
        let level = self.await_event(upto, CATCH_UP_TIMEOUT)?.then(|| begun.elapsed());
        if level.is_none() {
            self.outcome.failures.push("some clients have not caught up".to_owned());
        }
        Ok([live, level])
    }

    /// Compares with how it usually is: with the same clients, all of them live. Their own events
    /// would fill the machine without any storm.
    fn resume_beside_readers(&mut self) -> Result<()> {
        self.running.source.run(self.plan.events_per_second, self.plan.burst)?;
        self.hold("warming up", self.plan.warmup)?;
        let before = self.measure_healthy(|trial| trial.hold("before the storm", trial.plan.duration))?;
        self.fleet.order(SwarmOrder::Cut)?;
        self.hold("cut", SETTLE)?;
        // What flows before they come back is missed too.
        let live = self.plan.events_per_second * (2 * SETTLE).as_secs_f64();
        self.running
            .source
            .burst(self.plan.replay_events.saturating_sub(live as u64))?;
        self.hold("missing events", SETTLE)?;
        let newest = self.healthy_tick()?.newest;
        let during = self.measure_healthy(|trial| trial.come_back(newest).map(|_| ()))?;
        self.compare_healthy(&before, &during);
        Ok(())
    }

    /// Clients that never read go over their limit together.
    pub(super) fn evict_storm(&mut self) -> Result<()> {
        self.connect(self.plan.clients)?;
        // Behind the stalled ones in every pass: they wait for all of them.
        self.connect_healthy()?;
        self.running.source.run(self.plan.events_per_second, self.plan.burst)?;
        self.hold("warming up", self.plan.warmup)?;
        // As long as their buffers have room, the stalled ones get every batch too.
        let batch = self.measure_healthy(|trial| trial.hold("all clients get a batch", trial.plan.duration))?;
        let fill = FILL_BYTES.div_ceil(self.plan.size_bytes) as u64;
        let filled = self.healthy_tick()?.newest + fill;
        self.running.source.burst(fill)?;
        let until = Instant::now() + TAIL_TIMEOUT;
        while self.healthy_behind(filled)? && Instant::now() < until {
            self.hold("filling buffers", SETTLE / 10)?;
        }
        self.hold("settling", SETTLE)?;
        let before = self.measure_healthy(|trial| trial.hold("all are stalled", trial.plan.duration))?;
        let during = self.measure_healthy(Self::await_eviction)?;
        self.compare_healthy(&before, &during);
        let mut last: Vec<f64> = spreads(&batch).iter().map(|spread| spread.last_ms).collect();
        let values = &mut self.outcome.values;
        if let Some(batch_ms) = median(&mut last).filter(|batch_ms| *batch_ms > 0.0) {
            values.set("batch_ms", batch_ms);
            if let (Some(before), Some(during)) = (values.get("healthy_max_before_ms"), values.get("healthy_max_ms")) {
                values.set("healthy_delay_batches", (during - before).max(0.0) / batch_ms);
            }
        }
        Ok(())
    }

    /// Waits until every stalled client has been evicted.
    fn await_eviction(&mut self) -> Result<()> {
        let clients = self.plan.clients as u64;
        if self.running.evicted() > 0 {
            let text = "clients were evicted before all had stalled: the machine is too slow for this --duration";
            self.outcome.warnings.push(text.to_owned());
        }
        let until = Instant::now() + self.plan.stall() + EVICT_GRACE;
        let mut begun = None;
        loop {
            let evicted = self.running.evicted();
            if evicted > 0 && begun.is_none() {
                begun = Some(Instant::now());
            }
            if evicted >= clients || Instant::now() >= until {
                self.outcome.values.set("evicted", evicted as f64);
                break;
            }
            self.hold("awaiting the eviction", EVICT_LOOK)?;
        }
        if let Some(begun) = begun {
            self.outcome.values.set("evicted_over_s", begun.elapsed().as_secs_f64());
        }
        self.hold("their sockets are closed", EVICT_CLOSE)
    }

    /// The clients that stay and read: a swarm of its own, whose processes don't wait for the
    /// crowd's.
    fn connect_healthy(&mut self) -> Result<()> {
        let Some(healthy) = &mut self.healthy else {
            return Ok(());
        };
        let wanted = self.plan.healthy;
        healthy.connect(wanted, self.plan.connects_per_second)?;
        let until = self.connect_deadline(wanted);
        let all = self.healthy.as_mut().map_or(Ok(true), |healthy| {
            healthy.watch(until, |tick| tick.live >= wanted as u64)
        })?;
        if !all {
            let text = format!("not all of {wanted} healthy clients are live");
            self.outcome.failures.push(text);
        }
        Ok(())
    }

    /// Where the healthy clients stand.
    fn healthy_tick(&mut self) -> Result<Tick> {
        let Some(healthy) = &mut self.healthy else {
            return Ok(Tick::default());
        };
        // Takes in what they have said meanwhile.
        healthy.watch(Instant::now(), |_| false)?;
        Ok(healthy.tick())
    }

    /// Whether a healthy client has not got this event yet.
    fn healthy_behind(&mut self, seq: u64) -> Result<bool> {
        if let Some(healthy) = &mut self.healthy {
            healthy.order(SwarmOrder::Await { seq })?;
        }
        let tick = self.healthy_tick()?;
        Ok(tick.awaiting != seq || tick.behind > 0)
    }

    /// Measures what `during` does to the healthy clients; nothing without them.
    fn measure_healthy(&mut self, during: impl FnOnce(&mut Self) -> Result<()>) -> Result<Vec<Window>> {
        if let Some(healthy) = &mut self.healthy {
            healthy.order(SwarmOrder::Reset)?;
        }
        let until = Instant::now() + SETTLE;
        during(self)?;
        // A few events at least.
        self.hold("measuring", until.saturating_duration_since(Instant::now()))?;
        self.healthy.as_mut().map_or(Ok(Vec::new()), Fleet::measure)
    }

    fn compare_healthy(&mut self, before: &[Window], during: &[Window]) {
        let values = &mut self.outcome.values;
        let latencies = [latency(before), latency(during)];
        let names = [
            [
                "healthy_p50_before_ms",
                "healthy_p99_before_ms",
                "healthy_max_before_ms",
            ],
            ["healthy_p50_ms", "healthy_p99_ms", "healthy_max_ms"],
        ];
        for (latency, names) in latencies.iter().zip(names) {
            for (name, percentile) in names.into_iter().zip([50.0, 99.0, 100.0]) {
                if !latency.is_empty() {
                    values.set(name, millis(latency, percentile));
                }
            }
        }
        if let (Some(before), Some(during)) = (values.get("healthy_p99_before_ms"), values.get("healthy_p99_ms")) {
            values.set("healthy_p99_ratio", during / before.max(1e-3));
        }
    }
}
