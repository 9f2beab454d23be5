//! The loop of a swarm process.

mod behind;
mod connect;
mod multiplex;
mod read;
mod timers;

use self::behind::Behind;
use super::client::{Client, Kind, kind_of};
use super::fetch::Fetcher;
use super::h2::Http2;
use super::tls;
use super::window::{Window, encode, histogram};
use crate::clock::now_ns;
use crate::control::{SwarmOrder, SwarmReport, SwarmSetup, Totals, listen, say};
use crate::tally::Counts;
use anyhow::Result;
use fanfare::crowd::Rate;
use hdrhistogram::Histogram;
use mio::{Events, Poll, Token, Waker};
use rustls::ClientConfig;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

/// The token of the waker for orders.
const ORDERS: Token = Token(usize::MAX);
/// Events taken from one poll.
const POLL_EVENTS: usize = 4096;
/// The read buffer that all clients share, in bytes.
const BUFFER_BYTES: usize = 256 * 1024;
/// How much is read from a stalled client at the end to learn whether the server has ended its
/// stream, in bytes.
const STALLED_DRAIN_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Runs a swarm until it is told to finish, or the driver goes.
pub(crate) fn run(setup: SwarmSetup) -> Result<()> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), ORDERS)?;
    let orders: Receiver<SwarmOrder> = listen(move || {
        // The poll is as old as the process.
        let _ = waker.wake();
    });
    let mut swarm = Swarm::new(setup, poll)?;
    let mut events = Events::with_capacity(POLL_EVENTS);
    loop {
        match swarm.poll.poll(&mut events, Some(swarm.timeout())) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        let polled_ns = now_ns();
        for event in &events {
            match event.token() {
                ORDERS => {}
                Token(token) if token >= multiplex::TOKENS => swarm.turn(token - multiplex::TOKENS, polled_ns),
                Token(index) => swarm.ready(index, event, polled_ns),
            }
        }
        loop {
            match orders.try_recv() {
                Ok(SwarmOrder::Finish { last }) => {
                    say(&SwarmReport::Totals(Box::new(swarm.finish(last))));
                    return Ok(());
                }
                Ok(order) => swarm.order(order),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
        }
        swarm.timers();
    }
}

struct Swarm {
    setup: SwarmSetup,
    poll: Poll,
    tls: Option<Arc<ClientConfig>>,
    clients: Vec<Client>,
    /// HTTP/2: the connections, each for `http2_streams` clients in a row.
    multiplexed: Vec<Option<Http2>>,
    /// Of them, those with something to send.
    restless: Vec<usize>,
    buffer: Vec<u8>,
    request: Vec<u8>,
    counts: Counts,
    totals: Totals,
    refused_statuses: BTreeMap<u16, u64>,
    open_latency: Histogram<u64>,
    window: Window,
    bytes: u64,
    live: u64,
    connecting: usize,
    /// Clients below this index are wanted.
    wanted: usize,
    /// Of them, clients below this one have been opened once since the last `Connect` or `Cut`.
    opened_to: usize,
    rate: Rate,
    churn: Option<Rate>,
    /// How often half of the clients are cut, and when next.
    half_cut: Option<(u64, u64)>,
    /// All connections are cut, and clients do not reconnect.
    cut: bool,
    /// Some are cut, and none is opened.
    held: bool,
    reconnects: BinaryHeap<Reverse<(u64, u32)>>,
    /// Makes the requests that events ask for.
    fetcher: Option<Fetcher>,
    behind: Behind,
    /// As in a tick.
    latencies: [u64; 3],
    /// The highest sequence number that a reader has got.
    newest: u64,
    /// All wanted clients were live when the driver last heard of us.
    was_complete: bool,
    next_tick_ns: u64,
    next_timeout_check_ns: u64,
    next_slow_ns: u64,
}

