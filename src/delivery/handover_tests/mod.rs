//! Shards, their clients and a hand-over to another one, without a process around them.

mod histories;
mod single;

use crate::access_log::AccessLog;
use crate::channel::{Admission, Channel, Coding, Publisher, Settings};
use crate::config::Config;
use crate::delivery::carried::CarriedClient;
use crate::delivery::framing::Framing;
use crate::delivery::intake::{Intake, WAKER};
use crate::delivery::new_client::{Joining, NewClient};
use crate::delivery::shard_thread::ShardThread;
use crate::delivery::taker::{CARRIED_PER_BATCH, ChannelPlaces, Taker};
use crate::delivery::taking::{TakeClientError, TakenClients};
use crate::event_stream::{Parser, ParserOptions};
use crate::log::Epoch;
use crate::metrics::{Metrics, Protocol};
use crate::net::Stream;
use crate::quotas::{Budget, Grant, Quotas, User};
use bytes::Bytes;
use mio::Events;
use std::io::{self, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)), 1234);

/// A step of a history.
#[derive(Debug, Clone)]
enum Step {
    /// An event with so much data; with an id of the origin's or without.
    Publish { bytes: usize, has_id: bool },
    /// Something that the channel tells besides events: a relayed comment.
    Comment,
    /// A client joins, with the id of this event (counted from the end) or without.
    Join { back: Option<u8>, is_http10: bool },
    /// One of the clients reads so much.
    Read { client: usize, bytes: usize },
    /// One of them leaves.
    Leave { client: usize },
    /// The shard makes so many turns.
    Turns(u8),
    /// The clients are given, and the hand-over fails.
    GivenInVain,
    /// The clients are handed over.
    HandOver,
    /// The stream ends.
    End,
}

struct Peer {
    socket: Option<UnixStream>,
    got: Vec<u8>,
    is_chunked: bool,
    /// The other side has ended.
    is_over: bool,
}

/// A process, as far as it matters here, and its clients.
struct World {
    config: Config,
    thread: ShardThread,
    channel: Arc<Channel>,
    publisher: Publisher,
    quotas: Arc<Quotas>,
    peers: Vec<Peer>,
    events: u64,
    /// The ids that events had, as clients see them.
    last_id: Bytes,
    grant: Option<Arc<Grant>>,
    /// Those before, which have let their clients go.
    before: Vec<ShardThread>,
}

struct Collector(Mutex<Vec<(CarriedClient, OwnedFd)>>);

impl Taker for Collector {
    fn clients(&self, clients: &[CarriedClient], sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
        assert!(clients.len() <= CARRIED_PER_BATCH && clients.len() == sockets.len());
        for (client, socket) in clients.iter().zip(sockets) {
            // As plain data, and back.
            let text = serde_json::to_string(client).expect("plain data");
            let client = serde_json::from_str(&text).expect("as it was written");
            self.0
                .lock()
                .expect("no panic")
                .push((client, socket.try_clone_to_owned()?));
        }
        Ok(())
    }
}

fn thread() -> ShardThread {
    ShardThread::new(
        Intake::new().expect("a poll"),
        Arc::default(),
        Arc::new(AccessLog::new(false)),
    )
}

fn quotas(config: &Config) -> Arc<Quotas> {
    Quotas::new(&config.limits, &Budget::new(10_000, 0, 1))
}

impl World {
    fn new(source: &str) -> Self {
        let yaml = format!(
            "sources:\n  s: {{ path: /e, upstream: \"http://127.0.0.1:9/\", reconnect_jitter: 0, {source} }}\n\
             limits: {{ clients_per_ip: 1000, clients_per_user: 1000 }}\n"
        );
        let config = crate::config::read(&yaml, "test.yaml", &|_| None)
            .expect("a configuration")
            .config;
        let settings = Settings::new(config.sources[0].clone());
        let channel = Channel::new(settings, Metrics::new().source("s"), Epoch::named("e"));
        Self {
            thread: thread(),
            publisher: channel.publisher(0),
            quotas: quotas(&config),
            channel,
            config,
            peers: Vec::new(),
            events: 0,
            last_id: Bytes::new(),
            grant: None,
            before: Vec::new(),
        }
    }

