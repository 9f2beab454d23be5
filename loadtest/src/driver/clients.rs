//! The swarm against a server that runs already.

use super::comparison::{Comparison, Standing};
use super::fleet::{Fleet, FleetShape};
use super::metrics::OF_PROCESSES;
use super::outcome::{Outcome, Sample};
use super::plan::{Plan, Scenario};
use crate::cli::ClientsArgs;
use crate::control::{SwarmOrder, SwarmSetup, Target, Tick, Totals};
use crate::display::Display;
use crate::machine::Machine;
use crate::proc::{Cpu, resident_kib, tcp_memory_kib};
use crate::target;
use anyhow::{Context as _, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::net::TcpStream;
use std::time::{Duration, Instant};

const SAMPLE: Duration = Duration::from_millis(500);
/// How long a server may take to accept one connection before any client is started.
const REACH_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects, measures, reports. Loss is seen only in streams with our origin's events.
pub(crate) fn run(args: &ClientsArgs, display: &Display) -> Result<Comparison> {
    let plan = Plan::of(Scenario::Clients, false).with_crowd(&args.crowd);
    display.phase("clients", "connecting");
    let shape = FleetShape {
        processes: args.swarm.processes,
        sources: &args.swarm.source,
        cores: &args.swarm.load_cores,
    };
    let setup = setup(args, &plan)?;
    must_answer(&setup.targets)?;
    let mut session = Session {
        args,
        fleet: Fleet::start(&setup, &shape)?,
        outcome: Outcome::new(&args.url.join(" "), &plan),
        plan: &plan,
        display,
        started: Instant::now(),
        last: Tick::default(),
        cpu: Cpu::of(&args.pid),
    };
    session.connect()?;
    session.measure()?;
    let outcome = session.finish()?;
    let standing = Standing {
        server: outcome.server.clone(),
        left_out: None,
        median: outcome.values.clone(),
        rounds: vec![outcome],
    };
    Ok(Comparison {
        plan,
        standings: vec![standing],
    })
}

/// Whether every server can be reached: found out before the first client is started, since it would
/// be the same for all of them.
fn must_answer(targets: &[Target]) -> Result<()> {
    for target in targets {
        TcpStream::connect_timeout(&target.address, REACH_TIMEOUT)
            .with_context(|| format!("{} ({}) can't be reached", target.authority, target.address))?;
    }
    Ok(())
}

/// What the swarm is told.
fn setup(args: &ClientsArgs, plan: &Plan) -> Result<SwarmSetup> {
    let targets = args.url.iter().map(|url| target::parse(url)).collect::<Result<_>>()?;
    let basic = |user: &String| format!("Basic {}", STANDARD.encode(user));
    Ok(SwarmSetup {
        targets,
        clients: plan.clients,
        authorization: args.user.as_ref().map(basic).or_else(|| args.authorization.clone()),
        headers: args.header.clone(),
        stalled_share: plan.stalled_share,
        slow_share: plan.slow_share,
        slow_bytes_per_second: plan.slow_bytes_per_second,
        resume: !args.no_resume,
        reconnect_ms: args.reconnect.map(|delay| delay.as_millis() as u64),
        gap_event: args.gap_event.clone(),
        http2_streams: args.swarm.http2_streams,
        connecting_max: args.swarm.connecting_max,
        ca: args.ca.clone(),
        streams: plan.streams,
        ..SwarmSetup::default()
    })
}

/// One run against the server.
struct Session<'a> {
    args: &'a ClientsArgs,
    plan: &'a Plan,
    fleet: Fleet,
    outcome: Outcome,
    display: &'a Display,
    started: Instant,
    /// At the last sample.
    last: Tick,
    cpu: Cpu,
}

