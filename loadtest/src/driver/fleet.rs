//! All swarm processes together, as one swarm.

use super::child::{self, Guarded};
use crate::control::{SwarmOrder, SwarmReport, SwarmSetup, Tick, Totals, Window};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::process::ChildStdin;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Descriptors of a process that aren't clients' sockets: pipes, poll, timers, libraries.
const DESCRIPTORS_SPARE: u64 = 64;
/// Clients of one process where descriptors would allow more: one core has to read for all of them.
const CLIENTS_PER_PROCESS_MAX: usize = 18_000;
/// Parts of a thousand of the local ports that are used: the rest is left to other connections.
const PORTS_USED_PER_MILLE: usize = 900;
/// How long a report may take.
const REPORT_TIMEOUT: Duration = Duration::from_secs(60);

/// The running swarm.
pub(crate) struct Fleet {
    workers: Vec<Worker>,
    reports: Receiver<(usize, Option<SwarmReport>)>,
    clients: usize,
}

struct Worker {
    _process: Guarded,
    orders: ChildStdin,
    clients: usize,
    tick: Tick,
}

/// How clients are divided over processes and source addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Division {
    pub(crate) processes: usize,
    /// Whether each process needs a source address of its own.
    pub(crate) spread: bool,
}

impl Division {
    /// For `clients` to `destinations` address pairs, with `descriptors` for each process and `ports` for each pair.
    pub(crate) fn of(clients: usize, destinations: usize, descriptors: u64, ports: u32) -> Self {
        let by_descriptors = usize::try_from(descriptors.saturating_sub(DESCRIPTORS_SPARE)).unwrap_or(usize::MAX);
        let ports = ports as usize * PORTS_USED_PER_MILLE / 1000;
        let spread = clients > ports * destinations.max(1);
        let by_ports = if spread { ports } else { usize::MAX };
        let most = by_descriptors.min(by_ports).clamp(1, CLIENTS_PER_PROCESS_MAX);
        Self {
            processes: clients.div_ceil(most).max(1),
            spread,
        }
    }
}

impl Fleet {
    /// Starts the processes. `sources`: addresses to connect from; none: 127.0.0.1, 127.0.0.2, ... as needed.
    pub(crate) fn start(setup: &SwarmSetup, processes: Option<usize>, sources: &[IpAddr]) -> Result<Self> {
        if setup.http2_streams > 0 && setup.stalled_share + setup.slow_share > 0.0 {
            bail!("slow and stalled clients need connections of their own: not with HTTP/2");
        }
        let fetches = setup.fetch.as_ref().map_or(0, |fetch| fetch.at_once as u64);
        let descriptors = crate::control::raise_descriptor_limit().saturating_sub(fetches);
        let destinations: std::collections::HashSet<_> = setup.targets.iter().map(|target| target.address).collect();
        let mut division = Division::of(
            setup.clients,
            destinations.len(),
            descriptors,
            crate::proc::local_ports(),
        );
        if let Some(processes) = processes {
            division.processes = processes.max(1);
        }
        let loopback = setup.targets.iter().all(|target| target.address.ip().is_loopback());
        let v4 = setup.targets.iter().all(|target| target.address.is_ipv4());
        if division.spread && sources.is_empty() && !(loopback && v4) {
            bail!(
                "{} clients need more source addresses than one: there are {} ports between two addresses; name them \
                 with --source",
                setup.clients,
                crate::proc::local_ports()
            );
        }
        let (sender, reports) = channel();
        let mut fleet = Self {
            workers: Vec::new(),
            reports,
            clients: setup.clients,
        };
        let mut first = 0;
        for index in 0..division.processes {
            let clients = (setup.clients - first).div_ceil(division.processes - index);
            let source = match sources {
                [] if division.spread => {
                    let last = u8::try_from(index + 1).context("more than 255 processes")?;
                    Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
                }
                [] => None,
                sources => Some(sources[index % sources.len()]),
            };
            let connecting_max = (setup.connecting_max / division.processes).max(1);
            let own = SwarmSetup {
                connecting_max,
                clients,
                first_client: setup.first_client + first,
                source,
                fetch: setup.fetch.as_ref().map(|fetch| fetch.of_one(division.processes)),
                ..setup.clone()
            };
            fleet.workers.push(Worker::start(index, &own, sender.clone())?);
            first += clients;
        }
        Ok(fleet)
    }

    pub(crate) fn processes(&self) -> usize {
        self.workers.len()
    }

    /// Has this many clients, opened at this rate over all processes.
    pub(crate) fn connect(&mut self, clients: usize, per_second: f64) -> Result<()> {
        let all = self.clients.max(1);
        let mut before = 0;
        let mut given = 0;
        for worker in &mut self.workers {
            before += worker.clients;
            let upto = clients * before / all;
            let share = upto - given;
            given = upto;
            let per_second = per_second * worker.clients as f64 / all as f64;
            worker.order(SwarmOrder::Connect {
                clients: share,
                per_second,
            })?;
        }
        Ok(())
    }

    /// Replaces this many clients a second, over all processes.
    pub(crate) fn churn(&mut self, per_second: f64) -> Result<()> {
        let all = self.clients.max(1);
        for worker in &mut self.workers {
            let per_second = per_second * worker.clients as f64 / all as f64;
            worker.order(SwarmOrder::Churn { per_second })?;
        }
        Ok(())
    }

