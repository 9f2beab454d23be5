//! An upstream at work, with a sink that tells the story what it is told.

use crate::support::origin::{TestOrigin, within};
use fanfare::config::{Credentials, Secret, Target, Upstream, UpstreamTls};
use fanfare::event_stream::{Item, ParserOptions};
use fanfare::metrics::UpstreamMetrics;
use fanfare::upstream::{self, Failure, Handles, Options, Reason, Resume, Sink, StatusCell, Verdict};
use metrics::{Counter, CounterFn, Gauge, GaugeFn};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// What a sink is told.
#[derive(Debug, Clone)]
pub enum Told {
    Connected(Resume),
    /// The block, without its blank line.
    Event(String),
    Retry(Duration),
    Comment(String),
    Oversized(Option<Vec<u8>>),
    Flush,
    Failed(Failure),
    Ended,
}

/// An upstream at work. It ends with this.
pub struct Running {
    told: mpsc::UnboundedReceiver<Told>,
    pub status: Arc<StatusCell>,
    pub metrics: Arc<Counted>,
    /// Whether the sink is ready.
    pub ready: watch::Sender<bool>,
    /// After how many more failures the sink says stop.
    pub patience: Arc<AtomicI64>,
    task: JoinHandle<()>,
}

/// What the handles were moved by.
#[derive(Debug, Default)]
pub struct Counted {
    pub connected: Number,
    pub bytes: Number,
    pub reconnects: [Number; 13],
}

#[derive(Debug, Default)]
pub struct Number(AtomicU64);

impl Number {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl CounterFn for Number {
    fn increment(&self, by: u64) {
        self.0.fetch_add(by, Ordering::SeqCst);
    }
    fn absolute(&self, to: u64) {
        self.0.store(to, Ordering::SeqCst);
    }
}

impl GaugeFn for Number {
    fn increment(&self, by: f64) {
        self.0.fetch_add(by as u64, Ordering::SeqCst);
    }
    fn decrement(&self, by: f64) {
        self.0.fetch_sub(by as u64, Ordering::SeqCst);
    }
    fn set(&self, to: f64) {
        self.0.store(to as u64, Ordering::SeqCst);
    }
}

/// A part of `Counted` as a handle of its own.
struct Part(Arc<Counted>, fn(&Counted) -> &Number);

impl CounterFn for Part {
    fn increment(&self, by: u64) {
        CounterFn::increment((self.1)(&self.0), by);
    }
    fn absolute(&self, to: u64) {
        CounterFn::absolute((self.1)(&self.0), to);
    }
}

impl GaugeFn for Part {
    fn increment(&self, by: f64) {
        GaugeFn::increment((self.1)(&self.0), by);
    }
    fn decrement(&self, by: f64) {
        GaugeFn::decrement((self.1)(&self.0), by);
    }
    fn set(&self, to: f64) {
        GaugeFn::set((self.1)(&self.0), to);
    }
}

/// A reconnect counter.
struct Reconnect(Arc<Counted>, usize);

impl CounterFn for Reconnect {
    fn increment(&self, by: u64) {
        CounterFn::increment(&self.0.reconnects[self.1], by);
    }
    fn absolute(&self, to: u64) {
        CounterFn::absolute(&self.0.reconnects[self.1], to);
    }
}

/// An upstream of this URL, that comes back within milliseconds.
pub fn config(url: impl Into<String>) -> Upstream {
    Upstream {
        name: "origin".to_owned(),
        target: Target::Urls(vec![url.into()]),
        credentials: None,
        headers: Vec::new(),
        tls: UpstreamTls::default(),
        http2: false,
        read_timeout: Duration::ZERO,
        connect_timeout: Duration::from_secs(10),
        reconnect: Duration::from_millis(10),
        reconnect_max: Duration::from_millis(50),
    }
}

pub fn basic(username: &str, password: &str) -> Option<Credentials> {
    Some(Credentials::Basic {
        username: username.to_owned(),
        password: Secret(password.to_owned()),
    })
}

/// Runs an upstream.
pub fn run(config: Upstream) -> Running {
    run_with(
        config,
        ParserOptions {
            event_bytes_max: 1 << 20,
            comments: true,
        },
    )
}

pub fn run_with(config: Upstream, parser: ParserOptions) -> Running {
    let (tell, told) = mpsc::unbounded_channel();
    let (ready, when_ready) = watch::channel(true);
    let patience = Arc::new(AtomicI64::new(i64::MAX));
    let sink = TellingSink {
        tell,
        ready: when_ready,
        patience: Arc::clone(&patience),
    };
    let status = Arc::new(StatusCell::new());
    let metrics = Arc::new(Counted::default());
    let counted = Arc::clone(&metrics);
    let reconnects = move |label| {
        let at = Reason::ALL.iter().position(|reason| reason.label() == label);
        Counter::from_arc(Arc::new(Reconnect(Arc::clone(&counted), at.expect("a known reason"))))
    };
    let handles = Handles {
        upstream: Arc::new(UpstreamMetrics {
            connected: Gauge::from_arc(Arc::new(Part(Arc::clone(&metrics), |all| &all.connected))),
            reconnects: Box::new(reconnects),
        }),
        bytes_received: Counter::from_arc(Arc::new(Part(Arc::clone(&metrics), |all| &all.bytes))),
    };
    let options = Options {
        source: "source".to_owned(),
        target: config.target.clone(),
        last_event_id: None,
        parser,
        reports: None,
    };
    let task = tokio::spawn(upstream::run(
        Arc::new(config),
        options,
        sink,
        Arc::clone(&status),
        handles,
    ));
    Running {
        told,
        status,
        metrics,
        ready,
        patience,
        task,
    }
}

impl Running {
    /// The next thing that the sink was told, flushes left out.
    pub async fn told(&mut self) -> Told {
        loop {
            match self.told_all().await {
                Told::Flush => {}
                told => return told,
            }
        }
    }

