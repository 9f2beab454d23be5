//! One trial: one server, one scenario, from the first process to the last number.

mod judge;
mod million;
mod renew;
mod steady;
mod storms;
mod thundering_herd;
mod upgrade;

use super::fleet::{Fleet, FleetShape};
use super::outcome::{Outcome, Sample};
use super::plan::{Plan, Scenario, ThunderingHerd};
use super::server::{Programs, Running, Server};
use super::wire::Wire;
use crate::control::{FetchSetup, SwarmOrder, SwarmSetup, Tick};
use crate::display::Display;
use crate::machine::Machine;
use crate::machine::memory::Memory;
use crate::proc::{Cpu, resident_kib, tcp_memory_kib};
use anyhow::{Result, bail};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Beyond the time that a connect rate asks for.
const CONNECT_GRACE: Duration = Duration::from_secs(30);
/// For things to settle: accept queues to empty, buffers to shrink.
const SETTLE: Duration = Duration::from_millis(1_000);
/// How long the last event may be on its way when all is over.
const TAIL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long all may take to catch up after a storm.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(120);
/// Between two samples.
const SAMPLE: Duration = Duration::from_millis(500);
/// Reconnect delay where the scenario measures how streams end, not how clients wait.
const PROMPT_RECONNECT_MS: u64 = 200;
/// What a client that is to be evicted takes in unread: little, so that thousands of them can stall
/// without the kernel's memory for sockets running out.
const STALLED_RECEIVE_BYTES: usize = 16 * 1024;

/// Bytes of a stream's and a connection's window where streams are frozen: a sixteenth of what
/// browsers give (6 and 15 MiB), in their ratio, so that two and a half frozen streams hold all.
const NARROW_WINDOWS: [u32; 2] = [384 * 1024, 960 * 1024];

/// What all trials of a run share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bench {
    pub(crate) programs: Programs,
    pub(crate) processes: Option<usize>,
    pub(crate) sources: Vec<IpAddr>,
    /// What clients speak where nothing else is asked for.
    pub(crate) wire: Wire,
    pub(crate) connecting_max: usize,
}

impl Bench {
    fn fleet(&self, processes: Option<usize>) -> FleetShape<'_> {
        FleetShape {
            processes,
            sources: &self.sources,
            cores: &self.programs.load_cores,
        }
    }
}

/// Runs a scenario against a server, with clients that speak `wire`.
pub(crate) fn run(server: &Server, wire: Wire, plan: &Plan, bench: &Bench, display: &Display) -> Result<Outcome> {
    let title = format!("{} · {} · {wire}", plan.scenario.name(), server.name());
    display.phase(&title, "starting");
    let memory = Memory::now();
    let running = Running::start(server, wire, plan, &bench.programs)?;
    let crowd = SwarmSetup {
        wrapped: server.wraps_events(),
        ..crowd(&running, server.resumes(plan), wire, plan, bench)
    };
    let healthy = SwarmSetup {
        clients: plan.healthy,
        first_client: plan.clients,
        stalled_share: 0.0,
        slow_share: 0.0,
        ..crowd.clone()
    };
    let crowd = match plan.scenario {
        Scenario::EvictStorm => SwarmSetup {
            stalled_share: 1.0,
            stalled_receive_bytes: Some(STALLED_RECEIVE_BYTES),
            ..crowd
        },
        _ => crowd,
    };
    let fleet = Fleet::start(&crowd, &bench.fleet(bench.processes))?;
    let healthy = match plan.healthy {
        0 => None,
        _ => Some(Fleet::start(&healthy, &bench.fleet(None))?),
    };
    let mut trial = Trial {
        outcome: Outcome::new(&running.name, plan),
        pids: running.pids(),
        plan,
        running,
        fleet,
        healthy,
        display,
        started: Instant::now(),
        machine: Machine::now(),
        memory,
        last_sample: (Instant::now(), Tick::default(), Cpu::default()),
    };
    // What was measured until something broke is worth reporting.
    if let Err(error) = trial.scenario().and_then(|()| trial.finish()) {
        trial.broken_off(&error);
    }
    Ok(trial.outcome)
}

/// What the clients that the scenario measures are told.
fn crowd(running: &Running, resumes: bool, wire: Wire, plan: &Plan, bench: &Bench) -> SwarmSetup {
    SwarmSetup {
        targets: running.targets.clone(),
        clients: plan.clients,
        stalled_share: plan.stalled_share,
        slow_share: plan.slow_share,
        slow_bytes_per_second: plan.slow_bytes_per_second,
        resume: resumes,
        reconnect_ms: (plan.scenario == Scenario::Jobs).then_some(PROMPT_RECONNECT_MS),
        // All clients are connected before the first event is sent.
        first_seq: 1,
        gap_event: "fanfare.gap".to_owned(),
        http2_streams: wire.http2_streams,
        http2_windows: (plan.scenario == Scenario::FrozenStreams).then_some(NARROW_WINDOWS),
        ca: running.authority(),
        headers: wire
            .gzip
            .then(|| "Accept-Encoding: gzip".to_owned())
            .into_iter()
            .collect(),
        connecting_max: bench.connecting_max,
        streams: plan.streams,
        repeats: plan.thundering_herd.map_or(1, ThunderingHerd::repeats),
        fetch: running.changelog().map(|target| FetchSetup {
            target,
            at_once: thundering_herd::FETCHES_AT_ONCE,
        }),
        ..SwarmSetup::default()
    }
}

