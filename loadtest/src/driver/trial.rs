//! One trial: one server, one scenario, from the first process to the last number.

use super::fleet::Fleet;
use super::outcome::{Outcome, Sample, Summary};
use super::plan::{Plan, Scenario};
use super::server::{Programs, Running, Server};
use super::source::Stopped;
use crate::control::{SwarmOrder, SwarmSetup, Tick};
use crate::display::Display;
use crate::proc::{Cpu, machine_ticks, resident_kib, tcp_memory_kib};
use anyhow::Result;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Beyond the time that a connect rate asks for.
const CONNECT_GRACE: Duration = Duration::from_secs(30);
/// For things to settle: accept queues to empty, buffers to shrink.
const SETTLE: Duration = Duration::from_millis(1_000);
/// How long the last event may be on its way when all is over.
const TAIL_TIMEOUT: Duration = Duration::from_secs(10);
/// How often that is waited while there is progress: a server that is behind has lost nothing yet.
const TAIL_TRIES: usize = 6;
/// How long all may take to catch up after a storm.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(120);
/// Between two samples.
const SAMPLE: Duration = Duration::from_millis(500);
/// Events before a cut, so that everyone has an id to come back with.
const EVENTS_BEFORE_CUT: u64 = 5;
/// Reconnect delay where the scenario measures how streams end, not how clients wait.
const PROMPT_RECONNECT_MS: u64 = 200;

/// What all trials of a run share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bench {
    pub(crate) programs: Programs,
    pub(crate) processes: Option<usize>,
    pub(crate) sources: Vec<IpAddr>,
    pub(crate) http2_streams: u32,
    pub(crate) connecting_max: usize,
}

/// Runs a scenario against a server.
pub(crate) fn run(server: &Server, plan: &Plan, bench: &Bench, display: &Display) -> Result<Outcome> {
    display.phase(&format!("{} · {}", plan.scenario.name(), server.name()), "starting");
    let running = Running::start(server, plan, &bench.programs)?;
    let setup = SwarmSetup {
        targets: running.targets.clone(),
        clients: plan.clients,
        stalled_share: plan.stalled_share,
        slow_share: plan.slow_share,
        slow_bytes_per_second: plan.slow_bytes_per_second,
        resume: server.resumes(),
        reconnect_ms: (plan.scenario == Scenario::Jobs).then_some(PROMPT_RECONNECT_MS),
        // Everyone is there before the first event is sent.
        first_seq: 1,
        gap_event: "fanfare.gap".to_owned(),
        http2_streams: bench.http2_streams,
        connecting_max: bench.connecting_max,
        streams: plan.streams,
        ..SwarmSetup::default()
    };
    let fleet = Fleet::start(&setup, bench.processes, &bench.sources)?;
    let mut trial = Trial {
        outcome: Outcome::new(&running.name, plan),
        pids: running.pids(),
        plan,
        running,
        fleet,
        display,
        started: Instant::now(),
        last_sample: (Instant::now(), Tick::default(), Cpu::default()),
    };
    let resident = resident_kib(&trial.pids);
    trial.fleet.watch(Instant::now() + SETTLE / 2, |_| false)?;
    match plan.scenario {
        Scenario::Memory => trial.memory()?,
        Scenario::ConnectStorm => trial.connect_storm()?,
        Scenario::ResumeStorm => trial.resume_storm()?,
        _ => trial.steady(resident)?,
    }
    trial.finish()
}

struct Trial<'a> {
    plan: &'a Plan,
    running: Running,
    fleet: Fleet,
    display: &'a Display,
    pids: Vec<u32>,
    outcome: Outcome,
    started: Instant,
    last_sample: (Instant, Tick, Cpu),
}