    pub async fn told_all(&mut self) -> Told {
        within("the sink to be told something", self.told.recv())
            .await
            .expect("an upstream that is still at work")
    }

    /// What was told and not yet asked for.
    pub fn told_already(&mut self) -> Vec<Told> {
        std::iter::from_fn(|| self.told.try_recv().ok())
            .filter(|told| !matches!(told, Told::Flush))
            .collect()
    }

    pub async fn connected(&mut self) -> Resume {
        match self.told().await {
            Told::Connected(resume) => resume,
            told => panic!("connected, not {told:?}"),
        }
    }

    pub async fn event(&mut self) -> String {
        match self.told().await {
            Told::Event(lines) => lines,
            told => panic!("an event, not {told:?}"),
        }
    }

    pub async fn failed(&mut self) -> Failure {
        match self.told().await {
            Told::Failed(failure) => failure,
            told => panic!("a failure, not {told:?}"),
        }
    }

    /// The next failure, whatever comes before it.
    pub async fn failed_with(&mut self, reason: Reason) -> Failure {
        loop {
            if let Told::Failed(failure) = self.told().await {
                assert_eq!(failure.reason, reason, "{failure}");
                return failure;
            }
        }
    }

    /// Makes the sink stop at the next failure.
    pub fn stop_at_next(&self) {
        self.patience.store(0, Ordering::SeqCst);
    }

    /// Waits until the upstream has returned by itself.
    pub async fn returned(&mut self) {
        within("the upstream to return", &mut self.task)
            .await
            .expect("an upstream that does not panic");
    }

    /// Drops the upstream.
    pub async fn drop_it(&mut self) {
        self.task.abort();
        let _ = within("the upstream to be dropped", &mut self.task).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct TellingSink {
    tell: mpsc::UnboundedSender<Told>,
    ready: watch::Receiver<bool>,
    patience: Arc<AtomicI64>,
}

impl TellingSink {
    fn tell(&self, told: Told) {
        // A story that has seen enough no longer listens.
        let _ = self.tell.send(told);
    }
}

impl Sink for TellingSink {
    fn connected(&mut self, resume: Resume) {
        self.tell(Told::Connected(resume));
    }

    fn item(&mut self, item: Item, received: Instant) {
        assert!(received.elapsed() < Duration::from_secs(60));
        self.tell(match item {
            Item::Event(event) => Told::Event(String::from_utf8_lossy(event.block()).trim_end_matches('\n').to_owned()),
            Item::Retry(retry) => Told::Retry(retry),
            Item::Comment(line) => Told::Comment(String::from_utf8_lossy(&line).trim_end().to_owned()),
            Item::Oversized { id, .. } => Told::Oversized(id.map(|id| id.to_vec())),
        });
    }

    fn flush(&mut self) {
        self.tell(Told::Flush);
    }

    fn failed(&mut self, failure: &Failure, _more: bool) -> Verdict {
        self.tell(Told::Failed(failure.clone()));
        let left = self.patience.fetch_sub(1, Ordering::SeqCst);
        if left > 0 { Verdict::Retry } else { Verdict::Stop }
    }

    fn ended(&mut self) {
        self.tell(Told::Ended);
    }

    async fn ready(&mut self) {
        // The story's end of it may be gone: nothing is held back then.
        let _ = self.ready.wait_for(|ready| *ready).await;
    }
}

/// An origin and an upstream that asks it.
pub async fn origin_and_upstream() -> (TestOrigin, Running) {
    let origin = TestOrigin::start().await;
    let running = run(config(origin.url("/sse")));
    (origin, running)
}
