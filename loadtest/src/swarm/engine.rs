//! The loop of a swarm process.

use super::client::{Client, Kind, Stage, kind_of, write_request};
use super::socket::{Socket, TlsSocket};
use super::tls;
use super::window::{Window, encode, histogram};
use crate::clock::{SECOND_NS, now_ns};
use crate::control::{SwarmOrder, SwarmReport, SwarmSetup, Tick, Totals, listen, say};
use crate::head::Head;
use crate::scan::{Found, Progress, Scanner};
use crate::tally::{Counts, Tally};
use anyhow::Result;
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use rustls::{ClientConfig, ClientConnection};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

/// The token of the waker for orders.
const ORDERS: Token = Token(usize::MAX);
/// Events taken from one poll.
const POLL_EVENTS: usize = 4096;
/// The read buffer that all clients share, in bytes.
const BUFFER_BYTES: usize = 256 * 1024;
/// Reads of one socket in one turn, so that one fast stream can't hold up the others.
const READS_PER_TURN: usize = 8;
/// Connections under way at one time: well under the accept queues of servers (`somaxconn` 4096).
const CONNECTING_MAX: usize = 1024;
/// From the connection's beginning to the response head.
const OPEN_TIMEOUT_NS: u64 = 30 * SECOND_NS;
/// How often connections that take too long are looked for.
const TIMEOUT_CHECK_NS: u64 = SECOND_NS;
/// How often the driver hears where we stand; oftener while it waits for something.
const TICK_NS: u64 = SECOND_NS / 5;
const TICK_AWAITING_NS: u64 = SECOND_NS / 50;
/// How often connections are opened while a rate is to be kept, and slow readers read.
const PACE_NS: u64 = SECOND_NS / 500;
const SLOW_NS: u64 = SECOND_NS / 20;
/// A reconnect's delay where neither the setup nor the server says one, and the longest that a server can ask for.
const RECONNECT_MS: u64 = 1000;
const RECONNECT_MS_MAX: u64 = 30_000;
/// How much is read from a stalled client at the end to learn whether the server has ended its stream, in bytes.
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
    /// Nobody reconnects.
    cut: bool,
    reconnects: BinaryHeap<Reverse<(u64, u32)>>,
    awaited: u64,
    /// All wanted clients were live when the driver last heard of us.
    was_complete: bool,
    next_tick_ns: u64,
    next_timeout_check_ns: u64,
    next_slow_ns: u64,
}

/// So many things a second since a moment.
#[derive(Debug, Clone, Copy)]
struct Rate {
    since_ns: u64,
    per_second: f64,
    done: u64,
}

impl Rate {
    fn new(per_second: f64) -> Self {
        Self {
            since_ns: now_ns(),
            per_second,
            done: 0,
        }
    }

    /// How many are due and not done.
    fn due(&self, now_ns: u64) -> u64 {
        let elapsed = now_ns.saturating_sub(self.since_ns) as f64 / SECOND_NS as f64;
        ((elapsed * self.per_second) as u64).saturating_sub(self.done)
    }
}

