//! A shard without its thread: turns are made by hand, over real sockets.

use super::client::{AfterRest, ClientState};
use super::framing::Framing;
use super::intake::Intake;
use super::keys::{ChannelKey, ClientKey, ClientRef};
use super::new_client::{Joining, NewClient};
use super::shard::Shard;
use crate::access_log::AccessLog;
use crate::channel::{Admission, Channel, Coding, Publisher, Settings};
use crate::event_stream::{Parser, ParserOptions};
use crate::log::{Cursor, Epoch};
use crate::metrics::{CloseReason, Metrics, Protocol};
use crate::net::Stream;
use crate::quotas::{Budget, Grant, Quotas};
use bytes::Bytes;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// More than the kernel keeps for a client that does not read.
const FLOOD_BYTES: usize = 1 << 20;

struct Setup {
    shard: Shard,
    intake: Intake,
    channel: Arc<Channel>,
    publisher: Publisher,
    quotas: Arc<Quotas>,
    /// What lets in those that join.
    grant: Option<Grant>,
}

impl Setup {
    fn new(source: &str) -> Self {
        let yaml = format!("sources:\n  s: {{ path: /e, upstream: \"http://127.0.0.1:9/\", {source} }}\n");
        let config = crate::config::read(&yaml, "test.yaml", &|_| None)
            .expect("a configuration")
            .config;
        let settings = Settings::new(config.sources[0].clone());
        let channel = Channel::new(settings, Metrics::new().source("s"), Epoch::new());
        let intake = Intake::new().expect("a poll");
        Self {
            shard: Shard::new(intake.sender().clone(), Arc::default(), Arc::new(AccessLog::new(false))),
            intake,
            publisher: channel.publisher(0),
            channel,
            quotas: Quotas::new(&config.limits, &Budget::new(1000, 0, 1)),
            grant: None,
        }
    }

    fn join(&mut self) -> (ClientKey, UnixStream) {
        let (stream, peer) = Stream::pair();
        let Admission {
            subscription, start, ..
        } = self.channel.admit(Protocol::Http11, None);
        let new_client = NewClient {
            stream,
            head: Bytes::from_static(b"HTTP/1.1 200 OK\r\n\r\n"),
            framing: Framing::Chunked,
            joining: Joining {
                subscription,
                coding: Coding::Identity,
                start,
                permit: self
                    .quotas
                    .admit(PEER.ip(), self.grant.clone().map(Arc::new))
                    .unwrap_or_else(|_| panic!("a place")),
                history: None,
                last_event_id: None,
                peer: PEER,
            },
        };
        let before: Vec<_> = self.shard.clients.iter().map(|(key, _)| key).collect();
        self.shard.join_alone(new_client, &self.intake);
        let mut keys = self.shard.clients.iter().map(|(key, _)| key);
        let key = keys.find(|key| !before.contains(key)).expect("a client more");
        (key, peer)
    }

    fn publish(&mut self, data: &str) {
        let mut parser = Parser::new(ParserOptions {
            event_bytes_max: 2 * FLOOD_BYTES,
            comments: false,
        });
        parser.push(Bytes::from(format!("data: {data}\n\n")));
        while let Some(item) = parser.next_item() {
            self.publisher.item(item, Instant::now());
        }
        self.publisher.flush();
        let key = self.channel_key();
        self.shard.has_work(key);
    }

    fn channel_key(&self) -> ChannelKey {
        let mut keys = self.shard.channels.iter().map(|(key, _)| key);
        keys.next().expect("the channel of a client")
    }

    /// Turns until there is nothing left to do; each ends with a check.
    fn settle(&mut self) {
        while !self.shard.is_idle() {
            self.shard.turn();
        }
    }

    fn state(&self, key: ClientKey) -> ClientState {
        self.shard.clients[key].state
    }
}

/// Reads what is there, and says whether it ends with this.
fn ends_with(peer: &mut UnixStream, end: &str) -> bool {
    let mut got = vec![0; 64 * 1024];
    let n = peer.read(&mut got).expect("bytes");
    got[..n].ends_with(format!("data: {end}\n\n\r\n").as_bytes())
}