    fn turn(&mut self, events: &mut Events) {
        let thread = &mut self.thread;
        thread.intake.look(events).expect("readiness");
        thread.shard.clock.refresh();
        for event in &*events {
            if event.token() != WAKER {
                thread.shard.ready(event);
            }
        }
        while let Some(note) = thread.intake.take() {
            thread.handle(note);
        }
        thread.shard.turn();
    }

    /// Turns until nothing is left to be done.
    fn settle(&mut self) {
        let mut events = Events::with_capacity(256);
        loop {
            self.turn(&mut events);
            if events.is_empty() && self.thread.shard.is_idle() && self.thread.shard.channels.staggering.is_empty() {
                return;
            }
        }
    }

    fn publish(&mut self, stream: String) {
        let mut parser = Parser::new(ParserOptions {
            event_bytes_max: 1 << 20,
            comments: true,
        });
        parser.push(Bytes::from(stream));
        while let Some(item) = parser.next_item() {
            self.publisher.item(item, Instant::now());
        }
        self.publisher.flush();
    }

    fn join(&mut self, back: Option<u8>, is_http10: bool) {
        let (stream, socket) = Stream::pair();
        socket.set_nonblocking(true).expect("a socket that does not block");
        let protocol = if is_http10 { Protocol::Http10 } else { Protocol::Http11 };
        let Admission {
            subscription, start, ..
        } = self.channel.admit(protocol, None);
        let last_event_id = back.map(|back| match self.events.checked_sub(back.into()) {
            Some(event) if event > 0 => Bytes::from(format!("id {event}")),
            _ => Bytes::from_static(b"unknown"),
        });
        let permit = self.quotas.admit(PEER.ip(), self.grant.clone());
        let new_client = NewClient {
            stream,
            head: Bytes::from_static(b"HTTP/1.1 200 OK\r\n\r\n"),
            framing: if is_http10 { Framing::Plain } else { Framing::Chunked },
            joining: Joining {
                subscription,
                coding: Coding::Identity,
                start,
                permit: permit.unwrap_or_else(|_| panic!("a place")),
                history: None,
                last_event_id,
                peer: PEER,
            },
        };
        self.thread.shard.join_alone(new_client, &self.thread.intake);
        self.peers.push(Peer {
            socket: Some(socket),
            got: Vec::new(),
            is_chunked: !is_http10,
            is_over: false,
        });
    }

    fn give(&self) -> (Vec<super::keys::ClientKey>, Vec<(CarriedClient, OwnedFd)>) {
        let collector = Collector(Mutex::default());
        let places = ChannelPlaces::of(vec![self.channel.clone()]);
        let given = self.thread.shard.give(&places, &collector).expect("taken");
        (given, collector.0.into_inner().expect("no panic"))
    }

    /// Another process goes on with everything.
    fn hand_over(&mut self) {
        let state = self.channel.give_state();
        let state = serde_json::to_string(&state).expect("plain data");
        let mut log = Vec::new();
        self.channel.give_log(&mut log).expect("memory takes it");
        let (given, carried) = self.give();
        assert_eq!(given.len(), self.thread.shard.clients.iter().count());

        let settings = Settings::new(self.config.sources[0].clone());
        let state = serde_json::from_str(&state).expect("as it was written");
        let channel = Channel::take(&state, &log[..], settings, Metrics::new().source("s")).expect("a channel");
        let quotas = quotas(&self.config);
        let mut taken = TakenClients::default();
        for (client, socket) in carried {
            taken
                .take(client, socket, std::slice::from_ref(&channel), &quotas)
                .expect("a client");
        }
        assert_eq!(taken.len(), given.len());

        self.thread.shard.let_go(given, &self.thread.intake);
        assert_eq!((self.quotas.clients(), self.channel.subscribers()), (0, 0));
        self.before.push(std::mem::replace(&mut self.thread, thread()));
        self.publisher = channel.publisher_going_on(0, &self.last_id, true);
        self.channel = channel;
        self.quotas = quotas;
        for client in taken.clients {
            self.thread.shard.adopt(client, &self.thread.intake);
        }
        self.thread.shard.tell_waiting();
        self.thread.shard.check();
        assert_eq!(self.quotas.clients(), self.channel.subscribers());
    }

