//! All swarm processes together, as one swarm.

use super::child::{self, Guarded};
use crate::control::{SwarmOrder, SwarmReport, SwarmSetup, Target, Tick, Totals, Window};
use anyhow::{Context, Result, bail};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::process::ChildStdin;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Descriptors of a process that aren't clients' sockets: pipes, poll, timers, libraries.
const DESCRIPTORS_SPARE: u64 = 64;
/// Clients of one process where descriptors would allow more: one core has to read for all of them.
const CLIENTS_PER_PROCESS_MAX: usize = 18_000;
/// Clients of one source address on loopback, where addresses cost nothing: with many ports of a
/// pair of addresses in use, the kernel looks long for a free one, and the packets of other
/// connections are dropped meanwhile.
const CLIENTS_PER_SOURCE: usize = 2_000;
/// How many of the addresses of 127.0.0.0/8 are used.
const SOURCES_MAX: usize = 16_000;
/// Of one /24: 127.0.0.1 to 127.0.0.250, then 127.0.1.1.
const SOURCES_PER_NET: usize = 250;
/// Ratio, in thousandths, of the local ports that are used: the rest is left to other connections.
const PORTS_USED_PER_MILLE: usize = 900;
/// How long a report may take.
const REPORT_TIMEOUT: Duration = Duration::from_secs(60);

/// The running swarm.
pub(crate) struct Fleet {
    workers: Vec<Worker>,
    reports: Receiver<(usize, Option<SwarmReport>)>,
    clients: usize,
    /// The highest latency since it was asked for last.
    latency_max_us: u64,
}

/// How the swarm is divided.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FleetShape<'a> {
    /// `None`: as descriptors demand.
    pub(crate) processes: Option<usize>,
    /// Addresses to connect from; none: on loopback as many as clients and targets demand.
    pub(crate) sources: &'a [IpAddr],
    /// The cores of all processes; none: all.
    pub(crate) cores: &'a [usize],
}

struct Worker {
    process: Guarded,
    orders: ChildStdin,
    clients: usize,
    tick: Tick,
}

/// How many processes `clients` need, with `descriptors` for each.
fn processes(clients: usize, descriptors: u64) -> usize {
    let most = usize::try_from(descriptors.saturating_sub(DESCRIPTORS_SPARE)).unwrap_or(usize::MAX);
    clients.div_ceil(most.clamp(1, CLIENTS_PER_PROCESS_MAX)).max(1)
}

/// The addresses that connections come from where none are named; none: the kernel's choice.
fn sources(clients: usize, targets: &[Target]) -> Result<Vec<IpAddr>> {
    let destinations: HashSet<_> = targets.iter().map(|target| target.address).collect();
    let of_each = clients.div_ceil(destinations.len().max(1));
    if destinations.iter().all(|to| to.is_ipv4() && to.ip().is_loopback()) {
        let addresses = of_each.div_ceil(CLIENTS_PER_SOURCE).clamp(1, SOURCES_MAX);
        return Ok((0..addresses).map(loopback).collect());
    }
    let ports = crate::machine::local_ports();
    if of_each > ports as usize * PORTS_USED_PER_MILLE / 1000 {
        bail!(
            "{clients} clients need more source addresses than one: there are {ports} ports between two addresses; name them \
             with --source"
        );
    }
    Ok(Vec::new())
}

/// The address with this index among those of the loopback network.
fn loopback(index: usize) -> IpAddr {
    let (net, host) = (index / SOURCES_PER_NET, index % SOURCES_PER_NET + 1);
    Ipv4Addr::new(127, 0, net as u8, host as u8).into()
}

