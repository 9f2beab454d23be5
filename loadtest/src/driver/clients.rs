//! The swarm against a server that runs already.

use super::comparison::{Comparison, Standing};
use super::fleet::{Fleet, FleetShape};
use super::outcome::{Outcome, Sample};
use super::plan::{Plan, Scenario};
use crate::cli::ClientsArgs;
use crate::control::{SwarmOrder, SwarmSetup, Totals};
use crate::display::Display;
use crate::machine::Machine;
use crate::proc::{Cpu, resident_kib, tcp_memory_kib};
use crate::target;
use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::{Duration, Instant};

const SAMPLE: Duration = Duration::from_millis(500);

/// Connects, measures, reports. Loss is seen only in streams with our origin's events.
pub(crate) fn run(args: &ClientsArgs, display: &Display) -> Result<Comparison> {
    let plan = Plan::of(Scenario::Clients, false).with_crowd(&args.crowd);
    let mut outcome = Outcome::new(&args.url.join(" "), &plan);
    display.phase("clients", "connecting");
    let shape = FleetShape {
        processes: args.swarm.processes,
        sources: &args.swarm.source,
        cores: &args.swarm.load_cores,
    };
    let mut fleet = Fleet::start(&setup(args, &plan)?, &shape)?;
    let mut watch = Watch {
        pids: &args.pid,
        display,
        started: Instant::now(),
        delivered: 0,
        cpu: Cpu::of(&args.pid),
    };
    connect(args, &plan, &mut fleet, &mut watch, &mut outcome)?;
    measure(args, &plan, &mut fleet, &mut watch, &mut outcome)?;
    let live = fleet.tick().live;
    outcome.values.set("clients", live as f64);
    judge(&mut outcome, &fleet.finish(0)?);
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

/// Connects all clients, and says what that cost.
fn connect(
    args: &ClientsArgs,
    plan: &Plan,
    fleet: &mut Fleet,
    watch: &mut Watch<'_>,
    outcome: &mut Outcome,
) -> Result<()> {
    let (resident, tcp, cpu) = (resident_kib(&args.pid), tcp_memory_kib(), Cpu::of(&args.pid));
    let begun = Instant::now();
    fleet.connect(plan.clients, plan.connects_per_second)?;
    let time = Duration::from_secs_f64(plan.clients as f64 / plan.connects_per_second.max(1e-3)) + args.connect_timeout;
    watch.hold(fleet, outcome, "connecting", time, plan.clients as u64)?;
    let tick = fleet.tick();
    if tick.opened < plan.clients as u64 {
        let short = format!("only {} of {} clients got a stream", tick.opened, plan.clients);
        outcome.failures.push(short);
    }
    let clients = tick.opened.max(1) as f64;
    let values = &mut outcome.values;
    values.set("connects_per_s", clients / begun.elapsed().as_secs_f64());
    let grown = tcp_memory_kib().saturating_sub(tcp);
    values.set("tcp_kib_per_client", grown as f64 / clients);
    if !args.pid.is_empty() {
        let grown = resident_kib(&args.pid).saturating_sub(resident);
        values.set("rss_kib_per_client", grown as f64 / clients);
        let spent = Cpu::of(&args.pid).since(&cpu);
        values.set("cpu_us_per_connect", spent.total_ns as f64 / 1e3 / clients);
    }
    Ok(())
}

/// Measures for as long as the plan says, or not at all where every client has given up.
fn measure(
    args: &ClientsArgs,
    plan: &Plan,
    fleet: &mut Fleet,
    watch: &mut Watch<'_>,
    outcome: &mut Outcome,
) -> Result<()> {
    let hopeless = fleet.tick().given_up >= plan.clients as u64;
    let duration = if hopeless { Duration::ZERO } else { plan.duration };
    fleet.churn(plan.churn_per_second, plan.cut_every)?;
    fleet.order(SwarmOrder::Reset)?;
    let (cpu, machine, begun) = (Cpu::of(&args.pid), Machine::now(), Instant::now());
    watch.hold(fleet, outcome, "measuring", duration, u64::MAX)?;
    let spent = Cpu::of(&args.pid).since(&cpu);
    let seconds = begun.elapsed().as_secs_f64();
    let windows = fleet.measure()?;
    outcome.windows(&windows);
    let now = Machine::now();
    let values = &mut outcome.values;
    values.set("machine_idle_share", now.idle_share_since(&machine));
    values.set("dropped_packets", now.dropped_since(&machine) as f64);
    let deliveries = values.get("deliveries").filter(|deliveries| *deliveries > 0.0);
    if let Some(deliveries) = deliveries.filter(|_| !args.pid.is_empty()) {
        let micros = spent.total_ns as f64 / 1e3 / deliveries;
        values.set("cpu_us_per_delivery", micros);
        values.set("cpu_user_us_per_delivery", micros * spent.user_share);
        values.set("cpu_system_us_per_delivery", micros * (1.0 - spent.user_share));
        values.set("server_cpu_share", spent.total_ns as f64 / 1e7 / seconds);
        values.set("rss_mib", resident_kib(&args.pid) as f64 / 1024.0);
    }
    Ok(())
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

struct Watch<'a> {
    pids: &'a [u32],
    display: &'a Display,
    started: Instant,
    delivered: u64,
    cpu: Cpu,
}

impl Watch<'_> {
    /// Lets time pass, or until so many streams were opened: short ones may have ended before the
    /// last begins.
    fn hold(
        &mut self,
        fleet: &mut Fleet,
        outcome: &mut Outcome,
        what: &str,
        time: Duration,
        opened: u64,
    ) -> Result<()> {
        let (begun, until) = (Instant::now(), Instant::now() + time);
        loop {
            let from = Instant::now();
            let done = fleet.watch((from + SAMPLE).min(until), |tick| tick.opened + tick.given_up >= opened)?;
            let (tick, cpu, seconds) = (fleet.tick(), Cpu::of(self.pids), from.elapsed().as_secs_f64().max(1e-3));
            let sample = Sample {
                seconds: self.started.elapsed().as_secs_f64(),
                live: tick.live,
                deliveries_per_s: (tick.delivered - self.delivered) as f64 / seconds,
                rss_mib: resident_kib(self.pids) as f64 / 1024.0,
                tcp_mib: tcp_memory_kib() as f64 / 1024.0,
                server_cpu: cpu.since(&self.cpu).total_ns as f64 / 1e9 / seconds,
            };
            (self.delivered, self.cpu) = (tick.delivered, cpu);
            outcome.samples.push(sample);
            self.display.live(what, &sample, begun.elapsed(), time);
            if done || Instant::now() >= until {
                return Ok(());
            }
        }
    }
}