impl Trial<'_> {
    /// Events flow at a rate, and everyone who reads gets them all.
    fn steady(&mut self, resident_before: u64) -> Result<()> {
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
        self.fleet.churn(self.plan.churn_per_second)?;
        self.hold("warming up", self.plan.warmup)?;
        self.measure(|trial| trial.hold("measuring", trial.plan.duration))?;
        self.fleet.churn(0.0)?;
        let now = resident_kib(&self.pids);
        self.outcome
            .values
            .set("rss_growth_mib", (now as f64 - resident as f64) / 1024.0);
        let asked =
            self.plan.events_per_second * self.plan.duration.as_secs_f64() * clients * (1.0 - self.plan.stalled_share);
        if let Some(delivered) = self.outcome.values.get("deliveries").filter(|_| asked > 0.0) {
            self.outcome.values.set("delivered_share", 100.0 * delivered / asked);
        }
        Ok(())
    }

    /// Clients arrive at a quiet stream.
    fn connect_storm(&mut self) -> Result<()> {
        self.connect(self.plan.clients)?;
        self.hold("settling", SETTLE)
    }

    /// Resident memory at two numbers of clients.
    fn memory(&mut self) -> Result<()> {
        let mut seen = Vec::new();
        for clients in [self.plan.from_clients, self.plan.clients] {
            self.connect(clients)?;
            self.hold("settling", 2 * SETTLE)?;
            seen.push((resident_kib(&self.pids) as f64, tcp_memory_kib() as f64));
        }
        let more = (self.plan.clients - self.plan.from_clients) as f64;
        self.outcome
            .values
            .set("rss_kib_per_client", (seen[1].0 - seen[0].0) / more);
        self.outcome
            .values
            .set("tcp_kib_per_client", (seen[1].1 - seen[0].1) / more);
        Ok(())
    }

    /// All are cut, miss events, and come back.
    fn resume_storm(&mut self) -> Result<()> {
        self.connect(self.plan.clients)?;
        self.running.source.burst(EVENTS_BEFORE_CUT)?;
        self.await_event(EVENTS_BEFORE_CUT, TAIL_TIMEOUT)?;
        self.fleet.order(SwarmOrder::Cut)?;
        self.hold("cut", SETTLE)?;
        self.running.source.burst(self.plan.replay_events)?;
        self.hold("missing events", SETTLE)?;
        let before = self.fleet.tick();
        self.measure(|trial| {
            let cpu = Cpu::of(&trial.pids);
            let begun = Instant::now();
            trial
                .fleet
                .connect(trial.plan.clients, trial.plan.connects_per_second)?;
            let clients = trial.plan.clients as u64;
            let all = trial.watch("coming back", trial.connect_deadline(trial.plan.clients), |tick| {
                tick.live >= clients
            })?;
            if all {
                trial.outcome.values.set("all_live_s", begun.elapsed().as_secs_f64());
            }
            if trial.await_event(EVENTS_BEFORE_CUT + trial.plan.replay_events, CATCH_UP_TIMEOUT)? {
                trial.outcome.values.set("caught_up_s", begun.elapsed().as_secs_f64());
            } else {
                trial.outcome.failures.push("not everyone has caught up".to_owned());
            }
            let replayed = (trial.fleet.tick().delivered - before.delivered) as f64;
            let spent = Cpu::of(&trial.pids).since(&cpu);
            trial.outcome.values.set("replayed", replayed);
            trial
                .outcome
                .values
                .set("cpu_us_per_replay", spent.total_ns as f64 / 1e3 / replayed.max(1.0));
            Ok(())
        })
    }

    /// Has this many clients live, and says what that took.
    fn connect(&mut self, clients: usize) -> Result<()> {
        let (cpu, before) = (Cpu::of(&self.pids), self.fleet.tick());
        let begun = Instant::now();
        self.fleet.connect(clients, self.plan.connects_per_second)?;
        let deadline = self.connect_deadline(clients);
        let wanted = clients as u64;
        let all = self.watch("connecting", deadline, |tick| tick.live >= wanted)?;
        let tick = self.fleet.tick();
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
        let (cpu, machine) = (Cpu::of(&self.pids), machine_ticks());
        let begun = Instant::now();
        during(self)?;
        let spent = Cpu::of(&self.pids).since(&cpu);
        let seconds = begun.elapsed().as_secs_f64();
        let windows = self.fleet.measure()?;
        let now = machine_ticks();
        self.outcome.windows(&windows);
        let values = &mut self.outcome.values;
        values.set("server_cpu_share", spent.total_ns as f64 / 1e7 / seconds);
        let (all, idle) = ((now.0 - machine.0).max(1), now.1.saturating_sub(machine.1));
        values.set("machine_idle_share", 100.0 * idle as f64 / all as f64);
        if let Some(deliveries) = values.get("deliveries").filter(|deliveries| *deliveries > 0.0) {
            let micros = spent.total_ns as f64 / 1e3 / deliveries;
            values.set("cpu_us_per_delivery", micros);
            values.set("cpu_user_us_per_delivery", micros * spent.user_share);
            values.set("cpu_system_us_per_delivery", micros * (1.0 - spent.user_share));
        }
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
            rss_mib: resident_kib(&self.pids) as f64 / 1024.0,
            tcp_mib: tcp_memory_kib() as f64 / 1024.0,
            server_cpu: spent as f64 / 1e9 / seconds,
        };
        self.last_sample = (now, tick, cpu);
        self.outcome.samples.push(sample);
        sample
    }

    /// Stops the events, waits for the last, and looks at what everyone has got.
    fn finish(mut self) -> Result<Outcome> {
        self.outcome
            .values
            .set("rss_mib", resident_kib(&self.pids) as f64 / 1024.0);
        let jobs = self.plan.scenario == Scenario::Jobs;
        if jobs {
            self.running.source.end()?;
        }
        let stopped = self.running.source.stop()?;
        self.outcome
            .values
            .set("origin_late_ms", stopped.late_max.as_secs_f64() * 1e3);
        for _ in 0..TAIL_TRIES {
            let before = self.fleet.tick().delivered;
            let arrived = stopped.last == 0 || self.await_event(stopped.last, TAIL_TIMEOUT)?;
            if arrived || self.fleet.tick().delivered == before {
                break;
            }
        }
        if jobs {
            let empty = self.watch("streams end", Instant::now() + TAIL_TIMEOUT, |tick| tick.live == 0)?;
            if !empty {
                self.outcome
                    .failures
                    .push("streams go on after their terminal event".to_owned());
            }
            self.hold("who comes back is told", 2 * SETTLE)?;
        }
        let live = self.fleet.tick().live;
        self.outcome.values.set("clients", live as f64);
        let processes = self.fleet.processes();
        let totals = self.fleet.finish(stopped.last)?;
        let summary = self.outcome.totals(&totals);
        judge(&mut self.outcome, &summary, &stopped, live);
        self.outcome.judge_harness();
        if processes > 1 {
            self.outcome
                .warnings
                .push(format!("the swarm had {processes} processes"));
        }
        Ok(self.outcome)
    }
}

