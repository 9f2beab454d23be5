//! The life of the process: read the configuration, start, wait for a signal, leave in order.

use anyhow::Context;
use clap::Parser;
use fanfare::cli::{Cli, Command, Demo, DemoArgs, FileReloads, Logs, Program, ServeArgs, Upgrades};
use fanfare::config::Config;
use fanfare::error::Exit;
use fanfare::relay::Relay;
use fanfare::service_manager::ServiceManager;
use fanfare::signals::LeaveSignals;
use fanfare::{cli, demo, telemetry};
use std::io::Write as _;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let Cli { command, logs } = Cli::parse();
    let done = match command {
        Command::Serve(args) => serve(&args, &logs),
        Command::Demo(args) => demo(&args, &logs),
        Command::Check(args) => cli::check(&args, std::io::stdin(), &mut std::io::stdout(), &mut std::io::stderr())
            .map(Into::into)
            .map_err(Into::into),
        Command::Tail(args) => tail(args, &logs),
        Command::Health(args) => cli::health(&args, &mut std::io::stderr())
            .map(Into::into)
            .map_err(Into::into),
        Command::Upgrade(args) => cli::upgrade(&args, &mut std::io::stdout(), &mut std::io::stderr())
            .map(Into::into)
            .map_err(Into::into),
        Command::Sign(args) => cli::sign(&args, &mut std::io::stdout(), &mut std::io::stderr())
            .map(Into::into)
            .map_err(Into::into),
        Command::Schema => cli::schema(&mut std::io::stdout())
            .map(|()| ExitCode::SUCCESS)
            .map_err(Into::into),
        Command::Crowd => cli::crowd().map(|()| ExitCode::SUCCESS).map_err(Into::into),
        Command::Man(args) => cli::man(&args).map(|()| ExitCode::SUCCESS).map_err(Into::into),
        Command::Completions(args) => cli::completions(&args, &mut std::io::stdout())
            .map(|()| ExitCode::SUCCESS)
            .map_err(Into::into),
    };
    let exit = done.unwrap_or_else(|error| {
        telemetry::fatal(logs.log_format, &format!("{error:#}"));
        Exit::Failed.into()
    });
    telemetry::flush();
    exit
}

fn serve(args: &ServeArgs, logs: &Logs) -> anyhow::Result<ExitCode> {
    // Before anything else: from here on a signal neither ends the process by itself nor is lost.
    let (leave, hangup, upgrade) = within_runtime(|| {
        let (hangup, upgrade) = (SignalKind::hangup(), SignalKind::user_defined2());
        Ok((LeaveSignals::new()?, signal(hangup)?, signal(upgrade)?))
    })?;
    let program = Program::of_this_process()?;
    let configured = match args.configure() {
        Ok(configured) => configured,
        Err(error) => {
            telemetry::fatal(logs.log_format, &error.to_string());
            return Ok(Exit::Usage.into());
        }
    };
    init_logs(logs, configured.loaded.log.as_deref())?;
    for warning in &configured.loaded.warnings {
        tracing::warn!("{warning}");
    }
    run(
        configured.loaded.config.clone(),
        args.takeover,
        leave,
        |relay, manager| {
            let reloads = FileReloads::new(args.clone(), configured, relay.reloader(), manager.clone());
            tokio::spawn(reloads.run(hangup));
            tokio::spawn(Upgrades::new(program, relay.upgrader(), manager.clone()).run(upgrade));
            Ok(())
        },
    )
}

/// What takes signals is made within a runtime, and goes on beyond it.
fn within_runtime<T>(make: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _within = runtime.enter();
    make()
}

fn init_logs(logs: &Logs, from_file: Option<&str>) -> anyhow::Result<()> {
    let (filter, warning) = logs.filter(from_file);
    telemetry::init(&filter, logs.log_format)?;
    if let Some(warning) = warning {
        tracing::warn!("{warning}");
    }
    Ok(())
}

