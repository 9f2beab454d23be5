//! Another process of the program takes over from the one that runs.

use super::Running;
use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::ffi::OsString;
use std::process::Command;
use std::time::{Duration, Instant};

/// How a server is upgraded.
pub(super) struct Upgrades {
    /// The command that does it, and says which process has taken over.
    command: Vec<OsString>,
    /// The process that has taken over last: no child of the driver's.
    successor: Option<u32>,
}

impl Upgrades {
    pub(super) fn by(command: Vec<OsString>) -> Self {
        Self {
            command,
            successor: None,
        }
    }

    /// The process that serves, if it is not the first one any more.
    pub(super) fn successor(&self) -> Option<u32> {
        self.successor
    }

    /// Whether that is there.
    pub(super) fn is_alive(&self) -> bool {
        self.successor
            .and_then(pid)
            .is_none_or(|pid| test_kill_process(pid).is_ok())
    }
}

impl Drop for Upgrades {
    fn drop(&mut self) {
        if let Some(pid) = self.successor.and_then(pid) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number).ok()?)
}

impl Running {
    /// How many of its processes can be upgraded.
    pub(crate) fn upgradable(&self) -> usize {
        self.upgrades.len()
    }

    /// Lets another process take over from the one with this index; how long that took.
    pub(crate) fn upgrade(&mut self, index: usize) -> Result<Duration> {
        let upgrades = self
            .upgrades
            .get_mut(index)
            .context("a server that can't be upgraded")?;
        let begun = Instant::now();
        let output = Command::new(&upgrades.command[0])
            .args(&upgrades.command[1..])
            .output()
            .context("the upgrade can't be started")?;
        let took = begun.elapsed();
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "the upgrade failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        // `process 4711 (fanfare 0.1.0) has taken over`
        let process = said.split_whitespace().nth(1).and_then(|word| word.parse().ok());
        upgrades.successor = Some(process.with_context(|| format!("no process in {said:?}"))?);
        Ok(took)
    }

    /// The longest time for which nothing moved, as the processes have logged it.
    pub(crate) fn frozen_max(&self) -> Option<Duration> {
        let of = |(name, _): &(String, _)| {
            let log = std::fs::read_to_string(self.directory.log(name)).ok()?;
            let times = log.split("frozen=").skip(1);
            times.filter_map(|rest| time(rest.split_whitespace().next()?)).max()
        };
        self.processes.iter().filter_map(of).max()
    }
}

/// `1.125598ms`, `286.006µs`, `1.2s`: as Rust writes a duration.
fn time(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| c != '.' && !c.is_ascii_digit())?;
    let number: f64 = text[..digits].parse().ok()?;
    let seconds = match &text[digits..] {
        "s" => number,
        "ms" => number / 1e3,
        "µs" => number / 1e6,
        "ns" => number / 1e9,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_they_are_written() {
        for duration in [
            Duration::from_nanos(17),
            Duration::from_micros(286),
            Duration::from_micros(1_125),
            Duration::from_millis(12_500),
        ] {
            let text = format!("{duration:?}");
            let read = time(&text).expect("a duration");
            assert!(read.abs_diff(duration) < Duration::from_nanos(10), "{text}");
        }
        assert_eq!(time("nothing"), None);
    }
}