impl Session<'_> {
    /// Connects all clients, and says what that cost.
    fn connect(&mut self) -> Result<()> {
        let (pids, clients) = (&self.args.pid, self.plan.clients);
        let (resident, tcp, cpu) = (resident_kib(pids), tcp_memory_kib(), Cpu::of(pids));
        let begun = Instant::now();
        self.fleet.connect(clients, self.plan.connects_per_second)?;
        let rated = Duration::from_secs_f64(clients as f64 / self.plan.connects_per_second.max(1e-3));
        self.hold("connecting", rated + self.args.connect_timeout, clients as u64)?;
        let tick = self.fleet.tick();
        if tick.opened < clients as u64 {
            let short = format!("only {} of {clients} clients got a stream", tick.opened);
            self.outcome.failures.push(short);
        }
        let clients = tick.opened.max(1) as f64;
        let values = &mut self.outcome.values;
        values.set("connects_per_s", clients / begun.elapsed().as_secs_f64());
        let grown = tcp_memory_kib().saturating_sub(tcp);
        values.set("tcp_kib_per_client", grown as f64 / clients);
        if pids.is_empty() {
            // On another machine, or not said: that isn't 0.
            values.set_unknown(OF_PROCESSES);
        } else {
            let grown = resident_kib(pids).saturating_sub(resident);
            values.set("rss_kib_per_client", grown as f64 / clients);
            let spent = Cpu::of(pids).since(&cpu);
            values.set("cpu_us_per_connect", spent.total_ns as f64 / 1e3 / clients);
        }
        Ok(())
    }

    /// Measures for as long as the plan says, or not at all where every client has given up.
    fn measure(&mut self) -> Result<()> {
        let (pids, plan) = (&self.args.pid, self.plan);
        let hopeless = self.fleet.tick().given_up >= plan.clients as u64;
        let duration = if hopeless { Duration::ZERO } else { plan.duration };
        self.fleet.churn(plan.churn_per_second, plan.cut_every)?;
        self.fleet.order(SwarmOrder::Reset)?;
        let (cpu, machine, begun) = (Cpu::of(pids), Machine::now(), Instant::now());
        self.hold("measuring", duration, u64::MAX)?;
        let spent = Cpu::of(pids).since(&cpu);
        let seconds = begun.elapsed().as_secs_f64();
        let windows = self.fleet.measure()?;
        self.outcome.windows(&windows);
        let now = Machine::now();
        let values = &mut self.outcome.values;
        values.set("machine_idle_share", now.idle_share_since(&machine));
        values.set("dropped_packets", now.dropped_since(&machine) as f64);
        if !pids.is_empty() {
            values.set("rss_mib", resident_kib(pids) as f64 / 1024.0);
            self.outcome.server_cpu(spent, seconds);
        }
        Ok(())
    }

    /// Ends the swarm, and judges what it saw.
    fn finish(mut self) -> Result<Outcome> {
        let live = self.fleet.tick().live;
        self.outcome.values.set("clients", live as f64);
        judge(&mut self.outcome, &self.fleet.finish(0)?);
        Ok(self.outcome)
    }

    /// Lets time pass, or until so many streams were opened: short ones may have ended before the
    /// last begins.
    fn hold(&mut self, what: &str, time: Duration, opened: u64) -> Result<()> {
        let (begun, until) = (Instant::now(), Instant::now() + time);
        loop {
            let from = Instant::now();
            let done = self
                .fleet
                .watch((from + SAMPLE).min(until), |tick| tick.opened + tick.given_up >= opened)?;
            let (tick, cpu, seconds) = (
                self.fleet.tick(),
                Cpu::of(&self.args.pid),
                from.elapsed().as_secs_f64().max(1e-3),
            );
            let known = !self.args.pid.is_empty();
            let sample = Sample {
                latency_ms: self.fleet.latency_since(&self.last),
                seconds: self.started.elapsed().as_secs_f64(),
                live: tick.live,
                deliveries_per_s: (tick.delivered - self.last.delivered) as f64 / seconds,
                rss_mib: known.then(|| resident_kib(&self.args.pid) as f64 / 1024.0),
                tcp_mib: tcp_memory_kib() as f64 / 1024.0,
                server_cpu: known.then(|| cpu.since(&self.cpu).total_ns as f64 / 1e9 / seconds),
            };
            (self.last, self.cpu) = (tick, cpu);
            self.outcome.samples.push(sample);
            self.display.live(what, &sample, begun.elapsed(), time);
            if done || Instant::now() >= until {
                return Ok(());
            }
        }
    }
}

/// What the totals say went wrong.
fn judge(outcome: &mut Outcome, totals: &[Totals]) {
    let summary = outcome.totals(totals);
    let counts = &summary.counts;
    let wrong = [
        (counts.lost, "events lost"),
        (counts.gap_lost, "events missing by gap events"),
        (summary.refused, "refused connections"),
    ];
    for (count, what) in wrong.into_iter().filter(|(count, _)| *count > 0) {
        outcome.failures.push(format!("{count} {what}"));
    }
    outcome.failures.extend(summary.wrong());
    if counts.delivered + counts.other == 0 {
        let nothing = "no event came: there was nothing to check".to_owned();
        outcome.warnings.push(nothing);
    }
    if !summary.statuses.is_empty() {
        let refused = format!("refused by status: {}", summary.describe_statuses());
        outcome.warnings.push(refused);
    }
    outcome.judge_harness();
}
