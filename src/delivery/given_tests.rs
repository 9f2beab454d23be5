//! Shards with their threads: what stands still answers, goes on as if nothing had been, or lets go.

use super::carried::CarriedClient;
use super::framing::Framing;
use super::given::Given;
use super::new_client::{Joining, NewClient};
use super::shards::Shards;
use super::taker::Taker;
use super::taking::TakenClients;
use crate::access_log::AccessLog;
use crate::channel::{Admission, Channel, Coding, Publisher, Settings};
use crate::config::Config;
use crate::critical::CriticalTasks;
use crate::event_stream::{Parser, ParserOptions};
use crate::log::Epoch;
use crate::metrics::{Metrics, Protocol};
use crate::net::Stream;
use crate::quotas::{Budget, Quotas};
use bytes::Bytes;
use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
/// Far more than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(30);

struct Process {
    shards: Shards,
    channel: Arc<Channel>,
    publisher: Publisher,
    quotas: Arc<Quotas>,
}

#[derive(Default)]
struct Collector {
    clients: Mutex<Vec<(CarriedClient, OwnedFd)>>,
    /// Fails instead.
    fails: bool,
}

impl Taker for Collector {
    fn clients(&self, clients: &[CarriedClient], sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
        if self.fails {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        for (client, socket) in clients.iter().zip(sockets) {
            let owned = (client.clone(), socket.try_clone_to_owned()?);
            self.clients.lock().expect("no panic").push(owned);
        }
        Ok(())
    }
}

/// Takes nothing until the other end is dropped.
struct Waiting(Mutex<mpsc::Receiver<()>>);

impl Taker for Waiting {
    fn clients(&self, _: &[CarriedClient], _: &[BorrowedFd<'_>]) -> io::Result<()> {
        let _ = self.0.lock().expect("no panic").recv();
        Ok(())
    }
}

fn config() -> Config {
    let yaml = "sources: { s: { path: /e, upstream: \"http://127.0.0.1:9/\" } }\n";
    crate::config::read(yaml, "test.yaml", &|_| None)
        .expect("a configuration")
        .config
}

impl Process {
    fn first() -> Self {
        let settings = Settings::new(config().sources[0].clone());
        Self::of(Channel::new(settings, Metrics::new().source("s"), Epoch::new()))
    }

    fn of(channel: Arc<Channel>) -> Self {
        Self {
            shards: Shards::start(2, &CriticalTasks::default(), &Arc::new(AccessLog::new(false))).expect("threads"),
            publisher: channel.publisher(0),
            channel,
            quotas: Quotas::new(&config().limits, &Budget::new(1000, 0, 1)),
        }
    }

    /// The same in another process: its channel, without clients.
    fn successor(&self) -> Self {
        let state = self.channel.give_state();
        let mut log = Vec::new();
        self.channel.give_log(&mut log).expect("memory takes it");
        let settings = Settings::new(config().sources[0].clone());
        Self::of(Channel::take(&state, &log[..], settings, Metrics::new().source("s")).expect("a channel"))
    }

    fn join(&self) -> BufReader<UnixStream> {
        let (stream, peer) = Stream::pair();
        peer.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let Admission {
            subscription, start, ..
        } = self.channel.admit(Protocol::Http11, None);
        let permit = self.quotas.admit(PEER.ip(), None).unwrap_or_else(|_| panic!("a place"));
        self.shards.hand_over(NewClient {
            stream,
            head: Bytes::from_static(b"HTTP/1.1 200 OK\r\n\r\n"),
            framing: Framing::Plain,
            joining: Joining {
                subscription,
                coding: Coding::Identity,
                start,
                permit,
                history: None,
                last_event_id: None,
                peer: PEER,
            },
        });
        BufReader::new(peer)
    }

    fn publish(&mut self, data: &str) {
        let mut parser = Parser::new(ParserOptions {
            event_bytes_max: 1000,
            comments: false,
        });
        parser.push(Bytes::from(format!("data: {data}\n\n")));
        while let Some(item) = parser.next_item() {
            self.publisher.item(item, Instant::now());
        }
        self.publisher.flush();
    }