impl Swarm {
    fn new(setup: SwarmSetup, poll: Poll) -> Result<Self> {
        let tls = match setup.targets.iter().any(|target| target.tls) {
            true => Some(tls::config(setup.ca.as_deref(), &[b"http/1.1"])?),
            false => None,
        };
        let kind = |index| kind_of(setup.first_client + index, &setup);
        let clients: Vec<Client> = (0..setup.clients).map(|index| Client::new(kind(index))).collect();
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
            cut: false,
            reconnects: BinaryHeap::new(),
            awaited: 0,
            was_complete: false,
            next_tick_ns: now,
            next_timeout_check_ns: now + TIMEOUT_CHECK_NS,
            next_slow_ns: now + SLOW_NS,
            setup,
        })
    }

    fn order(&mut self, order: SwarmOrder) {
        match order {
            SwarmOrder::Connect { clients, per_second } => {
                self.cut = false;
                self.wanted = clients.min(self.clients.len());
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
            SwarmOrder::Churn { per_second } => self.churn = (per_second > 0.0).then(|| Rate::new(per_second)),
            SwarmOrder::Expect { seq } => {
                self.clients
                    .iter_mut()
                    .filter(|client| client.is_live())
                    .for_each(|client| client.tally.expect(seq));
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
                self.awaited = seq;
                self.next_tick_ns = 0;
            }
            SwarmOrder::Finish { .. } => {}
        }
    }

    /// Until the next thing that the clock brings.
    fn timeout(&self) -> Duration {
        let now = now_ns();
        let mut next = self.next_tick_ns.min(self.next_timeout_check_ns);
        if self.opened_to < self.wanted || self.churn.is_some() {
            next = next.min(now + PACE_NS);
        }
        if self.totals.slow > 0 {
            next = next.min(self.next_slow_ns);
        }
        if let Some(Reverse((due, _))) = self.reconnects.peek() {
            next = next.min((*due).max(now + PACE_NS));
        }
        Duration::from_nanos(next.saturating_sub(now))
    }

    fn timers(&mut self) {
        let now = now_ns();
        let mut due = if self.opened_to < self.wanted {
            self.rate.due(now)
        } else {
            0
        };
        while due > 0 && self.opened_to < self.wanted && self.connecting < CONNECTING_MAX {
            let index = self.opened_to;
            self.opened_to += 1;
            if matches!(self.clients[index].stage, Stage::Away) {
                self.rate.done += 1;
                due -= 1;
                self.connect(index);
            }
        }
        while self.connecting < CONNECTING_MAX
            && self.reconnects.peek().is_some_and(|Reverse((due, _))| *due <= now)
            && let Some(Reverse((_, index))) = self.reconnects.pop()
        {
            let index = index as usize;
            if matches!(self.clients[index].stage, Stage::Away) && index < self.wanted {
                self.connect(index);
            }
        }
        if let Some(mut churn) = self.churn {
            for _ in 0..churn.due(now) {
                churn.done += 1;
                self.churn_one();
            }
            self.churn = Some(churn);
        }
        if self.totals.slow > 0 && now >= self.next_slow_ns {
            self.next_slow_ns = now + SLOW_NS;
            self.read_slow(now);
        }
        if now >= self.next_timeout_check_ns {
            self.next_timeout_check_ns = now + TIMEOUT_CHECK_NS;
            self.check_timeouts(now);
        }
        // The driver times storms by this: it must not wait for the next regular tick.
        let complete = self.wanted > 0 && self.live as usize >= self.wanted;
        if std::mem::replace(&mut self.was_complete, complete) != complete || now >= self.next_tick_ns {
            self.tick(now);
        }
    }

    fn tick(&mut self, now: u64) {
        self.next_tick_ns = now + if self.awaited > 0 { TICK_AWAITING_NS } else { TICK_NS };
        let waiting = |client: &&Client| client.kind == Kind::Reader && client.tally.next() <= self.awaited;
        let behind = match self.awaited {
            0 => 0,
            _ => self.clients.iter().take(self.wanted).filter(waiting).count() as u64,
        };
        say(&SwarmReport::Tick(Tick {
            live: self.live,
            opened: self.totals.opened,
            delivered: self.counts.delivered,
            bytes: self.bytes,
            refused: self.totals.refused_connections + self.refused_statuses.values().sum::<u64>(),
            behind,
            awaiting: self.awaited,
        }));
    }

    /// A client leaves and comes back at once.
    fn churn_one(&mut self) {
        /// Tries to find one that is live: most are.
        const TRIES: usize = 16;
        for _ in 0..TRIES {
            let index = fastrand::usize(..self.wanted.max(1));
            if self.clients.get(index).is_some_and(Client::is_live) {
                self.drop_connection(index);
                self.connect(index);
                return;
            }
        }
    }

    fn check_timeouts(&mut self, now: u64) {
        for index in 0..self.opened_to {
            let client = &self.clients[index];
            let opening = matches!(client.stage, Stage::Connecting | Stage::Head(_));
            if opening && now.saturating_sub(client.started_ns) > OPEN_TIMEOUT_NS {
                self.refused(index, None);
            }
        }
    }

    fn connect(&mut self, index: usize) {
        let number = self.setup.first_client + index;
        let target = &self.setup.targets[number % self.setup.targets.len()];
        self.clients[index].started_ns = now_ns();
        let socket = open(target.address, self.setup.source).and_then(|mut tcp| {
            self.poll
                .registry()
                .register(&mut tcp, Token(index), Interest::READABLE | Interest::WRITABLE)?;
            match (&self.tls, target.tls) {
                (Some(config), true) => {
                    let name = tls::server_name(&target.authority).map_err(io::Error::other)?;
                    let tls = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
                    Ok(Socket::Tls(Box::new(TlsSocket { tcp, tls })))
                }
                _ => Ok(Socket::Plain(tcp)),
            }
        });
        match socket {
            Ok(socket) => {
                let client = &mut self.clients[index];
                client.socket = Some(socket);
                client.stage = Stage::Connecting;
                self.connecting += 1;
            }
            Err(_) => self.refused(index, None),
        }
    }

    fn ready(&mut self, index: usize, event: &mio::event::Event, polled_ns: u64) {
        let Some(client) = self.clients.get_mut(index) else {
            return;
        };
        let Some(socket) = &mut client.socket else { return };
        if matches!(client.stage, Stage::Connecting) && (event.is_writable() || event.is_error()) {
            match self.send_request(index) {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => return self.refused(index, None),
            }
        } else if event.is_writable() && socket.writable().is_err() {
            return self.lost_connection(index);
        }
        let client = &self.clients[index];
        match client.kind {
            Kind::Reader => {}
            _ if !client.is_live() => {}
            Kind::Stalled if event.is_read_closed() || event.is_error() => return self.lost_connection(index),
            Kind::Stalled | Kind::Slow => return,
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read(index, polled_ns, event.is_read_closed() || event.is_error());
        }
    }

    /// Sends the request once the connection stands; `false`: not yet.
    fn send_request(&mut self, index: usize) -> io::Result<bool> {
        let number = self.setup.first_client + index;
        let target = &self.setup.targets[number % self.setup.targets.len()];
        let client = &mut self.clients[index];
        let Some(socket) = &mut client.socket else {
            return Ok(false);
        };
        if let Some(error) = socket.tcp().take_error()? {
            return Err(error);
        }
        match socket.tcp().peer_addr() {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(false),
            Err(error) => return Err(error),
        }
        self.request.clear();
        write_request(&mut self.request, target, &self.setup, number, client.scanner.last_id());
        socket.send(&self.request)?;
        client.stage = Stage::Head(Vec::new());
        Ok(true)
    }

    /// Reads a socket until it is empty, or its turn is over.
    fn read(&mut self, index: usize, polled_ns: u64, closed: bool) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut turns = 0;
        while let Some(socket) = &mut self.clients[index].socket {
            match socket.read(&mut buffer) {
                Ok(0) => {
                    self.lost_connection(index);
                    break;
                }
                Ok(read) => {
                    let read_ns = now_ns();
                    self.window.read(read, read_ns.saturating_sub(polled_ns));
                    let drained = socket.short_read_is_empty() && read < buffer.len();
                    self.bytes += read as u64;
                    self.take(index, &buffer[..read], read_ns);
                    turns += 1;
                    if drained && !closed || self.clients[index].kind != Kind::Reader && self.clients[index].is_live() {
                        break;
                    }
                    if turns >= READS_PER_TURN && !closed {
                        self.requeue(index);
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    self.lost_connection(index);
                    break;
                }
            }
        }
        self.buffer = buffer;
    }

    /// The socket holds more, and an edge-triggered poll won't say so again unless it is registered anew.
    fn requeue(&mut self, index: usize) {
        let both = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        let again = match &mut self.clients[index].socket {
            None => return,
            Some(Socket::Plain(tcp)) => registry.reregister(tcp, Token(index), both),
            Some(Socket::Tls(socket)) => registry.reregister(&mut socket.tcp, Token(index), both),
        };
        if again.is_err() {
            self.lost_connection(index);
        }
    }

    fn read_slow(&mut self, now: u64) {
        let share = (self.setup.slow_bytes_per_second * SLOW_NS / SECOND_NS).max(1) as usize;
        let mut buffer = std::mem::take(&mut self.buffer);
        for index in 0..self.clients.len() {
            let client = &mut self.clients[index];
            if client.kind != Kind::Slow || !client.is_live() {
                continue;
            }
            let Some(socket) = &mut client.socket else { continue };
            let share = share.min(buffer.len());
            match socket.read(&mut buffer[..share]) {
                Ok(0) => self.lost_connection(index),
                Ok(read) => {
                    self.bytes += read as u64;
                    self.take(index, &buffer[..read], now);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(_) => self.lost_connection(index),
            }
        }
        self.buffer = buffer;
    }

    /// Bytes came for a client.
    fn take(&mut self, index: usize, bytes: &[u8], read_ns: u64) {
        let client = &mut self.clients[index];
        match &mut client.stage {
            Stage::Live => self.body(index, bytes, read_ns),
            Stage::Head(head) => {
                head.extend_from_slice(bytes);
                match Head::parse(head) {
                    Ok(None) => {}
                    Err(_) => self.refused(index, None),
                    Ok(Some(parsed)) if parsed.status == 204 => {
                        self.totals.over += 1;
                        self.drop_connection(index);
                    }
                    Ok(Some(parsed)) if parsed.status != 200 || !parsed.event_stream => {
                        self.refused(index, Some(parsed.status));
                    }
                    Ok(Some(parsed)) => {
                        let head = std::mem::take(head);
                        self.live(index, &parsed, read_ns);
                        if head.len() > parsed.len {
                            self.body(index, &head[parsed.len..], read_ns);
                        }
                    }
                }
            }
            Stage::Away | Stage::Connecting => {}
        }
    }

    fn live(&mut self, index: usize, head: &Head, read_ns: u64) {
        let client = &mut self.clients[index];
        self.open_latency
            .saturating_record(read_ns.saturating_sub(client.started_ns) / 1000);
        self.connecting -= 1;
        self.live += 1;
        self.totals.opened += 1;
        let last_id = client.scanner.take_last_id();
        if client.returning {
            self.totals.reopened += 1;
            if !self.setup.resume || last_id.is_empty() {
                // Nothing told the server where to go on: whatever comes next is right.
                client.tally = Tally::default();
            }
        }
        client.returning = true;
        client.scanner = Scanner::new(head.framing, last_id);
        client.stage = Stage::Live;
    }

    fn body(&mut self, index: usize, bytes: &[u8], read_ns: u64) {
        let client = &mut self.clients[index];
        let (tally, counts, window) = (&mut client.tally, &mut self.counts, &mut self.window);
        let (reader, retry_ms) = (client.kind == Kind::Reader, &mut client.retry_ms);
        let progress = client
            .scanner
            .feed(bytes, self.setup.gap_event.as_bytes(), &mut |found| match found {
                Found::Event(stamp) => {
                    tally.event(stamp.seq, stamp.channel, counts);
                    if reader {
                        window.delivery(&stamp, read_ns);
                    } else {
                        window.delivered += 1;
                    }
                }
                Found::Other => {
                    counts.other += 1;
                    window.delivered += 1;
                }
                Found::Gap => tally.gap(counts),
                Found::Retry(millis) => *retry_ms = millis,
            });
        match progress {
            Ok(Progress::Open) => {}
            Ok(Progress::Ended) => self.lost_connection(index),
            Err(_) => {
                self.totals.broken += 1;
                self.lost_connection(index);
            }
        }
    }

    /// The server ended a connection, or the network did.
    fn lost_connection(&mut self, index: usize) {
        let client = &self.clients[index];
        if !client.is_live() {
            return self.refused(index, None);
        }
        self.totals.ended_by_server += 1;
        let stalled = client.kind == Kind::Stalled;
        self.drop_connection(index);
        if stalled {
            // Whoever doesn't read doesn't notice the end either.
            self.totals.stalled_ended += 1;
        } else {
            self.reconnect_later(index);
        }
    }

    /// A stream could not be opened.
    fn refused(&mut self, index: usize, status: Option<u16>) {
        match status {
            Some(status) => *self.refused_statuses.entry(status).or_default() += 1,
            None => self.totals.refused_connections += 1,
        }
        self.drop_connection(index);
        self.reconnect_later(index);
    }

    fn reconnect_later(&mut self, index: usize) {
        if self.cut {
            return;
        }
        let told = match self.clients[index].retry_ms {
            0 => RECONNECT_MS,
            millis => u64::from(millis).min(RECONNECT_MS_MAX),
        };
        let delay_ms = self.setup.reconnect_ms.unwrap_or(told);
        let index = u32::try_from(index).expect("a process has fewer clients than descriptors");
        self.reconnects.push(Reverse((now_ns() + delay_ms * 1_000_000, index)));
    }

    /// Closes a client's connection, whatever its stage.
    fn drop_connection(&mut self, index: usize) {
        let client = &mut self.clients[index];
        match client.stage {
            Stage::Connecting | Stage::Head(_) => self.connecting -= 1,
            Stage::Live => self.live -= 1,
            Stage::Away => {}
        }
        client.stage = Stage::Away;
        client.socket = None;
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
            ..std::mem::take(&mut self.totals)
        }
    }

    /// Learns of each stalled client whether the server has ended its stream: the end stands behind what it didn't read.
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

/// Begins a connection, from the address asked for.
fn open(to: SocketAddr, from: Option<std::net::IpAddr>) -> io::Result<TcpStream> {
    let Some(from) = from else {
        return TcpStream::connect(to);
    };
    let socket = socket2::Socket::new(socket2::Domain::for_address(to), socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    match socket.connect(&to.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}
