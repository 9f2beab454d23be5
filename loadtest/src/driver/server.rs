//! The servers under test: how each is started, fed, and found ready.

mod backend;
mod certificates;
mod command;
mod directory;
mod durable;
mod fanfare;
mod kind;
mod nchan;
mod nginx;
mod probe;
mod programs;
mod pushpin;
mod upgrade;

pub(crate) use self::kind::Server;
pub(crate) use self::programs::Programs;

use self::backend::Backend;
use self::certificates::{Certificates, HOST};
use self::directory::Directory;
use self::probe::free_address;
use self::upgrade::Upgrades;
use super::child::{self, Guarded};
use super::plan::{Plan, Scenario};
use super::source::Source;
use super::wire::Wire;
use crate::control::Target;
use crate::stamp::HINT_PATH;
use anyhow::{Context as _, Result, bail, ensure};
use std::ffi::OsString;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a server may take to be ready.
const READY_TIMEOUT: Duration = Duration::from_secs(15);
const READY_POLL: Duration = Duration::from_millis(25);
/// Events that the floor keeps for clients that come back: those that flow meanwhile are on top.
const FLOOR_KEEPS: u64 = 10_000;
/// Where the stream is served.
const PATH: &str = "/events";
/// The same for many streams.
const JOBS_PATH: &str = "/jobs/";

/// A server that runs, with what feeds it.
pub(crate) struct Running {
    pub(crate) name: String,
    pub(crate) targets: Vec<Target>,
    pub(crate) source: Source,
    processes: Vec<(String, Guarded)>,
    /// Where relays of ours answer for themselves.
    admins: Vec<SocketAddr>,
    /// The floor is source and server in one.
    source_is_server: bool,
    /// Of servers with TLS.
    certificates: Option<Certificates>,
    /// It looks at its certificates' files by itself.
    watches_files: bool,
    /// How its processes are upgraded, in their order; none: it can't be.
    upgrades: Vec<Upgrades>,
    /// What stands behind it, if it needs something there.
    #[expect(dead_code, reason = "it ends with this")]
    backend: Option<Backend>,
    directory: Directory,
}

impl Running {
    /// Starts `server` for `plan`, and waits until it is ready for clients that speak `wire`.
    pub(crate) fn start(server: &Server, wire: Wire, plan: &Plan, programs: &Programs) -> Result<Self> {
        let directory = Directory::new()?;
        let certificates = match wire.tls {
            true => Some(Certificates::new(&directory.path)?),
            false => None,
        };
        let wired = (wire, certificates);
        match server {
            Server::Fanfare => fanfare::start(&programs.fanfare()?, plan, programs, wired, directory),
            Server::Before => fanfare::start(&programs.before()?, plan, programs, wired, directory),
            Server::Nginx => nginx::start(plan, programs, wired, directory),
            Server::Naive => naive(plan, programs, wire, directory),
            Server::Floor => floor(plan, programs, directory),
            Server::Origin => straight(plan, programs, directory),
            Server::Nchan => nchan::start(plan, programs, wired, directory),
            Server::DurableStreams => durable::start(plan, programs, directory),
            Server::Pushpin => pushpin::start(plan, programs, directory),
            Server::Command(command) => command::start(command, plan, programs, directory),
        }
    }

    /// The processes that CPU and memory are measured of.
    pub(crate) fn pids(&self) -> Vec<u32> {
        match self.source_is_server {
            true => self.source.pids(),
            false => {
                let successor = |index| self.upgrades.get(index).and_then(Upgrades::successor);
                let own = self.processes.iter().enumerate();
                own.map(|(index, (_, process))| successor(index).unwrap_or_else(|| process.pid()))
                    .collect()
            }
        }
    }

    /// The authority whose certificates clients trust; `None`: the server has none from here.
    pub(crate) fn authority(&self) -> Option<PathBuf> {
        self.certificates.as_ref().map(|files| files.authority.clone())
    }

    /// Whether a certificate is taken up without a signal.
    pub(crate) fn watches_files(&self) -> bool {
        self.watches_files
    }

    /// Replaces the certificate's files, and tells the servers so by a signal, or doesn't.
    pub(crate) fn renew_certificate(&mut self, signal: bool) -> Result<()> {
        self.certificates.as_mut().context("a server without TLS")?.renew()?;
        let mut told = self.processes.iter().filter(|_| signal);
        told.try_for_each(|(_, process)| process.reload())
    }

