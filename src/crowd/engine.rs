//! The loop of a plain crowd: HTTP/1.1 in clear, one server, one stream.

mod read;
mod timers;

use super::client::{Asked, Client, Kind, Stage};
use super::clock::now_ns;
use super::latency::Latencies;
use super::orders::{Order, Report, Setup};
use super::rate::Rate;
use super::socket;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Receiver, TryRecvError};

/// Events taken from one poll.
const POLL_EVENTS: usize = 4096;
/// The read buffer that all clients share, in bytes.
const BUFFER_BYTES: usize = 64 * 1024;
/// What the kernel takes in unread for a client that stalls: little, so that the server notices
/// within seconds.
const STALLED_RECEIVE_BYTES: usize = 4096;
/// Connections under way at one time: a server's accept queue holds as many everywhere.
const CONNECTING_MAX: usize = 1000;
/// Clients of one address on loopback: with many of the ports between two addresses in use, the
/// kernel looks long for a free one.
const CLIENTS_PER_SOURCE: usize = 2000;

/// Why a crowd has ended: its orders did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished;

/// Runs a crowd until the sender of its orders is gone. Orders are taken within
/// milliseconds; `tell` gets a report several times a second.
pub fn run(setup: Setup, orders: &Receiver<Order>, tell: impl FnMut(&Report)) -> io::Result<Finished> {
    let mut tell = tell;
    let mut poll = Poll::new()?;
    let mut crowd = Crowd::new(setup, poll.registry().try_clone()?);
    let mut events = Events::with_capacity(POLL_EVENTS);
    loop {
        match poll.poll(&mut events, Some(crowd.timeout())) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            crowd.ready(event.token().0, event);
        }
        loop {
            match orders.try_recv() {
                Ok(order) => crowd.order(order),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(Finished),
            }
        }
        crowd.timers(&mut tell);
    }
}

struct Crowd {
    setup: Setup,
    authority: String,
    registry: Registry,
    clients: Vec<Client<TcpStream>>,
    /// Clients below this index are wanted, and those below `begun` have been begun once.
    wanted: usize,
    begun: usize,
    connecting: usize,
    rate: Rate,
    /// Clients that come back, by when.
    returns: BinaryHeap<Reverse<(u64, usize)>>,
    buffer: Vec<u8>,
    request: Vec<u8>,
    latencies: Latencies,
    report: Report,
    next_report_ns: u64,
}

impl Crowd {
    fn new(setup: Setup, registry: Registry) -> Self {
        Self {
            authority: setup.address.to_string(),
            rate: Rate::new(setup.connects_per_second),
            setup,
            registry,
            clients: Vec::new(),
            wanted: 0,
            begun: 0,
            connecting: 0,
            returns: BinaryHeap::new(),
            buffer: vec![0; BUFFER_BYTES],
            request: Vec::new(),
            latencies: Latencies::default(),
            report: Report::default(),
            next_report_ns: now_ns(),
        }
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Have { clients } => {
                let more = clients.saturating_sub(self.clients.len());
                self.clients.extend((0..more).map(|_| Client::new(Kind::Reader, 1)));
                for index in clients..self.wanted {
                    self.drop_connection(index);
                    // Whoever is wanted again has never been here.
                    self.clients[index] = Client::new(Kind::Reader, 1);
                }
                self.begun = self.begun.min(clients);
                self.wanted = clients;
                self.rate = Rate::new(self.setup.connects_per_second);
            }
            Order::Stall { clients } => {
                for index in self.some(clients) {
                    self.drop_connection(index);
                    self.clients[index].kind = Kind::Stalled;
                    self.connect(index);
                }
            }
            Order::Leave { clients, for_ms } => {
                let back = now_ns() + for_ms * 1_000_000;
                for index in self.some(clients) {
                    self.drop_connection(index);
                    self.returns.push(Reverse((back, index)));
                }
            }
        }
        self.next_report_ns = 0;
    }

    /// So many clients that read, spread over all.
    fn some(&self, count: usize) -> Vec<usize> {
        let reads = |index: &usize| {
            let client = &self.clients[*index];
            client.is_live() && client.kind == Kind::Reader
        };
        let mut readers: Vec<usize> = (0..self.wanted).filter(reads).collect();
        fastrand::shuffle(&mut readers);
        readers.truncate(count);
        readers
    }

    fn connect(&mut self, index: usize) {
        let receive_bytes = match self.clients[index].kind {
            Kind::Stalled => Some(STALLED_RECEIVE_BYTES),
            Kind::Reader | Kind::Slow => None,
        };
        let (to, from) = (self.setup.address, source(self.setup.address, index));
        let begun = socket::begin(to, receive_bytes, |socket| {
            from.map_or(Ok(()), |from| socket.bind(&SocketAddr::new(from, 0).into()))
        });
        let opened = begun.and_then(|mut socket| {
            let both = Interest::READABLE | Interest::WRITABLE;
            self.registry.register(&mut socket, Token(index), both)?;
            Ok(socket)
        });
        match opened {
            Ok(socket) => {
                let client = &mut self.clients[index];
                client.started_ns = now_ns();
                client.socket = Some(socket);
                client.stage = Stage::Connecting;
                self.connecting += 1;
            }
            Err(error) => self.failed(index, &error),
        }
    }

    /// Sends the request once the connection stands; `false`: not yet.
    fn send_request(&mut self, index: usize) -> io::Result<bool> {
        let client = &mut self.clients[index];
        let Some(socket) = &mut client.socket else {
            return Ok(false);
        };
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        match socket.peer_addr() {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(false),
            Err(error) => return Err(error),
        }
        self.request.clear();
        let asked = Asked {
            authority: &self.authority,
            path: &self.setup.path,
            last_id: client.scanner.last_id(),
        };
        asked.write(&mut self.request, [] as [&str; 0]);
        // A fresh socket's buffer takes a request whole.
        if io::Write::write(socket, &self.request)? < self.request.len() {
            return Err(ErrorKind::WriteZero.into());
        }
        client.stage = Stage::Head(Vec::new());
        Ok(true)
    }

    /// Closes a client's connection, whatever its stage.
    fn drop_connection(&mut self, index: usize) {
        let client = &mut self.clients[index];
        match client.stage {
            Stage::Connecting | Stage::Head(_) => self.connecting -= 1,
            Stage::Live => {
                self.report.live -= 1;
                self.report.stalled -= usize::from(client.kind == Kind::Stalled);
            }
            Stage::Away | Stage::GivenUp => {}
        }
        client.stage = Stage::Away;
        client.socket = None;
    }
}

/// The address that the client with this index connects from; `None`: the kernel's choice.
fn source(to: SocketAddr, index: usize) -> Option<IpAddr> {
    let (SocketAddr::V4(_), true) = (to, to.ip().is_loopback()) else {
        return None;
    };
    let host = u8::try_from(index / CLIENTS_PER_SOURCE + 1).unwrap_or(u8::MAX);
    Some(Ipv4Addr::new(127, 0, 0, host).into())
}
