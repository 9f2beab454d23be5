//! `upgrade`: makes the running process hand over to the program at its path, and waits for it.

use super::find::find;
use crate::config;
use crate::error::Exit;
use crate::relay::{Told, ask};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Between two looks at who is there.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// `upgrade`.
#[derive(Debug, Clone, clap::Args)]
pub struct UpgradeArgs {
    /// Configuration file, which names the socket in `handover` [default: $FANFARE_CONFIG, then
    /// fanfare.yaml, then /etc/fanfare/fanfare.yaml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How long to wait for the new process, such as `30s`
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = super::sign::parse_expires)]
    pub timeout: Duration,
}

/// Asks for an upgrade, and says on `out` who serves now, or on `err` why it came to nothing.
pub fn upgrade(args: &UpgradeArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let socket = match socket(args.config.as_deref()) {
        Ok(socket) => socket,
        Err(why) => {
            writeln!(err, "fanfare: {why}")?;
            return Ok(Exit::Usage);
        }
    };
    match upgraded(&socket, args.timeout) {
        Ok(Told { process, version, .. }) => {
            writeln!(out, "process {process} (fanfare {version}) has taken over")?;
            Ok(Exit::Done)
        }
        Err(why) => {
            writeln!(err, "fanfare: not upgraded: {why}")?;
            Ok(Exit::Failed)
        }
    }
}

/// The socket that the file names. Nothing else of it has to be readable here: the service's secrets
/// are not this shell's.
fn socket(file: Option<&Path>) -> Result<PathBuf, String> {
    let file = find(file).map_err(|error| error.to_string())?;
    let socket = config::handover(&file).map_err(|mistakes| mistakes.to_string())?;
    socket.ok_or_else(|| {
        let file = file.display();
        format!("{file}: no `handover`: without that socket no process can take over")
    })
}

/// The process that has taken over.
fn upgraded(socket: &Path, timeout: Duration) -> Result<Told, String> {
    let before = ask(socket).map_err(|error| format!("no process answers at {}: {error}", socket.display()))?;
    let process = i32::try_from(before.process).ok().and_then(Pid::from_raw);
    let process = process.ok_or("the running process does not say who it is")?;
    kill_process(process, Signal::USR2)
        .map_err(|error| format!("process {} can't be told: {error}", before.process))?;
    let deadline = Instant::now() + timeout;
    while Instant::now() < deadline {
        sleep(LOOK_EVERY);
        match ask(socket) {
            Ok(told) if told.process != before.process => return Ok(told),
            Ok(told) if told.failed > before.failed => return Err(told.last_failure),
            // While it is handed over it may answer late, or not at all.
            Ok(_) | Err(_) => {}
        }
    }
    Err(format!(
        "no process has taken over within {timeout:?}; process {} may still hand over",
        before.process
    ))
}