    /// Whether this is the certificate whose files were written last.
    pub(crate) fn is_latest_certificate(&self, der: &[u8]) -> bool {
        self.certificates.as_ref().is_some_and(|files| files.latest == der)
    }

    /// What the events are hints at, if they are.
    pub(crate) fn changelog(&self) -> Option<Target> {
        self.source.changelog.map(|address| target(address, HINT_PATH))
    }

    /// Whether the processes of the source are the server's.
    pub(crate) fn source_is_server(&self) -> bool {
        self.source_is_server
    }

    /// An error if a process has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        for (index, (name, process)) in self.processes.iter_mut().enumerate() {
            let upgraded = self
                .upgrades
                .get(index)
                .filter(|upgrades| upgrades.successor().is_some());
            if let Some(upgrades) = upgraded {
                // The first one has ended, or is about to.
                ensure!(
                    upgrades.is_alive(),
                    "the process that has taken over from {name} has ended"
                );
                continue;
            }
            if let Some(status) = process.ended() {
                let log = std::fs::read_to_string(self.directory.log(name)).unwrap_or_default();
                let from = log.len().saturating_sub(2000);
                bail!(
                    "{name} has ended ({status}); it said:\n{}",
                    log.get(from..).unwrap_or(&log)
                );
            }
        }
        Ok(())
    }

    /// How long it took on average from an event's arrival until all clients of a shard had been
    /// offered it, in microseconds, as far as the relays say so.
    pub(crate) fn fanout_mean_us(&self) -> Option<f64> {
        let texts: Vec<String> = self
            .admins
            .iter()
            .filter_map(|admin| Some(probe::get(*admin, "/metrics")?.1))
            .collect();
        let sum = |metric| texts.iter().map(|text| probe::sum(text, metric)).sum::<f64>();
        let count = sum("fanfare_fanout_seconds_count");
        (count > 0.0).then(|| sum("fanfare_fanout_seconds_sum") * 1e6 / count)
    }

    /// Clients that the relays have evicted so far. A client that doesn't read can't see it: the
    /// end of its stream stands behind what it hasn't read.
    pub(crate) fn evicted(&self) -> u64 {
        let of = |admin: &SocketAddr| probe::get(*admin, "/metrics").map(|(_, text)| text);
        let texts = self.admins.iter().filter_map(of);
        texts
            .map(|text| probe::sum(&text, "fanfare_evictions_total") as u64)
            .sum()
    }

    fn wait(&mut self, what: &str, mut ready: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + READY_TIMEOUT;
        while !ready() {
            self.check()?;
            ensure!(Instant::now() < deadline, "{what} is not ready after {READY_TIMEOUT:?}");
            std::thread::sleep(READY_POLL);
        }
        Ok(())
    }
}

/// The origin, as the plan wants it.
fn origin(plan: &Plan, programs: &Programs) -> Result<Source> {
    let mut arguments: Vec<String> = ["origin", "--control", "--listen", "127.0.0.1:0"]
        .map(str::to_owned)
        .to_vec();
    arguments.extend(["--size".to_owned(), plan.size_bytes.to_string()]);
    arguments.extend(["--streams".to_owned(), plan.streams.to_string()]);
    arguments.extend(plan.ids.then(|| "--ids".to_owned()));
    if let Some(herd) = &plan.thundering_herd {
        arguments.extend(["--changelog", "127.0.0.1:0"].map(str::to_owned));
        arguments.extend(["--connections".to_owned(), herd.connections.to_string()]);
        arguments.extend(["--service".to_owned(), format!("{}us", herd.service.as_micros())]);
    }
    Source::start(&arguments, &programs.load_cores)
}

/// The path that clients ask for: with many streams, each its own.
fn clients_path(plan: &Plan) -> String {
    match plan.is_templated() {
        true => format!("{JOBS_PATH}{{stream}}"),
        false => PATH.to_owned(),
    }
}