impl Fleet {
    /// Starts the processes.
    pub(crate) fn start(setup: &SwarmSetup, shape: &FleetShape<'_>) -> Result<Self> {
        if setup.http2_streams > 0 && setup.slow_share > 0.0 {
            bail!("slow clients need connections of their own: not with HTTP/2");
        }
        let fetches = setup.fetch.as_ref().map_or(0, |fetch| fetch.at_once as u64);
        let descriptors = crate::control::raise_descriptor_limit().saturating_sub(fetches);
        let processes = shape.processes.map_or_else(
            || self::processes(setup.clients, descriptors),
            |processes| processes.max(1),
        );
        let sources = match shape.sources {
            [] => self::sources(setup.clients, &setup.targets)?,
            named => named.to_vec(),
        };
        let (sender, reports) = channel();
        let mut fleet = Self {
            workers: Vec::new(),
            reports,
            clients: setup.clients,
            latency_max_us: 0,
        };
        let mut first = 0;
        for index in 0..processes {
            let own = SwarmSetup {
                connecting_max: (setup.connecting_max / processes).max(1),
                clients: (setup.clients - first).div_ceil(processes - index),
                first_client: setup.first_client + first,
                sources: sources.clone(),
                fetch: setup.fetch.as_ref().map(|fetch| fetch.of_one(processes)),
                ..setup.clone()
            };
            fleet
                .workers
                .push(Worker::start(index, &own, shape.cores, sender.clone())?);
            first += own.clients;
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

    /// Cuts this many clients, spread over all processes; none is opened until the next
    /// [`connect`](Self::connect).
    pub(crate) fn cut_some(&mut self, clients: usize) -> Result<()> {
        let all = self.clients.max(1);
        let (mut before, mut given) = (0, 0);
        for worker in &mut self.workers {
            before += worker.clients;
            let upto = clients * before / all;
            worker.order(SwarmOrder::CutSome { clients: upto - given })?;
            given = upto;
        }
        Ok(())
    }

    /// Mean and highest latency of what came since `before`, in milliseconds; `None`: nothing with a
    /// stamp. The highest is of the time since this was asked last.
    pub(crate) fn latency_since(&mut self, before: &Tick) -> Option<[f64; 2]> {
        let [count, sum, _] = self.tick().latencies;
        let count = count.checked_sub(before.latencies[0]).filter(|count| *count > 0)?;
        let mean = (sum - before.latencies[1]) as f64 / count as f64;
        let highest = std::mem::take(&mut self.latency_max_us) as f64;
        Some([mean / 1e3, highest / 1e3])
    }

    /// The processes of the swarm.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.workers.iter().map(|worker| worker.process.pid()).collect()
    }

    /// Replaces this many clients a second, over all processes, and cuts half of them together this
    /// often.
    pub(crate) fn churn(&mut self, per_second: f64, half_every: Duration) -> Result<()> {
        let half_every_ms = half_every.as_millis() as u64;
        let all = self.clients.max(1);
        for worker in &mut self.workers {
            let per_second = per_second * worker.clients as f64 / all as f64;
            worker.order(SwarmOrder::Churn {
                per_second,
                half_every_ms,
            })?;
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
            sum.given_up += tick.given_up;
            sum.delivered += tick.delivered;
            let [count, all, highest] = tick.latencies;
            let [counts, alls, highests] = sum.latencies;
            sum.latencies = [counts + count, alls + all, highests.max(highest)];
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

    /// Takes in reports until `until`, or until `done` holds for the sum of the ticks; says whether
    /// it did.
    pub(crate) fn watch(&mut self, until: Instant, mut done: impl FnMut(&Tick) -> bool) -> Result<bool> {
        loop {
            if done(&self.tick()) {
                return Ok(true);
            }
            match self
                .reports
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok((index, Some(SwarmReport::Tick(tick)))) => {
                    self.latency_max_us = self.latency_max_us.max(tick.latencies[2]);
                    self.workers[index].tick = tick;
                }
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
    pub(crate) fn finish(&mut self, last: u64) -> Result<Vec<Totals>> {
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
    fn start(
        index: usize,
        setup: &SwarmSetup,
        cores: &[usize],
        reports: Sender<(usize, Option<SwarmReport>)>,
    ) -> Result<Self> {
        let mut child = child::own(&["worker".to_owned()], cores)?;
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
            process,
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
    fn clients_are_divided_by_descriptors() {
        assert_eq!(processes(10_000, 20_000), 1);
        assert_eq!(processes(19_000, 20_000), 2);
        assert_eq!(processes(40_000, 20_000), 3);
        assert_eq!(processes(5_000, 1_064), 5);
    }

    #[test]
    fn loopback_has_an_address_for_every_2000_clients() {
        let target = |address: &str| Target {
            tls: false,
            address: address.parse().expect("an address"),
            authority: String::new(),
            path: String::new(),
        };
        let count = |clients, addresses: &[&str]| {
            let targets: Vec<Target> = addresses.iter().map(|address| target(address)).collect();
            sources(clients, &targets).map(|sources| sources.len()).ok()
        };
        assert_eq!(count(2_000, &["127.0.0.1:1"]), Some(1));
        assert_eq!(count(15_000, &["127.0.0.1:1"]), Some(8));
        assert_eq!(count(15_000, &["127.0.0.1:1", "127.0.0.1:2"]), Some(4));
        assert_eq!(count(10_000, &["[::1]:1"]), Some(0));
        assert_eq!(count(10_000, &["127.0.0.1:1", "192.0.2.1:1"]), Some(0));
        assert_eq!(count(1_000_000, &["192.0.2.1:1"]), None);
        assert_eq!(count(1_000_000, &["127.0.0.1:1"]), Some(500));
        assert_eq!(count(1_000_000, &["127.0.0.1:1", "127.0.0.1:2"]), Some(250));
    }

    #[test]
    fn loopback_addresses_are_all_different() {
        let all: HashSet<IpAddr> = (0..SOURCES_MAX).map(loopback).collect();
        assert_eq!(all.len(), SOURCES_MAX);
        assert!(all.iter().all(IpAddr::is_loopback));
        assert_eq!(loopback(250), IpAddr::from([127, 0, 1, 1]));
    }
}