#[test]
fn what_is_published_reaches_each_live_client() {
    let mut setup = Setup::new("");
    let mut clients: Vec<_> = (0..3).map(|_| setup.join()).collect();
    for data in ["one", "two"] {
        setup.publish(data);
        setup.settle();
        for (key, peer) in &mut clients {
            assert!(ends_with(peer, data));
            assert_eq!(setup.state(*key), ClientState::Live);
        }
    }
}

#[test]
fn a_key_that_is_given_again_is_another_client() {
    let mut setup = Setup::new("");
    let (_stays, _peer) = setup.join();
    let (key, _gone) = setup.join();
    let gone = ClientRef {
        key,
        generation: setup.shard.clients[key].generation,
    };
    assert_eq!(setup.shard.clients.key_of(gone), Some(key));
    // It stands in the queue of replays and in the timers while it goes.
    setup.shard.replay_later(key);
    setup.shard.left(key, CloseReason::Client);
    assert_eq!(setup.shard.clients.key_of(gone), None);
    let (again, _new) = setup.join();
    assert_eq!(again, key, "the slab gives it again");
    assert_eq!(setup.shard.clients.key_of(gone), None);
    setup.settle();
    assert_eq!(setup.state(again), ClientState::Live);
}

#[test]
fn a_channel_goes_with_its_last_client_whatever_queues_it_stands_in() {
    let mut setup = Setup::new("slow_client: { policy: pause }");
    let (key, _peer) = setup.join();
    setup.publish(&"x".repeat(FLOOD_BYTES));
    setup.shard.passes();
    setup.publish("more");
    assert_eq!(setup.state(key), ClientState::Blocked);
    assert!(!setup.shard.channels.working.is_empty() && !setup.shard.channels.waiting.is_empty());
    setup.shard.left(key, CloseReason::Client);
    assert!(setup.shard.channels.is_empty());
    setup.shard.turn();
    assert!(setup.shard.is_idle());
}

#[test]
fn under_pause_the_channel_hears_of_the_slowest_client_and_of_no_other() {
    let mut setup = Setup::new("slow_client: { policy: pause }");
    let (slow, mut reads) = setup.join();
    let others: Vec<_> = (0..100).map(|_| setup.join()).collect();
    setup.publish(&"x".repeat(FLOOD_BYTES));
    for (_, peer) in &others {
        peer.set_nonblocking(true).expect("a socket");
    }
    setup.settle();
    let key = setup.channel_key();
    let waits = |setup: &Setup| setup.shard.channels[key].waiting.lowest();
    let all_wait_at = waits(&setup);
    assert_eq!(all_wait_at, Some(setup.shard.clients[slow].next));
    // It reads until it has everything, and is the only one that moves.
    reads.set_nonblocking(true).expect("a socket");
    let mut buffer = vec![0; FLOOD_BYTES];
    while setup.state(slow) != ClientState::Live {
        let _ = reads.read(&mut buffer);
        setup.shard.replay_later(slow);
        setup.settle();
    }
    assert_eq!(waits(&setup), all_wait_at, "the others have not moved");
    for (key, _) in others {
        setup.shard.left(key, CloseReason::Client);
    }
    assert_eq!(waits(&setup), None);
    setup.settle();
}