    /// The polls of those before hear nothing of the sockets any more.
    fn check_those_before(&mut self) {
        let mut events = Events::with_capacity(256);
        for thread in &mut self.before {
            thread.intake.look(&mut events).expect("readiness");
            let heard: Vec<_> = events.iter().filter(|event| event.token() != WAKER).collect();
            assert!(heard.is_empty(), "{heard:?}");
        }
    }

    fn step(&mut self, step: &Step, hands_over: bool) {
        let peers = self.peers.len().max(1);
        match *step {
            Step::Publish { bytes, has_id } => {
                self.events += 1;
                let event = self.events;
                let id = match has_id {
                    true => {
                        self.last_id = Bytes::from(format!("id {event}"));
                        format!("id: id {event}\n")
                    }
                    false => String::new(),
                };
                self.publish(format!("{id}data: {event} {}\n\n", "x".repeat(bytes)));
            }
            Step::Comment => self.publish(": between\n".to_owned()),
            Step::Join { back, is_http10 } => self.join(back, is_http10),
            Step::Read { client, bytes } => {
                if let Some(peer) = self.peers.get_mut(client % peers) {
                    peer.read(bytes);
                }
            }
            Step::Leave { client } => {
                if let Some(peer) = self.peers.get_mut(client % peers) {
                    peer.socket = None;
                }
            }
            Step::Turns(turns) => {
                let mut events = Events::with_capacity(256);
                (0..turns).for_each(|_| self.turn(&mut events));
            }
            Step::GivenInVain if hands_over => drop(self.give()),
            Step::HandOver if hands_over => self.hand_over(),
            Step::GivenInVain | Step::HandOver => {}
            Step::End => self.publish("event: end\ndata: end\n\n".to_owned()),
        }
    }

    /// Until every client has all that there is for it.
    fn finish(&mut self) {
        loop {
            self.settle();
            let got: usize = self.peers.iter_mut().map(|peer| peer.read(1 << 20)).sum();
            self.check_those_before();
            if got == 0 {
                return;
            }
        }
    }
}

impl Peer {
    fn read(&mut self, bytes: usize) -> usize {
        let Some(socket) = &mut self.socket else { return 0 };
        let mut into = vec![0; bytes];
        match socket.read(&mut into) {
            Ok(0) if bytes > 0 => {
                self.is_over = true;
                0
            }
            Ok(n) => {
                self.got.extend_from_slice(&into[..n]);
                n
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => {
                self.is_over = true;
                0
            }
        }
    }

    /// The body, and whether it has ended.
    fn body(&self) -> (String, bool) {
        let text = String::from_utf8(self.got.clone()).expect("text");
        let Some((_, mut rest)) = text.split_once("\r\n\r\n") else {
            return (String::new(), false);
        };
        if !self.is_chunked {
            return (rest.to_owned(), self.is_over);
        }
        let mut body = String::new();
        while let Some((size, chunk)) = rest.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).expect("a chunk's size");
            if size == 0 {
                return (body, true);
            }
            body.push_str(&chunk[..size.min(chunk.len())]);
            match chunk.get(size..).and_then(|end| end.strip_prefix("\r\n")) {
                Some(next) => rest = next,
                None => break,
            }
        }
        (body, false)
    }

    /// Each event comes once and in order, or a gap event stands where some are missing. The number of
    /// the last one, and whether a gap event is behind it.
    fn check(&self, what: &str) -> (Option<u64>, bool) {
        let (body, _) = self.body();
        let (mut last, mut is_gap) = (None, false);
        let whole = body.rfind("\n\n").map_or("", |end| &body[..end]);
        for block in whole.split("\n\n") {
            is_gap |= block.starts_with("event: fanfare.gap");
            let data = block.lines().find_map(|line| line.strip_prefix("data: "));
            let number = data.and_then(|data| data.split(' ').next()?.parse::<u64>().ok());
            let Some(number) = number else { continue };
            let fits = last.is_none_or(|last| number == last + 1 || (is_gap && number > last));
            assert!(fits, "{what}: {number} after {last:?}");
            (last, is_gap) = (Some(number), false);
        }
        (last, is_gap)
    }
}