impl Swarm {
    fn new(setup: SwarmSetup, poll: Poll) -> Result<Self> {
        let tls = match setup.targets.iter().any(|target| target.tls) {
            true if setup.http2_streams > 0 => Some(tls::config(setup.ca.as_deref(), &[b"h2"])?),
            true => Some(tls::config(setup.ca.as_deref(), &[b"http/1.1"])?),
            false => None,
        };
        let kind = |index| kind_of(setup.first_client + index, &setup);
        let clients: Vec<Client> = (0..setup.clients)
            .map(|index| Client::new(kind(index), setup.repeats))
            .collect();
        let count = |kind| clients.iter().filter(|client| client.kind == kind).count() as u64;
        let totals = Totals {
            stalled: count(Kind::Stalled),
            slow: count(Kind::Slow),
            ..Totals::default()
        };
        let now = now_ns();
        Ok(Self {
            window: Window::new(false, 0),
            poll,
            tls,
            multiplexed: (0..setup.clients).map(|_| None).collect(),
            restless: Vec::new(),
            clients,
            buffer: vec![0; BUFFER_BYTES],
            request: Vec::new(),
            counts: Counts::default(),
            totals,
            refused_statuses: BTreeMap::new(),
            open_latency: histogram(),
            bytes: 0,
            live: 0,
            connecting: 0,
            wanted: 0,
            opened_to: 0,
            rate: Rate::new(0.0),
            churn: None,
            half_cut: None,
            cut: false,
            held: false,
            reconnects: BinaryHeap::new(),
            fetcher: setup.fetch.clone().map(Fetcher::start).transpose()?,
            behind: Behind::default(),
            latencies: [0; 3],
            newest: 0,
            was_complete: false,
            next_tick_ns: now,
            next_timeout_check_ns: now + timers::TIMEOUT_CHECK_NS,
            next_slow_ns: now + timers::SLOW_NS,
            setup,
        })
    }

    fn order(&mut self, order: SwarmOrder) {
        match order {
            SwarmOrder::Connect { clients, per_second } => {
                (self.cut, self.held) = (false, false);
                self.wanted = clients.min(self.clients.len());
                self.behind.look_again();
                self.rate = Rate::new(per_second);
            }
            SwarmOrder::Cut => {
                self.cut = true;
                self.opened_to = 0;
                self.wanted = 0;
                self.reconnects.clear();
                for index in 0..self.clients.len() {
                    self.drop_connection(index);
                }
            }
            SwarmOrder::CutSome { clients } => {
                self.held = true;
                self.opened_to = 0;
                for index in 0..clients.min(self.wanted) {
                    self.drop_connection(index);
                }
                self.behind.look_again();
            }
            SwarmOrder::Churn {
                per_second,
                half_every_ms,
            } => {
                self.churn = (per_second > 0.0).then(|| Rate::new(per_second));
                let every_ns = half_every_ms * 1_000_000;
                self.half_cut = (every_ns > 0).then(|| (every_ns, now_ns() + every_ns));
            }
            SwarmOrder::Reset => {
                let readers = self
                    .clients
                    .iter()
                    .filter(|client| client.is_live() && client.kind == Kind::Reader);
                let readers = u32::try_from(readers.count()).unwrap_or(u32::MAX);
                self.window = Window::new(self.setup.streams <= 1, readers);
            }
            SwarmOrder::Measure => say(&SwarmReport::Window(Box::new(self.window.report()))),
            SwarmOrder::Await { seq } => {
                self.behind = Behind::event(seq);
                self.next_tick_ns = 0;
            }
            SwarmOrder::Finish { .. } => {}
        }
    }

    fn finish(&mut self, last: u64) -> Totals {
        self.count_stalled();
        if last > 0 {
            for client in self.clients.iter().take(self.wanted) {
                if client.kind == Kind::Reader && client.tally.next() > 0 {
                    self.counts.lost += client.tally.missing(last);
                }
            }
        }
        Totals {
            counts: self.counts,
            refused_statuses: self
                .refused_statuses
                .iter()
                .map(|(status, count)| (*status, *count))
                .collect(),
            live: self.live,
            open_latency: encode(&self.open_latency),
            fetched: self.fetcher.take().map(Fetcher::finish).unwrap_or_default(),
            ..std::mem::take(&mut self.totals)
        }
    }

    /// Learns of each stalled client whether the server has ended its stream: the end stands behind
    /// what it didn't read.
    fn count_stalled(&mut self) {
        for client in &mut self.clients {
            let Some(socket) = client.socket.as_mut().filter(|_| client.kind == Kind::Stalled) else {
                continue;
            };
            let mut drained = 0;
            while drained < STALLED_DRAIN_BYTES_MAX {
                match socket.read(&mut self.buffer) {
                    Ok(0) => {
                        self.totals.stalled_ended += 1;
                        break;
                    }
                    Ok(read) => drained += read,
                    Err(error) => {
                        self.totals.stalled_ended += u64::from(error.kind() != ErrorKind::WouldBlock);
                        break;
                    }
                }
            }
        }
    }
}