/// The baseline: one hyper body per client.
fn naive(plan: &Plan, programs: &Programs, wire: Wire, directory: Directory) -> Result<Running> {
    let program = programs.naive()?;
    let source = origin(plan, programs)?;
    let address = free_address()?;
    let upstream = format!("http://{}{PATH}", source.address);
    let listen = address.to_string();
    let command = [
        program.as_os_str(),
        "--upstream".as_ref(),
        upstream.as_ref(),
        "--listen".as_ref(),
        listen.as_ref(),
    ];
    let mut command: Vec<OsString> = command.map(ToOwned::to_owned).to_vec();
    command.extend((wire.http2_streams > 0).then(|| "--http2".into()));
    one_process(
        "naive",
        &command,
        (false, &programs.server_cores),
        address,
        source,
        directory,
    )
}

/// The floor, which is its own origin.
fn floor(plan: &Plan, programs: &Programs, directory: Directory) -> Result<Running> {
    let mut arguments: Vec<String> = ["floor", "--control", "--listen", "127.0.0.1:0"]
        .map(str::to_owned)
        .to_vec();
    arguments.extend(["--size".to_owned(), plan.size_bytes.to_string()]);
    arguments.extend(["--threads".to_owned(), programs.workers.unwrap_or(0).to_string()]);
    arguments.extend(plan.ids.then(|| "--ids".to_owned()));
    if plan.replay_events > 0 {
        arguments.extend(["--keep".to_owned(), FLOOR_KEEPS.max(2 * plan.replay_events).to_string()]);
    }
    let floor = || Source::start(&arguments, &programs.server_cores);
    let source = floor()?;
    // Elsewhere several instances are what is measured, and the floor is one.
    let beside = match plan.scenario {
        Scenario::Million => (1..plan.instances).map(|_| floor()).collect::<Result<Vec<_>>>()?,
        _ => Vec::new(),
    };
    let addresses = std::iter::once(source.address).chain(beside.iter().map(|floor| floor.address));
    Ok(Running {
        name: "floor".to_owned(),
        targets: addresses.map(|address| target(address, PATH)).collect(),
        source: source.with(beside),
        processes: Vec::new(),
        admins: Vec::new(),
        source_is_server: true,
        certificates: None,
        watches_files: false,
        upgrades: Vec::new(),
        backend: None,
        directory,
    })
}

/// The clients straight at the origin.
fn straight(plan: &Plan, programs: &Programs, directory: Directory) -> Result<Running> {
    // Only its own ids let clients resume here.
    let plan = Plan {
        ids: true,
        ..plan.clone()
    };
    let source = origin(&plan, programs)?;
    Ok(Running {
        name: "origin".to_owned(),
        targets: vec![target(source.address, &clients_path(&plan))],
        source,
        processes: Vec::new(),
        admins: Vec::new(),
        source_is_server: true,
        certificates: None,
        watches_files: false,
        upgrades: Vec::new(),
        backend: None,
        directory,
    })
}

/// An origin that POSTs its events.
fn publisher(url: &str, data_bytes: usize, how: &[String], programs: &Programs) -> Result<Source> {
    let arguments = [
        "origin",
        "--control",
        "--publish",
        url,
        "--size",
        &data_bytes.to_string(),
    ];
    Source::start(&[&arguments.map(str::to_owned), how].concat(), &programs.load_cores)
}

/// A server that is one process, ready when its port is.
fn one_process(
    name: &str,
    command: &[OsString],
    (polite, cores): (bool, &[usize]),
    address: SocketAddr,
    source: Source,
    directory: Directory,
) -> Result<Running> {
    let process = child::other(command, &directory.log(name), polite, cores)?;
    let mut running = Running {
        name: name.to_owned(),
        targets: vec![target(address, PATH)],
        source,
        processes: vec![(name.to_owned(), process)],
        admins: Vec::new(),
        source_is_server: false,
        certificates: None,
        watches_files: false,
        upgrades: Vec::new(),
        backend: None,
        directory,
    };
    running.wait(name, || TcpStream::connect_timeout(&address, READY_TIMEOUT).is_ok())?;
    Ok(running)
}

fn target(address: SocketAddr, path: &str) -> Target {
    Target {
        tls: false,
        address,
        authority: address.to_string(),
        path: path.to_owned(),
    }
}

impl Target {
    /// As clients that speak `wire` ask for it: certificates are for a name.
    fn over(self, wire: Wire) -> Self {
        match wire.tls {
            true => Self {
                tls: true,
                authority: format!("{HOST}:{}", self.address.port()),
                ..self
            },
            false => self,
        }
    }
}