    /// The same order to every process.
    pub(crate) fn order(&mut self, order: SwarmOrder) -> Result<()> {
        self.workers.iter_mut().try_for_each(|worker| worker.order(order))
    }

    /// The sum of the latest ticks.
    pub(crate) fn tick(&self) -> Tick {
        let mut sum = Tick {
            awaiting: u64::MAX,
            ..Tick::default()
        };
        for Worker { tick, .. } in &self.workers {
            sum.live += tick.live;
            sum.opened += tick.opened;
            sum.delivered += tick.delivered;
            sum.bytes += tick.bytes;
            sum.refused += tick.refused;
            sum.behind += tick.behind;
            sum.awaiting = sum.awaiting.min(tick.awaiting);
            sum.newest = sum.newest.max(tick.newest);
            sum.fetching += tick.fetching;
            sum.fetched_ns = sum.fetched_ns.max(tick.fetched_ns);
        }
        sum
    }

    /// Takes in reports until `until`, or until `done` holds for the sum of the ticks; says whether it did.
    pub(crate) fn watch(&mut self, until: Instant, mut done: impl FnMut(&Tick) -> bool) -> Result<bool> {
        loop {
            if done(&self.tick()) {
                return Ok(true);
            }
            match self
                .reports
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok((index, Some(SwarmReport::Tick(tick)))) => self.workers[index].tick = tick,
                Ok((_, report)) => unexpected(report)?,
                Err(RecvTimeoutError::Timeout) => return Ok(false),
                Err(RecvTimeoutError::Disconnected) => bail!("the swarm has gone"),
            }
        }
    }

    /// Ends a measurement.
    pub(crate) fn measure(&mut self) -> Result<Vec<Window>> {
        self.order(SwarmOrder::Measure)?;
        self.collect(|report| match report {
            SwarmReport::Window(window) => Ok(*window),
            other => Err(other),
        })
    }

    /// Ends the swarm.
    pub(crate) fn finish(mut self, last: u64) -> Result<Vec<Totals>> {
        self.order(SwarmOrder::Finish { last })?;
        self.collect(|report| match report {
            SwarmReport::Totals(totals) => Ok(*totals),
            other => Err(other),
        })
    }

    /// One report of a kind from each process.
    fn collect<T>(&mut self, mut take: impl FnMut(SwarmReport) -> Result<T, SwarmReport>) -> Result<Vec<T>> {
        let mut found: Vec<Option<T>> = self.workers.iter().map(|_| None).collect();
        let deadline = Instant::now() + REPORT_TIMEOUT;
        while found.iter().any(Option::is_none) {
            let left = deadline.saturating_duration_since(Instant::now());
            let (index, report) = self
                .reports
                .recv_timeout(left)
                .context("a swarm process does not answer")?;
            match report.map(&mut take) {
                Some(Ok(value)) => found[index] = Some(value),
                Some(Err(SwarmReport::Tick(tick))) => self.workers[index].tick = tick,
                Some(Err(other)) => unexpected(Some(other))?,
                None if found[index].is_some() => {}
                None => unexpected(None)?,
            }
        }
        Ok(found.into_iter().flatten().collect())
    }
}

fn unexpected(report: Option<SwarmReport>) -> Result<()> {
    match report {
        Some(SwarmReport::Failed { reason }) => bail!("a swarm process failed: {reason}"),
        Some(_) => Ok(()),
        None => bail!("a swarm process ended; its reason is above"),
    }
}

impl Worker {
    fn start(index: usize, setup: &SwarmSetup, reports: Sender<(usize, Option<SwarmReport>)>) -> Result<Self> {
        let mut child = child::own(&["worker".to_owned()])?;
        let mut orders = child.stdin.take().context("a child without stdin")?;
        let out = BufReader::new(child.stdout.take().context("a child without stdout")?);
        let process = Guarded::new(child);
        let mut line = serde_json::to_vec(setup)?;
        line.push(b'\n');
        orders
            .write_all(&line)
            .and_then(|()| orders.flush())
            .context("a swarm process has gone")?;
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let report = serde_json::from_str(&line).unwrap_or_else(|error| SwarmReport::Failed {
                    reason: format!("{error}: {line}"),
                });
                if reports.send((index, Some(report))).is_err() {
                    return;
                }
            }
            // The driver may have finished with it.
            let _ = reports.send((index, None));
        });
        Ok(Self {
            _process: process,
            orders,
            clients: setup.clients,
            tick: Tick::default(),
        })
    }

    fn order(&mut self, order: SwarmOrder) -> Result<()> {
        let mut line = serde_json::to_vec(&order)?;
        line.push(b'\n');
        self.orders
            .write_all(&line)
            .and_then(|()| self.orders.flush())
            .context("a swarm process has gone")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_divided_by_descriptors_and_ports() {
        let division = |clients, destinations| Division::of(clients, destinations, 20_000, 28_232);
        assert_eq!(
            division(10_000, 1),
            Division {
                processes: 1,
                spread: false
            }
        );
        assert_eq!(
            division(19_000, 1),
            Division {
                processes: 2,
                spread: false
            }
        );
        assert_eq!(
            division(40_000, 1),
            Division {
                processes: 3,
                spread: true
            }
        );
        assert_eq!(
            division(40_000, 2),
            Division {
                processes: 3,
                spread: false
            }
        );
        assert_eq!(Division::of(5_000, 1, 1_064, 28_232).processes, 5);
    }
}