struct Trial<'a> {
    plan: &'a Plan,
    running: Running,
    /// The clients that the scenario measures.
    fleet: Fleet,
    /// Clients that stay and read meanwhile, in some scenarios.
    healthy: Option<Fleet>,
    display: &'a Display,
    pids: Vec<u32>,
    outcome: Outcome,
    started: Instant,
    /// As it was then.
    machine: Machine,
    /// Before any process of this trial.
    memory: Memory,
    last_sample: (Instant, Tick, Cpu),
}

impl Trial<'_> {
    fn scenario(&mut self) -> Result<()> {
        let (resident, memory) = (resident_kib(&self.pids), self.memory.clone());
        self.fleet.watch(Instant::now() + SETTLE / 2, |_| false)?;
        match self.plan.scenario {
            Scenario::ThunderingHerd => self
                .plan
                .thundering_herd
                .map_or(Ok(()), |herd| self.thundering_herd(&herd)),
            Scenario::Memory | Scenario::IdleJobs => self.memory(),
            Scenario::Edge => self.edge(),
            Scenario::RenewCertificates => self.renew_certificates(),
            Scenario::Upgrade => self.upgrade(),
            Scenario::Million => self.million(&memory),
            Scenario::ConnectStorm => self.connect_storm(),
            Scenario::ResumeStorm => self.resume_storm(),
            Scenario::EvictStorm => self.evict_storm(),
            Scenario::Burst => self.burst(),
            _ => self.steady(resident),
        }
    }

    /// A process died, or does not answer: reports what the clients have seen until then.
    fn broken_off(&mut self, error: &anyhow::Error) {
        self.outcome.failures.push(format!("broken off: {error:#}"));
        self.outcome.values.set("clients", self.fleet.tick().live as f64);
        let Ok(totals) = self.fleet.finish(0) else { return };
        let summary = self.outcome.totals(&totals);
        self.outcome.failures.extend(summary.wrong());
    }

    /// Has this many clients live, and says what that took.
    fn connect(&mut self, clients: usize) -> Result<()> {
        let (cpu, before) = (Cpu::of(&self.pids), self.fleet.tick());
        let begun = Instant::now();
        self.fleet.connect(clients, self.plan.connects_per_second)?;
        let deadline = self.connect_deadline(clients);
        let wanted = clients as u64;
        let all = self.watch("connecting", deadline, |tick| tick.live >= wanted || tick.given_up > 0)?;
        let tick = self.fleet.tick();
        if tick.given_up > 0 {
            bail!("the server refuses clients in a way that does not get better by asking again");
        }
        if !all {
            self.outcome
                .failures
                .push(format!("only {} of {clients} clients are live", tick.live));
        }
        let opened = (tick.opened - before.opened).max(1) as f64;
        self.outcome
            .values
            .set("connects_per_s", opened / begun.elapsed().as_secs_f64());
        // What the server still does for the last ones belongs to it.
        self.hold("connected", SETTLE / 5)?;
        let spent = Cpu::of(&self.pids).since(&cpu);
        self.outcome
            .values
            .set("cpu_us_per_connect", spent.total_ns as f64 / 1e3 / opened);
        Ok(())
    }

    fn connect_deadline(&self, clients: usize) -> Instant {
        Instant::now() + Duration::from_secs_f64(clients as f64 / self.plan.connects_per_second) + CONNECT_GRACE
    }

    /// Measures what `during` does.
    fn measure(&mut self, during: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.fleet.order(SwarmOrder::Reset)?;
        let pids = self.pids.clone();
        let (cpu, machine) = (Cpu::of(&pids), Machine::now());
        let begun = Instant::now();
        during(self)?;
        let spent = Cpu::of(&self.pids).since(&cpu);
        let seconds = begun.elapsed().as_secs_f64();
        let windows = self.fleet.measure()?;
        let now = Machine::now();
        self.outcome.windows(&windows);
        // What processes have used that were there for a part of the time only is not known.
        if self.pids == pids {
            self.outcome.server_cpu(spent, seconds);
        }
        let idle = now.idle_share_since(&machine);
        self.outcome.values.set("machine_idle_share", idle);
        Ok(())
    }

    /// Lets time pass.
    fn hold(&mut self, what: &str, time: Duration) -> Result<()> {
        self.watch(what, Instant::now() + time, |_| false).map(|_| ())
    }

    /// Waits until all readers have an event.
    fn await_event(&mut self, seq: u64, timeout: Duration) -> Result<bool> {
        self.fleet.order(SwarmOrder::Await { seq })?;
        let done = |tick: &Tick| tick.awaiting == seq && tick.behind == 0;
        let arrived = self.watch("awaiting the last", Instant::now() + timeout, done)?;
        self.fleet.order(SwarmOrder::Await { seq: 0 })?;
        Ok(arrived)
    }

    /// Waits until all readers have an event, as long as anything comes: a server that is behind
    /// has lost nothing yet.
    fn await_while_it_flows(&mut self, seq: u64) -> Result<bool> {
        loop {
            let before = self.fleet.tick().delivered;
            if self.await_event(seq, TAIL_TIMEOUT)? {
                return Ok(true);
            }
            if self.fleet.tick().delivered == before {
                return Ok(false);
            }
        }
    }

    /// Waits for something, sampling and showing meanwhile; says whether it came.
    fn watch(&mut self, what: &str, until: Instant, mut done: impl FnMut(&Tick) -> bool) -> Result<bool> {
        let begun = Instant::now();
        loop {
            let next = (self.last_sample.0 + SAMPLE).min(until);
            if self.fleet.watch(next, &mut done)? {
                return Ok(true);
            }
            self.running.check()?;
            let now = Instant::now();
            if now >= self.last_sample.0 + SAMPLE {
                let sample = self.sample(now);
                self.display.live(what, &sample, now - begun, until - begun);
            }
            if now >= until {
                return Ok(false);
            }
        }
    }

    fn sample(&mut self, now: Instant) -> Sample {
        let (tick, cpu) = (self.fleet.tick(), Cpu::of(&self.pids));
        let (then, tick_before, cpu_before) = self.last_sample;
        let seconds = (now - then).as_secs_f64();
        let spent = if cpu_before == Cpu::default() {
            0
        } else {
            cpu.since(&cpu_before).total_ns
        };
        let sample = Sample {
            seconds: (now - self.started).as_secs_f64(),
            live: tick.live,
            deliveries_per_s: (tick.delivered - tick_before.delivered) as f64 / seconds,
            rss_mib: Some(resident_kib(&self.pids) as f64 / 1024.0),
            tcp_mib: tcp_memory_kib() as f64 / 1024.0,
            server_cpu: Some(spent as f64 / 1e9 / seconds),
            latency_ms: self.fleet.latency_since(&tick_before),
        };
        self.last_sample = (now, tick, cpu);
        self.outcome.samples.push(sample);
        sample
    }

    /// Stops the events, waits for the last, and judges what the clients got.
    fn finish(&mut self) -> Result<()> {
        let dropped = Machine::now().dropped_since(&self.machine);
        self.outcome.values.set("dropped_packets", dropped as f64);
        self.outcome
            .values
            .set("rss_mib", resident_kib(&self.pids) as f64 / 1024.0);
        let jobs = self.plan.scenario == Scenario::Jobs;
        if jobs {
            self.running.source.end()?;
        }
        let fanout = self.running.fanout_mean_us();
        let stopped = self.running.source.stop()?;
        let floors =
            (stopped.batches > 0).then(|| stopped.batches_time.as_nanos() as f64 / 1e3 / stopped.batches as f64);
        if let Some(mean) = fanout.or(floors) {
            self.outcome.values.set("fanout_mean_us", mean);
        }
        self.outcome
            .values
            .set("origin_late_ms", stopped.late_max.as_secs_f64() * 1e3);
        if stopped.last > 0 {
            self.await_while_it_flows(stopped.last)?;
        }
        if jobs {
            let empty = self.watch("streams end", Instant::now() + TAIL_TIMEOUT, |tick| tick.live == 0)?;
            if !empty {
                self.outcome
                    .failures
                    .push("streams go on after their terminal event".to_owned());
            }
            self.hold("clients that return are answered", 2 * SETTLE)?;
        }
        let (mut live, mut processes) = (self.fleet.tick().live, self.fleet.processes());
        if self.plan.scenario == Scenario::EvictStorm {
            // They don't read, so they don't know that they aren't.
            live = 0;
        }
        let mut totals = self.fleet.finish(stopped.last)?;
        if let Some(mut healthy) = self.healthy.take() {
            let seq = stopped.last;
            healthy.order(SwarmOrder::Await { seq })?;
            healthy.watch(Instant::now() + TAIL_TIMEOUT, |tick| {
                tick.awaiting == seq && tick.behind == 0
            })?;
            live += healthy.tick().live;
            processes += healthy.processes() - 1;
            totals.extend(healthy.finish(stopped.last)?);
        }
        self.outcome.values.set("clients", live as f64);
        let summary = self.outcome.totals(&totals);
        judge::judge(&mut self.outcome, &summary, &stopped, live);
        if self.plan.thundering_herd.is_some() {
            let fetched: Vec<_> = totals.iter().map(|totals| &totals.fetched).collect();
            thundering_herd::report(&mut self.outcome, &fetched, &stopped, summary.counts.delivered);
        }
        self.outcome.judge_harness();
        if processes > 1 {
            self.outcome
                .warnings
                .push(format!("the swarm had {processes} processes"));
        }
        Ok(())
    }
}
