//! An upstream with a sink that tells, and an origin of bytes.

use crate::config::Upstream;
use crate::event_stream::{Item, ParserOptions};
use crate::metrics::UpstreamMetrics;
use crate::upstream::handover::{CarriedUpstream, Taken};
use crate::upstream::testing::config;
use crate::upstream::{Failure, Reason, Resume, Sink, StatusCell, Verdict};
use crate::upstream::{Fixed, Setup, run_by};
use metrics::{Counter, CounterFn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_blocking};

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// What a sink is told.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Told {
    Connected(Resume),
    Item(String),
    Failed(Reason),
    Ended,
}

pub(super) struct TellingSink {
    tell: mpsc::UnboundedSender<Told>,
    /// How many items it takes before it is full, and whether it is ready again.
    room: usize,
    ready: watch::Receiver<bool>,
}

impl Sink for TellingSink {
    fn connected(&mut self, resume: Resume) {
        let _ = self.tell.send(Told::Connected(resume));
    }
    fn item(&mut self, item: Item<'_>, _: Instant) {
        self.room = self.room.saturating_sub(1);
        let _ = self.tell.send(Told::Item(match item {
            Item::Event(event) => String::from_utf8_lossy(event.block()).into_owned(),
            other => format!("{other:?}"),
        }));
    }
    fn flush(&mut self) {}
    fn full(&self) -> bool {
        self.room == 0
    }
    fn failed(&mut self, failure: &Failure, _: bool) -> Verdict {
        let _ = self.tell.send(Told::Failed(failure.reason));
        Verdict::Retry
    }
    fn ended(&mut self) {
        let _ = self.tell.send(Told::Ended);
    }
    async fn ready(&mut self) {
        if self.room == 0 {
            let _ = self.ready.wait_for(|ready| *ready).await;
            self.room = usize::MAX;
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Number(AtomicU64);

impl CounterFn for Number {
    fn increment(&self, by: u64) {
        self.0.fetch_add(by, Ordering::SeqCst);
    }
    fn absolute(&self, to: u64) {
        self.0.store(to, Ordering::SeqCst);
    }
}

/// An upstream at work.
pub(super) struct Running {
    pub(super) status: Arc<StatusCell>,
    told: mpsc::UnboundedReceiver<Told>,
    pub(super) ready: watch::Sender<bool>,
    bytes: Arc<Number>,
    task: JoinHandle<()>,
    _setups: watch::Sender<Arc<Setup>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) fn start(config: Upstream, room: usize, taken: Option<Taken>) -> Running {
    let (tell, told) = mpsc::unbounded_channel();
    let (ready, when_ready) = watch::channel(false);
    let bytes = Arc::new(Number::default());
    let (setups, setup) = watch::channel(Arc::new(Setup {
        config: Arc::new(config),
        parser: ParserOptions {
            event_bytes_max: 1 << 20,
            comments: true,
        },
        metrics: Arc::new(UpstreamMetrics::uncounted()),
    }));
    let fixed = Fixed {
        source: "source".to_owned(),
        fill: crate::config::Target::clone,
        reports: None,
        bytes_received: Counter::from_arc(bytes.clone()),
    };
    let status = Arc::new(StatusCell::new());
    let sink = TellingSink {
        tell,
        room,
        ready: when_ready,
    };
    let task = tokio::spawn(run_by(setup, fixed, b"", sink, status.clone(), taken.map(Box::new)));
    Running {
        status,
        told,
        ready,
        bytes,
        task,
        _setups: setups,
    }
}

impl Running {
    pub(super) async fn told(&mut self) -> Told {
        let told = tokio::time::timeout(PATIENCE, self.told.recv()).await;
        told.expect("something to be told").expect("an upstream at work")
    }

    pub(super) fn told_already(&mut self) -> Vec<Told> {
        std::iter::from_fn(|| self.told.try_recv().ok()).collect()
    }

    /// Holds still and is fetched, as another thread does it; what it gave has been on the way as
    /// bytes.
    pub(super) async fn give(&self) -> Taken {
        let status = self.status.clone();
        let given = spawn_blocking(move || {
            status.hold().freeze(&Arc::default());
            status.fetch(Instant::now() + PATIENCE)
        });
        let (carried, socket) = given.await.unwrap().expect("it holds still");
        let bytes = serde_json::to_vec(&carried).unwrap();
        let carried: CarriedUpstream = serde_json::from_slice(&bytes).unwrap();
        Taken::new((carried, socket))
    }

    /// Waits until so many bytes of body have been read.
    pub(super) async fn has_read(&self, bytes: u64) {
        let read = async {
            while self.bytes.0.load(Ordering::SeqCst) < bytes {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("the bytes to be read");
    }
}

pub(super) struct Origin(pub(super) TcpListener);

impl Origin {
    pub(super) async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(super) fn config(&self) -> Upstream {
        let mut config = config(&format!("http://{}/sse", self.0.local_addr().unwrap()));
        config.reconnect = Duration::from_millis(10);
        config.reconnect_max = Duration::from_millis(20);
        config
    }

    /// The next connection, and its request's head.
    pub(super) async fn accept(&self) -> (TcpStream, String) {
        let (mut conn, _) = tokio::time::timeout(PATIENCE, self.0.accept()).await.unwrap().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(conn.read_u8().await.unwrap());
        }
        (conn, String::from_utf8(head).unwrap())
    }

    pub(super) async fn is_not_called(&self) -> bool {
        tokio::time::timeout(Duration::from_millis(50), self.0.accept())
            .await
            .is_err()
    }
}

pub(super) const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
pub(super) const UNTIL_CLOSE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

/// These bytes as a chunk.
pub(super) fn chunk(bytes: &str) -> Vec<u8> {
    format!("{:x}\r\n{bytes}\r\n", bytes.len()).into_bytes()
}