fn demo(args: &DemoArgs, logs: &Logs) -> anyhow::Result<ExitCode> {
    init_logs(logs, Some("warn"))?;
    let Demo {
        origin,
        config,
        crowd_max,
    } = args.start()?;
    let leave = within_runtime(LeaveSignals::new)?;
    run(config, false, leave, |relay, _| {
        let address = relay.address().context("the demo needs a TCP listener")?;
        origin.set_relayed_stream(format!("http://{}{}", demo::reachable(address), demo::STREAM_PATH));
        let admin = relay.admin_address().context("the demo needs the admin listener")?;
        origin.set_crowd(cli::crowd_of(demo::reachable(address), crowd_max), admin);
        say(&demo::banner(address, origin.addr(), admin));
        let mut leave = LeaveSignals::new()?;
        tokio::spawn(async move {
            leave.recv().await;
            say("Draining: every stream is ended between two events, and its client told when to come back.");
        });
        Ok(())
    })
}

fn tail(args: cli::TailArgs, logs: &Logs) -> anyhow::Result<ExitCode> {
    init_logs(logs, Some("warn"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(cli::tail(args)).map(Into::into)
}

/// Threads of the runtime, which reads requests and proxies them: upstreams have a runtime of their
/// own, and delivery is the shards'. Each thread more is one more that is woken, and that looks for
/// work which the others have done by then (docs/decisions/0008).
fn runtime_threads(shards: usize) -> usize {
    (shards / 2).max(1)
}

/// Runs a relay until a signal has ended it, or another process has taken over.
fn run(
    config: Config,
    takes_over: bool,
    leave: LeaveSignals,
    started: impl FnOnce(&Relay, &ServiceManager) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(runtime_threads(config.workers))
        .thread_name("requests")
        .enable_all()
        .build()?;
    let exit = runtime.block_on(live(config, takes_over, leave, started));
    // A name that is being resolved can't be interrupted, and is not waited for.
    runtime.shutdown_background();
    exit.map(Into::into)
}

async fn live(
    config: Config,
    takes_over: bool,
    mut leave: LeaveSignals,
    started: impl FnOnce(&Relay, &ServiceManager) -> anyhow::Result<()>,
) -> anyhow::Result<Exit> {
    // Taking over may have to wait for the other process: not here, where signals are heard.
    let beginning = tokio::task::spawn_blocking(move || match takes_over {
        true => Relay::take_over(config),
        false => Relay::start(config),
    });
    let relay = tokio::select! {
        biased;
        begun = beginning => begun??,
        () = leave.recv() => return Ok(if takes_over { Exit::Failed } else { Exit::Done }),
    };
    let manager = ServiceManager::from_environment()?;
    started(&relay, &manager)?;
    let exit = until_left(relay, &manager, leave).await;
    // On the thread that only waits. Its last word may be which process is the service from now on.
    manager.flush();
    Ok(exit)
}

/// Serves until a signal, or another process, ends that; then leaves in order.
async fn until_left(relay: Relay, manager: &ServiceManager, mut leave: LeaveSignals) -> Exit {
    manager.ready(format_args!("{} listeners for clients", relay.addresses().len()));
    let liveness = relay.liveness();
    // On a thread of the runtime that serves requests: stuck, it says nothing either.
    let alive = tokio::spawn(manager.clone().keep_alive(move |patience| {
        let liveness = liveness.clone();
        async move { liveness.silent(patience).await }
    }));
    tokio::select! {
        () = leave.recv() => {
            let drain = relay.drain_settings();
            manager.stopping(drain.delay.saturating_add(drain.timeout));
        }
        process = relay.handed_over() => {
            // The signs of life are the new process's.
            alive.abort();
            manager.main_process(process);
        }
        part = relay.failed() => {
            // Its clients come back, and resume: here, once a supervisor has started us anew, or at
            // another instance.
            tracing::error!("{part} has failed: the process ends");
            return Exit::Failed;
        }
    }
    tokio::select! {
        drained = relay.drain() => if drained { Exit::Done } else { Exit::Failed },
        () = leave.again() => {
            tracing::warn!("second signal: everything is cut");
            Exit::Failed
        }
    }
}

/// The demo talks to a person; with standard output closed it goes on all the same.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