    fn give(&self, collector: &Arc<Collector>) -> io::Result<Given> {
        let taker: Arc<dyn Taker> = collector.clone();
        self.shards
            .give(vec![self.channel.clone()], &taker, Instant::now() + PATIENCE)
    }
}

/// Reads up to this event; the data of those before it.
fn data_until(peer: &mut BufReader<UnixStream>, last: &str) -> Vec<String> {
    let mut seen = Vec::new();
    while seen.last().is_none_or(|seen| seen != last) {
        let mut line = String::new();
        assert!(peer.read_line(&mut line).expect("in time") > 0, "it has ended");
        seen.extend(line.strip_prefix("data: ").map(|data| data.trim_end().to_owned()));
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_that_stand_still_answer_and_go_on() {
    let mut process = Process::first();
    let mut peers: Vec<_> = (0..5).map(|_| process.join()).collect();
    process.publish("1");
    for peer in &mut peers {
        assert_eq!(data_until(peer, "1"), ["1"]);
    }
    let given = process.give(&Arc::default()).expect("given");
    assert_eq!((given.handed_over(), given.to_drain()), (5, 0));
    process.publish("2");
    let late = process.join();
    for ping in process.shards.pings() {
        assert!(ping.answers().await);
    }
    let counted = |reports: Vec<super::report::ShardReport>| -> usize {
        let lags = reports.iter().flat_map(|report| report.sources.values());
        lags.map(|source| source.lag_events.len()).sum()
    };
    assert_eq!(counted(process.shards.report().await), 5, "the late one waits");
    drop(given);
    peers.push(late);
    process.publish("3");
    for (n, peer) in peers.iter_mut().enumerate() {
        let missed = if n < 5 { vec!["2", "3"] } else { vec!["3"] };
        assert_eq!(data_until(peer, "3"), missed, "{n}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taker_that_fails_changes_nothing() {
    let mut process = Process::first();
    let mut peer = process.join();
    process.publish("1");
    data_until(&mut peer, "1");
    let fails = Arc::new(Collector {
        fails: true,
        ..Collector::default()
    });
    assert!(process.give(&fails).is_err());
    let (release, waiting) = mpsc::channel();
    let taker: Arc<dyn Taker> = Arc::new(Waiting(Mutex::new(waiting)));
    let late = process
        .shards
        .give(vec![process.channel.clone()], &taker, Instant::now());
    assert!(late.is_err(), "the shard with the client can't have answered");
    drop(release);
    process.publish("2");
    assert_eq!(data_until(&mut peer, "2"), ["2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_go_on_in_other_shards_and_late_ones_follow() {
    let mut old = Process::first();
    let mut peers: Vec<_> = (0..200).map(|_| old.join()).collect();
    old.publish("1");
    let mut new = old.successor();
    let collector = Arc::new(Collector::default());
    let given = old.give(&collector).expect("given");
    let mut late = old.join();
    let take = |collector: &Collector, new: &Process| {
        let clients = std::mem::take(&mut *collector.clients.lock().expect("no panic"));
        let mut taken = TakenClients::default();
        for (client, socket) in clients {
            let channels = std::slice::from_ref(&new.channel);
            taken.take(client, socket, channels, &new.quotas).expect("a client");
        }
        taken
    };
    let taken = take(&collector, &new);
    assert_eq!(taken.len(), 200);
    given.let_go();
    new.shards.adopt(taken);
    new.publish("2");
    for peer in &mut peers {
        assert_eq!(data_until(peer, "2"), ["1", "2"]);
    }
    // Who was on its way to the old ones goes over with a further round.
    let given = old.give(&collector).expect("given");
    assert_eq!(given.handed_over(), 1);
    let taken = take(&collector, &new);
    given.let_go();
    new.shards.adopt(taken);
    new.publish("3");
    assert_eq!(data_until(&mut late, "3"), ["2", "3"]);
    assert_eq!(new.quotas.clients(), 201);
    drop(old.shards);
    assert_eq!(old.quotas.clients(), 0);
}