/// What the scenario doesn't expect is a failure.
fn judge(outcome: &mut Outcome, summary: &Summary, stopped: &Stopped, live: u64) {
    let (plan, counts) = (outcome.plan.clone(), &summary.counts);
    let floor = stopped.skipped > 0;
    if floor {
        outcome.values.set("skipped", stopped.skipped as f64);
        outcome.warnings.push(format!(
            "the floor skipped {} writes to full sockets: it loses events by design",
            stopped.skipped
        ));
    }
    let mut fail = |happened: bool, text: String| {
        if happened {
            outcome.failures.push(text);
        }
    };
    fail(counts.lost > 0 && !floor, format!("{} events lost", counts.lost));
    fail(counts.doubled > 0, format!("{} events doubled", counts.doubled));
    fail(
        counts.disordered > 0,
        format!("{} events out of order", counts.disordered),
    );
    fail(
        counts.strayed > 0,
        format!("{} events in the wrong stream", counts.strayed),
    );
    let slow = plan.slow_share > 0.0;
    fail(
        counts.gap_lost > 0 && !slow,
        format!("{} events missing by gap events", counts.gap_lost),
    );
    fail(
        summary.refused > 0,
        format!("{} refused clients, by status {:?}", summary.refused, summary.statuses),
    );
    let broken = outcome.values.get("broken").unwrap_or(0.0);
    let ended =
        outcome.values.get("ended_by_server").unwrap_or(0.0) - outcome.values.get("stalled_ended").unwrap_or(0.0);
    let over = outcome.values.get("over").unwrap_or(0.0);
    let mut fail = |happened: bool, text: String| {
        if happened {
            outcome.failures.push(text);
        }
    };
    fail(broken > 0.0, format!("{broken} streams broken"));
    let jobs = plan.scenario == Scenario::Jobs;
    fail(
        ended > 0.0 && !jobs && !slow,
        format!("{ended} streams ended by the server"),
    );
    fail(
        jobs && over as usize != plan.clients,
        format!(
            "{over} of {} clients were told by 204 that their stream is over",
            plan.clients
        ),
    );
    let unheard = plan.is_steady() && plan.events_per_second > 0.0 && counts.delivered == 0;
    fail(unheard, "no event arrived".to_owned());
    let expected_live = (plan.clients as f64 * (1.0 - plan.stalled_share - plan.slow_share)) as u64;
    fail(live < expected_live && !jobs, format!("{live} clients live at the end"));
}
