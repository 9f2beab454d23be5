//! The clients that must not notice: they get numbered events while something is done to the relay.

use crate::support::client::{TestClient, get};
use crate::support::origin::{Conn, TestOrigin, within};
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How many there are, and what they get.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub clients: usize,
    /// Between two events.
    pub every: Duration,
    /// Of an event.
    pub bytes: usize,
}

/// Enough clients for several on each shard.
pub const SMALL: Size = Size {
    clients: 20,
    every: Duration::from_millis(20),
    bytes: 200,
};

/// Events that fill the buffers of a client that reads none within a second or two.
pub const HEAVY: Size = Size {
    clients: 6,
    every: Duration::from_millis(20),
    bytes: 6_000,
};

/// A relay, its origin, and its clients.
pub struct Audience {
    pub relay: TestProcess,
    publisher: JoinHandle<usize>,
    readers: Vec<JoinHandle<usize>>,
    stop: Arc<AtomicBool>,
    _origin: Arc<TestOrigin>,
}

/// How long events took from the read at the origin's connection to the last client's socket: the
/// sum over `passes` (one per shard and batch) in seconds.
#[derive(Debug, Clone, Copy)]
pub struct FanOut {
    pub seconds: f64,
    pub passes: f64,
}

impl Audience {
    /// Starts all three, with what the story adds to the configuration.
    pub async fn gather(size: Size, adapt: impl FnOnce(Setup) -> Setup) -> Self {
        let origin = Arc::new(TestOrigin::start().await);
        let relay = TestProcess::start(&adapt(Setup::over(&origin))).await;
        let mut conn = origin.accept().await;
        conn.stream_head().await;
        let mut clients = Vec::new();
        for _ in 0..size.clients {
            let mut client = get(PATH).open(relay.address).await;
            client.opened().await;
            clients.push(client);
        }
        let stop = Arc::new(AtomicBool::new(false));
        Self {
            relay,
            publisher: tokio::spawn(publish(conn, size, stop.clone())),
            readers: clients.into_iter().map(|client| tokio::spawn(read(client))).collect(),
            stop,
            _origin: origin,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.relay.address
    }

    /// All addresses at which it listens for clients, in their order.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let lines = self.relay.log_lines("listening for clients");
        let addresses = lines.iter().map(|line| line["address"].as_str().unwrap());
        addresses.map(|address| address.parse().unwrap()).collect()
    }

    /// Clients that were cut for being slow, for whatever reason.
    pub async fn evictions(&self) -> f64 {
        let mut all = 0.0;
        for reason in ["stall", "bytes", "events", "log"] {
            let series = format!("fanfare_evictions_total{{source=\"s\",reason=\"{reason}\"}}");
            all += self.relay.metric(&series).await;
        }
        all
    }

    pub async fn fan_out(&self) -> FanOut {
        FanOut {
            seconds: self.relay.metric("fanfare_fanout_seconds_sum{source=\"s\"}").await,
            passes: self.relay.metric("fanfare_fanout_seconds_count{source=\"s\"}").await,
        }
    }

    /// Publishes the last event, and asserts that each client got every one, in order, and nothing
    /// else. How many there were.
    pub async fn dismiss(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let published = within("the last event to be sent", self.publisher).await.unwrap();
        for reader in self.readers {
            let read = within("a client to get the last event", reader).await.unwrap();
            assert_eq!(read, published);
        }
        assert!(published > 0);
        published
    }
}

impl FanOut {
    /// The mean since an earlier look, in seconds.
    pub fn mean_since(self, before: Self) -> f64 {
        (self.seconds - before.seconds) / (self.passes - before.passes).max(1.0)
    }
}

/// Numbers events until it is told to stop; how many there were.
async fn publish(mut conn: Conn, size: Size, stop: Arc<AtomicBool>) -> usize {
    let mut due = tokio::time::interval(size.every);
    let padding = ".".repeat(size.bytes);
    for n in 1.. {
        due.tick().await;
        let last = stop.load(Ordering::Relaxed);
        let event_type = if last { "last" } else { "next" };
        conn.event(&format!("id: {n}\nevent: {event_type}\ndata: {n} {padding}"))
            .await;
        if last {
            // The stream stays open until its readers have the event.
            tokio::spawn(async move { conn.closed().await });
            return n;
        }
    }
    unreachable!("numbers have no end")
}

/// Reads to the last event, each of which must follow the one before.
async fn read(mut client: TestClient) -> usize {
    for n in 1.. {
        let event = client.next_event().await;
        assert_eq!(
            event.id(),
            n.to_string(),
            "a gap of type {:?}: {:?}",
            event.event_type,
            event.data
        );
        client.forget_body();
        if event.event_type == "last" {
            return n;
        }
    }
    unreachable!("numbers have no end")
}