/// Each of these is something that the check is there for: it must not hold after it.
#[test]
#[expect(clippy::too_many_lines, reason = "one list of what can be wrong")]
fn what_does_not_hold_is_found() {
    type Spoil = fn(&mut Setup, ClientKey);
    let spoils: &[(&str, Spoil)] = &[
        ("its index", |setup, key| setup.shard.clients[key].index += 1),
        ("twice in its list", |setup, key| {
            let channel_key = setup.channel_key();
            setup.shard.channels[channel_key].clients.push(key);
        }),
        ("left behind", |setup, key| {
            setup.shard.clients[key].next = Cursor::START
        }),
        ("live with a rest", |setup, key| {
            setup.shard.clients[key].rest = Some(Box::new(Bytes::from_static(b"x")));
        }),
        ("live with a farewell", |setup, key| {
            setup.shard.clients[key].after_rest = AfterRest::Farewell;
        }),
        ("an empty rest", |setup, key| {
            setup.shard.block(key);
            setup.shard.clients[key].rest = Some(Box::default());
        }),
        ("replaying and in no queue", |setup, key| {
            setup.shard.clients[key].state = ClientState::Replaying;
        }),
        ("twice in the queue", |setup, key| {
            setup.shard.replay_later(key);
            setup.shard.replay_later(key);
        }),
        ("closing, and goes on", |setup, key| {
            setup.shard.clients[key].state = ClientState::Closing(CloseReason::Ended);
        }),
        ("never looked at", |setup, key| {
            let now = setup.shard.clock.tick();
            setup.shard.clients[key].armed = now.plus(super::clock::TICK * 4000);
        }),
        ("waits and is live", |setup, key| {
            let channel_key = setup.channel_key();
            setup.shard.channels[channel_key].waiting.set(key, Some(Cursor::START));
        }),
        ("not told", |setup, key| {
            let channel_key = setup.channel_key();
            setup.shard.channels.set_waiting(channel_key, key, Some(Cursor::START));
            setup.shard.channels[channel_key].waiting.set(key, None);
        }),
        ("staggers without a cursor", |setup, _| {
            let channel_key = setup.channel_key();
            setup.shard.channels.staggering.push(channel_key);
        }),
        ("a channel that is gone", |setup, _| {
            setup.shard.channels.working.push(ChannelKey::new(7));
        }),
    ];
    for (what, spoil) in spoils {
        let mut setup = Setup::new("");
        let (_, _peer) = setup.join();
        let (key, _peer) = setup.join();
        setup.publish("an event");
        setup.settle();
        setup.shard.check();
        spoil(&mut setup, key);
        let checked = catch_unwind(AssertUnwindSafe(|| setup.shard.check()));
        assert!(checked.is_err(), "{what}");
    }
}

fn grant(basis: u8, seconds: Option<u64>) -> Option<Grant> {
    Some(Grant {
        basis: [basis; 32],
        user: None,
        expires: seconds.map(|seconds| SystemTime::now() + Duration::from_secs(seconds)),
        further: Vec::new(),
    })
}

#[test]
fn a_stream_ends_with_what_let_its_client_in() {
    let mut setup = Setup::new("max_age: 100s");
    let leaves = |setup: &Setup, key: ClientKey| {
        let client = &setup.shard.clients[key];
        (
            client.leaves,
            client.leave_at.since(setup.shard.clock.tick()).as_secs_f64(),
        )
    };
    for (seconds, reason, at) in [
        (Some(50), CloseReason::Expired, 48.0..51.0),
        (Some(1000), CloseReason::MaxAge, 89.0..111.0),
        (None, CloseReason::MaxAge, 89.0..111.0),
    ] {
        setup.grant = grant(1, seconds);
        let (key, _peer) = setup.join();
        let (leaves, after) = leaves(&setup, key);
        assert_eq!(leaves, Some(reason));
        assert!(at.contains(&after), "{after}");
    }
    setup.grant = grant(1, Some(0));
    let (key, _peer) = setup.join();
    let (leaves, after) = leaves(&setup, key);
    assert_eq!(leaves, Some(CloseReason::Expired));
    assert!(after < 1.0, "{after}");
}

#[test]
fn a_reload_ends_the_streams_that_it_does_not_let_stay() {
    let mut setup = Setup::new("");
    let join = |setup: &mut Setup, basis| {
        setup.grant = grant(basis, None);
        setup.join()
    };
    let (stays, _peer) = join(&mut setup, 1);
    let (goes, _other) = join(&mut setup, 2);
    setup.grant = None;
    let (without, _third) = setup.join();
    setup
        .shard
        .expire(Arc::new(|_, grant| grant.is_some_and(|grant| grant.basis[0] == 1)));
    let leaves = |setup: &Setup, key: ClientKey| setup.shard.clients[key].leaves;
    assert_eq!(leaves(&setup, stays), None);
    assert_eq!(leaves(&setup, goes), Some(CloseReason::Expired));
    assert_eq!(leaves(&setup, without), Some(CloseReason::Expired));
    let (late, _fourth) = join(&mut setup, 2);
    assert_eq!(
        leaves(&setup, late),
        Some(CloseReason::Expired),
        "let in before, and joins after"
    );
    let began = Instant::now();
    while setup.shard.clients.iter().count() > 1 {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "the others are let go in order"
        );
        std::thread::sleep(super::clock::TICK);
        setup.shard.clock.refresh();
        setup.shard.turn();
    }
}
