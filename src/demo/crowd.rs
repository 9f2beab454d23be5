//! The crowd: clients of the relay, in a process of their own, so that what they cost is not in the
//! relay's numbers, and so that each has one descriptor of the relay's and one of theirs.

use crate::crowd::{Order, Report, Setup};
use serde::Serialize;
use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Numbers of clients that are offered, as far as they fit.
const OFFERS: [usize; 2] = [1_000, 10_000];
/// To what a smaller offer is rounded down.
const ROUND: usize = 100;
/// Connections in a second: as fast as two cores take them beside all else.
const CONNECTS_PER_SECOND: f64 = 5_000.0;

/// How the crowd's process is started, and what it is for.
#[derive(Debug, Clone)]
pub struct CrowdSetup {
    /// The program and its arguments: it gets a [`Setup`], then [`Order`]s on its standard input, a
    /// line each, and writes [`Report`]s to its standard output.
    pub command: Vec<OsString>,
    /// Where the relay listens.
    pub relay: SocketAddr,
    /// Clients that fit under the limits on open files.
    pub fits: usize,
}

/// The crowd; dropping it ends it.
#[derive(Debug)]
pub(super) struct Crowd {
    setup: CrowdSetup,
    /// Of the process, which begins with the first client.
    running: Mutex<Option<Running>>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    orders: ChildStdin,
}

/// What is known of it.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Seen {
    /// How many clients were asked for last.
    pub(super) wanted: usize,
    /// `None`: it has not said anything yet.
    pub(super) report: Option<Report>,
}

impl Crowd {
    pub(super) fn new(setup: CrowdSetup) -> Self {
        Self {
            setup,
            running: Mutex::default(),
            seen: Arc::default(),
        }
    }

    /// How many fit.
    pub(super) fn fits(&self) -> usize {
        self.setup.fits
    }

    /// The numbers to choose from: those that fit, and what does where the largest doesn't.
    pub(super) fn offers(&self) -> Vec<usize> {
        let fits = self.setup.fits;
        let mut offers: Vec<usize> = OFFERS.into_iter().filter(|offer| *offer <= fits).collect();
        if offers.len() < OFFERS.len() {
            let most = (fits / ROUND * ROUND).max(fits.min(ROUND));
            offers.extend((!offers.contains(&most)).then_some(most));
        }
        offers
    }

    /// What is known of it.
    pub(super) fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }

    /// Has this many clients, or as many as fit.
    pub(super) fn have(&self, clients: usize) -> io::Result<()> {
        let clients = clients.min(self.setup.fits);
        self.order(Order::Have { clients })?;
        lock(&self.seen).wanted = clients;
        Ok(())
    }

    /// Gives an order; begins the process if there is none.
    pub(super) fn order(&self, order: Order) -> io::Result<()> {
        let mut running = lock(&self.running);
        let ended = |running: &mut Running| !matches!(running.child.try_wait(), Ok(None));
        if running.as_mut().is_none_or(ended) {
            *running = None;
            *running = Some(self.begin()?);
        }
        match running.as_mut() {
            Some(running) => write_line(&mut running.orders, &order),
            None => Ok(()),
        }
    }

    /// Starts the process, on a thread that lives as long as it does: the process asks to end with
    /// its parent, which to the kernel is the thread (prctl(2), PR_SET_PDEATHSIG).
    fn begin(&self) -> io::Result<Running> {
        let (command, seen) = (self.setup.command.clone(), Arc::clone(&self.seen));
        let (begun, running) = channel();
        let thread = std::thread::Builder::new().name("fanfare-crowd".to_owned());
        thread.spawn(move || match spawn(&command) {
            Ok((running, out)) => {
                if begun.send(Ok(running)).is_ok() {
                    listen(out, &seen);
                }
            }
            Err(error) => drop(begun.send(Err(error))),
        })?;
        let mut running = running.recv().map_err(|_| io::ErrorKind::BrokenPipe)??;
        let setup = Setup {
            address: self.setup.relay,
            path: super::CROWD_PATH.to_owned(),
            gap_event: super::GAP_EVENT.to_owned(),
            connects_per_second: CONNECTS_PER_SECOND,
        };
        write_line(&mut running.orders, &setup)?;
        Ok(running)
    }
}

fn spawn(command: &[OsString]) -> io::Result<(Running, ChildStdout)> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::NotFound)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    match (child.stdin.take(), child.stdout.take()) {
        (Some(orders), Some(out)) => Ok((Running { child, orders }, out)),
        _ => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It holds nothing that has to be put away. It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes in reports until the process has ended.
fn listen(out: ChildStdout, seen: &Mutex<Seen>) {
    for line in BufReader::new(out).lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(report) => lock(seen).report = Some(report),
            Err(error) => tracing::warn!(%error, "the crowd says what is no report"),
        }
    }
    *lock(seen) = Seen::default();
}

fn write_line(to: &mut ChildStdin, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    to.write_all(&line)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crowd(fits: usize, command: &[&str]) -> Crowd {
        Crowd::new(CrowdSetup {
            command: command.iter().map(OsString::from).collect(),
            relay: ([127, 0, 0, 1], 1).into(),
            fits,
        })
    }

    #[test]
    fn what_is_offered_fits() {
        let offers = |fits| crowd(fits, &[]).offers();
        assert_eq!(offers(18_000), [1_000, 10_000]);
        assert_eq!(offers(10_000), [1_000, 10_000]);
        assert_eq!(offers(7_412), [1_000, 7_400]);
        assert_eq!(offers(1_050), [1_000]);
        assert_eq!(offers(652), [600]);
        assert_eq!(offers(17), [17]);
    }

    #[test]
    fn a_crowd_that_ends_is_begun_anew() {
        let said = r#"{"at_ns":7,"live":3,"stalled":0,"returned":0,"ended_by_server":0,"refused":0,"first_error":null,
            "counts":{},"latency_us":null,"cpu_ns":0}"#
            .replace('\n', "");
        let script = format!("read setup; read order; echo '{said}'; cat >/dev/null");
        let crowd = crowd(100, &["/bin/sh", "-c", &script]);
        for _ in 0..2 {
            crowd.have(1_000_000).expect("a shell can be started");
            assert_eq!(crowd.seen().wanted, 100);
            while crowd.seen().report.is_none_or(|report| report.live != 3) {
                std::thread::yield_now();
            }
            let mut running = lock(&crowd.running).take().expect("it runs");
            running.child.kill().expect("it is ours");
            drop(running);
            while crowd.seen().report.is_some() {
                std::thread::yield_now();
            }
            assert_eq!(crowd.seen().wanted, 0);
        }
    }
}
