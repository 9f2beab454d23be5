//! The life of a process, by subcommand. Exit codes: 0 as expected, 1 not so, 2 usage.

use crate::cli::{Cli, Command, Common, CompareArgs, FloorArgs, OriginArgs, ReportArgs, RunArgs};
use crate::control::{SwarmReport, SwarmSetup, begin_child, listen, raise_descriptor_limit, say};
use crate::display::Display;
use crate::driver::compare::Entrant;
use crate::driver::comparison::Comparison;
use crate::driver::contender::Contender;
use crate::driver::plan::{Plan, Scenario};
use crate::driver::server::{Programs, Server};
use crate::driver::wire::Wire;
use crate::driver::{child, clients, compare};
use crate::report::{self, Report};
use crate::source::{floor, origin, publish};
use crate::swarm;
use crate::target;
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Runs the subcommand that the command line names.
pub fn main() -> ExitCode {
    let cli = Cli::read();
    raise_descriptor_limit();
    let result = match cli.command {
        Command::Run(args) => run(&args),
        Command::Compare(args) => compare_all(&args),
        Command::Clients(args) => clients(&args),
        Command::Origin(args) => origin(args).map(|()| true),
        Command::Floor(args) => floor(&args).map(|()| true),
        Command::Worker => worker().map(|()| true),
        Command::Guard { polite, program } => Err(child::guard(&program, polite)),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let usage = error.is::<Usage>();
            // A closed stderr does not change the exit code.
            let _ = writeln!(std::io::stderr(), "fanfare-loadtest: {error:#}");
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

/// A mistake on the command line.
#[derive(Debug)]
struct Usage(String);

impl std::fmt::Display for Usage {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

fn run(args: &RunArgs) -> Result<bool> {
    let bench = args.common.bench();
    let display = Display::new(args.common.report.quiet);
    let mut comparisons = Vec::new();
    let plans = plans(&args.scenarios, &args.common)?;
    for plan in &plans {
        for contender in args.server.in_scenario(plan.scenario) {
            if let Some(why) = contender.server.cannot(plan, contender.wire.unwrap_or(bench.wire)) {
                let (name, scenario) = (contender.name(), plan.scenario.name());
                bail!(Usage(format!("{name} {why}, so it can't do {scenario}")));
            }
        }
    }
    must_be_there(std::slice::from_ref(&args.server), &bench.programs)?;
    for plan in &plans {
        let mut entrants = Entrant::all(std::slice::from_ref(&args.server), plan, bench.wire);
        let beside_floor = matches!(plan.scenario, Scenario::ResumeStorm | Scenario::Million);
        if beside_floor && args.server.server != Server::Floor {
            // The report also says what the same bytes cost without a server.
            entrants.splice(0..0, Entrant::all(&[Server::Floor.into()], plan, Wire::CLEAR));
        }
        comparisons.push(compare::run(&entrants, plan, 1, &bench, &display));
    }
    display.done();
    finish(comparisons, &args.common.report)
}

fn compare_all(args: &CompareArgs) -> Result<bool> {
    let bench = args.common.bench();
    // Named servers must be there; of the usual ones those are measured that are.
    must_be_there(&args.servers, &bench.programs)?;
    must_be_there(&args.server, &bench.programs)?;
    let plans = plans(&args.scenario, &args.common)?;
    let display = Display::new(args.common.report.quiet);
    let mut comparisons = Vec::new();
    for plan in &plans {
        let named = match args.servers.as_slice() {
            [] => usual(plan.scenario),
            named => named.to_vec(),
        };
        let contenders: Vec<_> = named.into_iter().chain(args.server.iter().cloned()).collect();
        let mut entrants = Entrant::all(&contenders, plan, bench.wire);
        Entrant::leave_out_missing(&mut entrants, &bench.programs);
        comparisons.push(compare::run(&entrants, plan, args.rounds.max(1), &bench, &display));
    }
    display.done();
    finish(comparisons, &args.common.report)
}

/// The servers that a scenario compares where none are named.
fn usual(scenario: Scenario) -> Vec<Contender> {
    let servers: &[Server] = match scenario {
        Scenario::Edge | Scenario::RenewCertificates | Scenario::FrozenStreams => &[Server::Fanfare, Server::Nginx],
        _ => &[
            Server::Floor,
            Server::Fanfare,
            Server::Naive,
            Server::Nchan,
            Server::DurableStreams,
            Server::Pushpin,
        ],
    };
    servers.iter().cloned().map(Contender::from).collect()
}

/// The scenarios' numbers, with those of the command line: mistakes in any of them are found before
/// the first one runs.
fn plans(scenarios: &[Scenario], common: &Common) -> Result<Vec<Plan>> {
    let plan = |scenario: &Scenario| {
        let plan = Plan::of(*scenario, common.overrides.quick).with(&common.overrides);
        plan.check().map_err(Usage)?;
        Ok(plan)
    };
    scenarios.iter().map(plan).collect()
}

/// A mistake if the program of a named server is not there.
fn must_be_there(contenders: &[Contender], programs: &Programs) -> Result<()> {
    match contenders
        .iter()
        .find_map(|contender| Some((contender, contender.server.missing(programs)?)))
    {
        Some((contender, error)) => bail!(Usage(format!("{}: {error:#}", contender.name()))),
        None => Ok(()),
    }
}

fn clients(args: &crate::cli::ClientsArgs) -> Result<bool> {
    let display = Display::new(args.report.quiet);
    let comparison = clients::run(args, &display)?;
    display.done();
    finish(vec![comparison], &args.report)
}

/// Writes the reports; says whether all was as expected.
fn finish(comparisons: Vec<Comparison>, args: &ReportArgs) -> Result<bool> {
    let mut failures: Vec<String> = comparisons.iter().flat_map(Comparison::failures).collect();
    let mut verdicts = Vec::new();
    for threshold in &args.fail_if {
        failures.extend(comparisons.iter().flat_map(|comparison| threshold.failures(comparison)));
        verdicts.extend(comparisons.iter().flat_map(|comparison| threshold.verdicts(comparison)));
    }
    let report = Report::new(comparisons, failures, verdicts);
    let stdout_is_json = args.json.as_deref() == Some(Path::new("-"));
    if !stdout_is_json {
        let _ = std::io::stdout().write_all(report::table::render(&report).as_bytes());
    }
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&report::json::render(&report))?;
        if stdout_is_json {
            let _ = writeln!(std::io::stdout(), "{text}");
        } else {
            std::fs::write(path, text).with_context(|| format!("can't write {}", path.display()))?;
        }
    }
    if let Some(path) = &args.html {
        std::fs::write(path, report::html::render(&report))
            .with_context(|| format!("can't write {}", path.display()))?;
    }
    Ok(report.failures.is_empty())
}

fn origin(args: OriginArgs) -> Result<()> {
    if args.event.control {
        begin_child();
    }
    if let Some(url) = &args.publish {
        let target = target::parse(url)?;
        let options = publish::Options {
            address: target.address,
            authority: target.authority,
            path: target.path,
            data_bytes: args.event.form().size_bytes,
            content_type: args.content_type.clone(),
            ends_line: args.line,
            grip: args.grip.clone(),
        };
        return match args.event.control {
            true => publish::run(&options, &listen(|| {})),
            false => {
                let (orders, received) = std::sync::mpsc::channel();
                let start = crate::control::SourceOrder::Start {
                    events_per_second: args.rate,
                    burst: args.event.burst,
                };
                orders.send(start).context("the receiver is at hand")?;
                publish::run(&options, &received)
            }
        };
    }
    origin::run(origin::Options {
        listen: args.listen,
        heartbeat: args.heartbeat,
        form: args.event.form(),
        start: args.event.start(args.rate),
        changelog: args.changelog(),
        streams: args.streams,
        events: args.events,
        faults: args.fault,
    })
}

fn floor(args: &FloorArgs) -> Result<()> {
    if args.event.control {
        begin_child();
    }
    floor::run(floor::Options {
        listen: args.listen,
        form: args.event.form(),
        start: args.event.start(args.rate),
        threads: args.threads,
        keep: args.keep,
    })
}

fn worker() -> Result<()> {
    begin_child();
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let setup: SwarmSetup = serde_json::from_str(&line).context("the swarm's setup is not understood")?;
    let result = swarm::run(setup);
    if let Err(error) = &result {
        say(&SwarmReport::Failed {
            reason: format!("{error:#}"),
        });
    }
    result
}
