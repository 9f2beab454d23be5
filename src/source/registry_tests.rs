//! Sources that come and go while others are served.

use super::*;
use crate::config::{Config, read};
use crate::log::Cursor;
use crate::metrics::Protocol;
use crate::quotas::Budget;
use crate::source::OpenOutcome;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

/// Tasks of a source without parameters: its one upstream, what asks the origin for what clients
/// missed, and what releases events that are held back.
const TASKS: usize = 3;

/// Far more than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// An origin that is one listener, and the path of the source over it.
struct Origin(TcpListener);

impl Origin {
    async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Accepts a connection, and opens the stream with one event.
    async fn open(&self) -> TcpStream {
        let (mut stream, _) = within(self.0.accept()).await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            assert!(within(stream.read_buf(&mut request)).await.unwrap() > 0, "a request");
        }
        stream.write_all(HEAD).await.unwrap();
        stream.write_all(b"data: x\n\n").await.unwrap();
        stream
    }
}

/// No spread.
const NOW: Removal = Removal { spread: Duration::ZERO };

async fn within<T>(wanted: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wanted).await.expect("in time")
}

/// Until the relay has closed its side.
async fn closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    // A reset is an end too.
    let _ = within(stream.read_to_end(&mut rest)).await;
    assert_eq!(rest, b"");
}

fn config(sources: &[(&str, &str, SocketAddr)]) -> Config {
    let mut yaml = "sources:\n".to_owned();
    for (name, path, origin) in sources {
        yaml += &format!("  {name}: {{ path: \"{path}\", upstream: \"http://{origin}/sse\" }}\n");
    }
    read(&yaml, "test.yaml", &|_| None).unwrap().config
}

fn registry(config: &Config) -> Registry {
    let quotas = Quotas::new(&config.limits, &Budget::new(1024, 32, 2));
    let runtime = UpstreamRuntime::start(1).unwrap();
    let critical = CriticalTasks::default();
    let directories = Arc::new(Directories::new(critical.clone()));
    let registry = Registry::new(runtime, Metrics::new(), quotas, critical, directories, None);
    config.sources.iter().for_each(|source| registry.add(source));
    registry
}

fn names(registry: &Registry) -> Vec<String> {
    registry.list().iter().map(|live| live.name()).collect()
}

impl Registry {
    /// Makes a source live, behind those that are, or in the place of the one of its name.
    fn add(&self, source: &Arc<crate::config::Source>) {
        let mut wanted = self.wanted(|name| name != source.name);
        wanted.push((source.clone(), Change::Replaced));
        self.change(&wanted).remove(NOW);
    }

    /// Whether there was one.
    fn remove(&self, name: &str) -> bool {
        let count = self.list().len();
        self.change(&self.wanted(|other| other != name)).remove(NOW);
        self.list().len() < count
    }

    fn wanted(&self, keep: impl Fn(&str) -> bool) -> Vec<(Arc<crate::config::Source>, Change)> {
        let list = self.list();
        let kept = list.iter().filter(|live| keep(&live.name()));
        kept.map(|live| (live.settings().snapshot(), Change::Unchanged))
            .collect()
    }

    async fn has_tasks(&self, wanted: usize) {
        within(async {
            while self.tasks() != wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    fn channel(&self, name: &str) -> Arc<crate::channel::Channel> {
        let list = self.list();
        let live = list.iter().find(|live| live.name() == name).unwrap();
        live.channels()[0].0.clone()
    }

    fn templated(&self, name: &str) -> Arc<crate::source::Templated> {
        let list = self.list();
        let live = list.iter().find(|live| live.name() == name).unwrap();
        match &**live {
            LiveSource::Templated(templated) => templated.shared().clone(),
            LiveSource::Plain(_) => panic!("{name} has no parameters"),
        }
    }
}

#[tokio::test]
async fn a_source_that_is_removed_ends_and_the_others_go_on() {
    let (a, b) = (Origin::start().await, Origin::start().await);
    let config = config(&[("a", "/a", a.address()), ("b", "/b", b.address())]);
    let registry = registry(&config);
    let (at_a, mut at_b) = (a.open().await, b.open().await);
    let (channel_a, channel_b) = (registry.channel("a"), registry.channel("b"));
    within(channel_a.until(Cursor::nth(1))).await;
    within(channel_b.until(Cursor::nth(1))).await;
    assert_eq!(
        (names(&registry), registry.tasks()),
        (vec!["a".to_owned(), "b".to_owned()], 2 * TASKS)
    );

    assert!(registry.remove("a"));
    closed(at_a).await;
    assert!(channel_a.removal().is_some(), "its clients are let go");
    registry.has_tasks(TASKS).await;
    at_b.write_all(b"data: y\n\n").await.unwrap();
    within(channel_b.until(Cursor::nth(2))).await;
    assert!(channel_b.removal().is_none());
    assert_eq!(names(&registry), ["b"]);
    assert!(!registry.remove("a"), "once");
    assert_eq!(Arc::strong_count(&channel_a), 1, "nothing else holds its channel");

    registry.add(&config.sources[0]);
    let at_a = a.open().await;
    within(registry.channel("a").until(Cursor::nth(1))).await;
    assert_eq!(names(&registry), ["b", "a"]);

    // The same name again takes the place of what was there.
    registry.add(&config.sources[0]);
    closed(at_a).await;
    let _again = a.open().await;
    registry.has_tasks(2 * TASKS).await;
    assert_eq!(names(&registry), ["b", "a"]);
}

#[tokio::test]
async fn the_channels_of_a_removed_source_end_and_none_is_opened() {
    let origin = Origin::start().await;
    let config = config(&[("jobs", "/jobs/{job}", origin.address())]);
    let registry = registry(&config);
    let templated = registry.templated("jobs");
    let enter = |job: &str| {
        let parameters = templated.fit(&format!("/jobs/{job}")).unwrap().unwrap();
        templated.enter(parameters, Protocol::Http11, None)
    };
    let OpenOutcome::Asking(admission, first) = enter("1") else {
        panic!("a channel is opened");
    };
    let stream = origin.open().await;
    assert_eq!(within(first.wait()).await, None);
    within(admission.subscription.channel().until(Cursor::nth(1))).await;

    assert!(registry.remove("jobs"));
    closed(stream).await;
    registry.has_tasks(0).await;
    assert!(admission.subscription.channel().removal().is_some());
    assert!(matches!(enter("2"), OpenOutcome::Gone));
}

#[tokio::test]
async fn upstreams_are_read_on_threads_that_serve_no_request() {
    let origin = Origin::start().await;
    let config = config(&[("a", "/a", origin.address())]);
    let registry = registry(&config);
    let _stream = origin.open().await;
    within(registry.channel("a").until(Cursor::nth(1))).await;
    // This test's one thread is the runtime in which a relay is started, and which serves its
    // requests.
    assert_eq!(crate::wake_up_batching::reads_here(), 0);
}

#[tokio::test]
async fn a_registry_that_is_dropped_closes_all_connections() {
    let origin = Origin::start().await;
    let config = config(&[("a", "/a", origin.address())]);
    let registry = registry(&config);
    let stream = origin.open().await;
    drop(registry);
    closed(stream).await;
}
