//! Child processes: every one ends with the driver, however that ends.
//!
//! Our own subcommands end with their stdin. Other programs are started through our `guard`
//! subcommand, which asks the kernel for a signal at the parent's death and then becomes the
//! program, keeping the process id.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a child may take to leave after SIGTERM.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);

/// A process that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Guarded {
    pub(crate) child: Child,
    /// It has children of its own, which only it can end.
    polite: bool,
}

impl Guarded {
    pub(crate) fn new(child: Child) -> Self {
        Self { child, polite: false }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it by SIGHUP to read its files again.
    pub(crate) fn reload(&self) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("a process without an id")?, Signal::HUP).context("can't signal a server")
    }

    /// Whether it has ended by itself, and how.
    pub(crate) fn ended(&mut self) -> Option<String> {
        self.child.try_wait().ok().flatten().map(|status| status.to_string())
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if self.polite && self.child.try_wait().is_ok_and(|status| status.is_none()) {
            if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::TERM);
            }
            let deadline = Instant::now() + LEAVE_TIMEOUT;
            while Instant::now() < deadline && self.child.try_wait().is_ok_and(|status| status.is_none()) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This program's own file.
pub(crate) fn own_program() -> Result<PathBuf> {
    std::env::current_exe().context("this program's own file can't be found")
}

/// Starts one of our own subcommands, with pipes for control.
pub(crate) fn own(arguments: &[String], cores: &[usize]) -> Result<Child> {
    let mut command = Command::new(own_program()?);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    on_cores(cores, || command.spawn()).with_context(|| format!("can't start {}", arguments.join(" ")))
}

/// Starts another program; its output goes to `log`.
pub(crate) fn other(program: &[OsString], log: &std::path::Path, polite: bool, cores: &[usize]) -> Result<Guarded> {
    let file = std::fs::File::create(log).with_context(|| format!("can't write {}", log.display()))?;
    let mut command = Command::new(own_program()?);
    command
        .arg("guard")
        .args(polite.then_some("--polite"))
        .arg("--")
        .args(program)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    let child = on_cores(cores, || command.spawn()).with_context(|| format!("can't start {}", program[0].display()))?;
    Ok(Guarded { child, polite })
}

/// Spawns a process that may run on these cores only; none: on all that this one may. A child
/// inherits the cores of the thread that spawns it.
fn on_cores(cores: &[usize], spawn: impl FnOnce() -> io::Result<Child>) -> io::Result<Child> {
    if cores.is_empty() {
        return spawn();
    }
    let own = sched_getaffinity(None)?;
    let mut wanted = CpuSet::new();
    cores
        .iter()
        .filter(|core| **core < CpuSet::MAX_CPU)
        .for_each(|core| wanted.set(*core));
    sched_setaffinity(None, &wanted)?;
    let child = spawn();
    sched_setaffinity(None, &own)?;
    child
}

/// The `guard` subcommand: returns only if the program can't be started.
pub(crate) fn guard(program: &[OsString], polite: bool) -> anyhow::Error {
    use std::os::unix::process::CommandExt;
    let signal = if polite { Signal::TERM } else { Signal::KILL };
    // Without it a killed driver leaves the program behind, which is a nuisance and no more.
    let _ = rustix::process::set_parent_process_death_signal(Some(signal));
    crate::control::raise_descriptor_limit();
    let error = Command::new(&program[0]).args(&program[1..]).exec();
    anyhow::Error::new(error).context(format!("can't start {}", program[0].display()))
}
