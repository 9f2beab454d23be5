//! The admin listener over real sockets, with a relay that only pretends.

#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod crowds;
mod requests;
mod viewers;

use fanfare::admin::Admin;
use fanfare::config::Listen;
use fanfare::metrics::{Metrics, ProcessNumbers, Protocol, SourceTotals, Totals};
use fanfare::net::bind;
use fanfare::status::{
    ClientCounts, ClientDetails, ClientStatus, HeadStatus, LagSpread, LagStatus, LastError, LimitsStatus, LogStatus,
    NotReady, Quantiles, Readiness, Sample, SourceState, SourceStatus, Status, StatusProvider, UpstreamState,
    UpstreamStatus, WantedClient,
};
use fanfare::timestamp::Timestamp;
use serde_json::{Value, json};
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

/// Connections that the admin may have.
const CONNECTIONS: usize = 64;

struct Relay {
    metrics: Arc<Metrics>,
    readiness: Mutex<Readiness>,
    /// The source's name in the status.
    name: String,
    /// How often the status has been asked for.
    looks: AtomicUsize,
}

impl StatusProvider for Relay {
    fn status(&self) -> Pin<Box<dyn Future<Output = Status> + Send + '_>> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            let mut status = status();
            status.sources[0].name.clone_from(&self.name);
            status
        })
    }
    fn readiness(&self) -> Readiness {
        self.readiness.lock().unwrap().clone()
    }
    fn clients_at(&self, _: WantedClient) -> Pin<Box<dyn Future<Output = Vec<ClientDetails>> + Send + '_>> {
        Box::pin(std::future::ready(Vec::new()))
    }
    fn sample(&self) -> Sample {
        Sample::default()
    }
    fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

fn status() -> Status {
    let mut clients = ClientCounts::default();
    clients.0[Protocol::Http11.index()] = 28_000;
    Status {
        version: "1.2.3",
        uptime_seconds: 61.5,
        draining: false,
        reload: None,
        upgrade: None,
        not_in_force: Vec::new(),
        clients: 28_000,
        limits: LimitsStatus {
            clients: Some(30_000),
            ..LimitsStatus::default()
        },
        process: ProcessNumbers::default(),
        totals: Totals::default(),
        sources: vec![source(clients)],
        combined: Vec::new(),
    }
}

fn source(clients: ClientCounts) -> SourceStatus {
    SourceStatus {
        name: "changelog".into(),
        paths: vec!["/changelog/sse".into()],
        required: true,
        state: SourceState::Away,
        upstreams: vec![UpstreamStatus {
            name: "origin.example.com/sse".into(),
            state: UpstreamState::Waiting,
            for_seconds: 3.0,
            reconnects: 4,
            last_error: Some(LastError {
                reason: "status",
                status: Some(502),
                detail: "502 Bad Gateway".into(),
                at: Timestamp(UNIX_EPOCH + Duration::from_secs(1_795_383_245)),
            }),
        }],
        channels: 1,
        derived_channels: 0,
        fleet: None,
        head: Some(HeadStatus {
            id: Some("<7>".into()),
            age_seconds: 0.25,
        }),
        log: LogStatus {
            events: 10,
            bytes: 2_000,
            oldest_age_seconds: Some(9.0),
            dir: None,
        },
        clients,
        lag: LagStatus {
            events: Quantiles {
                p50: 0,
                p99: 1,
                max: 12,
            },
            bytes: Quantiles::default(),
            spread: LagSpread::of(&[0, 12]),
        },
        slowest: vec![ClientStatus {
            peer: "192.0.2.1:50000".into(),
            protocol: Protocol::Http11.label(),
            lag_events: 12,
            lag_bytes: 2_400,
            connected_seconds: 30.0,
            stalled_seconds: 1.5,
        }],
        totals: SourceTotals::default(),
    }
}

fn start() -> (Admin, Arc<Relay>) {
    start_with(CONNECTIONS, "changelog")
}

fn start_with(connections: usize, name: &str) -> (Admin, Arc<Relay>) {
    let readiness = Readiness {
        required: vec!["changelog".into()],
        ..Readiness::default()
    };
    let relay = Arc::new(Relay {
        metrics: Metrics::new(),
        readiness: Mutex::new(readiness),
        name: name.to_owned(),
        looks: AtomicUsize::new(0),
    });
    let listener = bind(&Listen::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
    (
        Admin::start(listener, relay.clone(), connections, Arc::default()).unwrap(),
        relay,
    )
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

fn ask(addr: SocketAddr, method: &str, target: &str) -> Answer {
    let mut socket = TcpStream::connect(addr).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(
        socket,
        "{method} {target} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

#[test]
fn liveness_and_ping() {
    let (admin, _relay) = start();
    assert_eq!(ask(admin.addr(), "GET", "/livez").status, 200);
    let ping = ask(admin.addr(), "GET", "/ping?x=1");
    assert_eq!((ping.status, ping.body.as_str()), (200, "pong"));
    assert_eq!(ping.header("cache-control"), Some("no-store"));
}

#[test]
fn readiness_follows_the_relay() {
    let (admin, relay) = start();
    let ready = ask(admin.addr(), "GET", "/readyz");
    assert_eq!((ready.status, ready.body.as_str()), (200, r#"{"ready":true}"#));
    assert_eq!(ready.header("content-type"), Some("application/json"));
    let healthy = ask(admin.addr(), "GET", "/healthcheck");
    assert_eq!(healthy.status, 200);
    assert_eq!(
        healthy.json(),
        json!({"fanfare": {"healthy": true}, "changelog": {"healthy": true}})
    );

    relay.readiness.lock().unwrap().reasons = vec![NotReady {
        source: Some("changelog".into()),
        upstream: Some("origin.example.com/sse".into()),
        reason: "refused".into(),
        detail: "connection refused".into(),
    }];
    let not_ready = ask(admin.addr(), "GET", "/readyz");
    assert_eq!(not_ready.status, 503);
    let reason = json!({
        "source": "changelog", "upstream": "origin.example.com/sse",
        "reason": "refused", "detail": "connection refused",
    });
    assert_eq!(not_ready.json(), json!({"ready": false, "reasons": [reason]}));
    let unhealthy = ask(admin.addr(), "GET", "/healthcheck");
    assert_eq!(unhealthy.status, 500);
    assert_eq!(
        unhealthy.json()["changelog"],
        json!({"healthy": false, "message": "origin.example.com/sse: connection refused"})
    );

    *relay.readiness.lock().unwrap() = Readiness {
        draining: true,
        ..Readiness::default()
    };
    let draining = ask(admin.addr(), "GET", "/readyz");
    assert_eq!(draining.status, 503);
    assert_eq!(draining.json()["reasons"][0]["reason"], "draining");
    assert_eq!(
        ask(admin.addr(), "GET", "/livez").status,
        200,
        "a process that drains is alive"
    );
}

#[test]
fn metrics_are_prometheus_text() {
    let (admin, relay) = start();
    relay.metrics.source("changelog").deliveries.increment(42);
    let answer = ask(admin.addr(), "GET", "/metrics");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4"));
    assert!(answer.body.contains("# HELP fanfare_deliveries_total "));
    assert!(
        answer
            .body
            .contains("fanfare_deliveries_total{source=\"changelog\"} 42\n")
    );
    assert!(answer.body.contains("\nprocess_open_fds "));
}

#[test]
fn status_is_what_the_relay_says() {
    let (admin, _relay) = start();
    let answer = ask(admin.addr(), "GET", "/status");
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/json"))
    );
    let status = answer.json();
    assert_eq!(status["version"], "1.2.3");
    assert_eq!(status["uptime_seconds"], 61.5);
    let source = &status["sources"][0];
    assert_eq!(source["state"], "away");
    assert_eq!(
        source["clients"],
        json!({"total": 28000, "http/1.0": 0, "http/1.1": 28000, "http/2": 0})
    );
    assert_eq!(source["head"], json!({"id": "<7>", "age_seconds": 0.25}));
    assert_eq!(source["lag"]["events"], json!({"p50": 0, "p99": 1, "max": 12}));
    assert_eq!(source["slowest"][0]["peer"], "192.0.2.1:50000");
    let upstream = &source["upstreams"][0];
    assert_eq!(upstream["state"], "waiting");
    let error = json!({"reason": "status", "status": 502, "detail": "502 Bad Gateway", "at": "2026-11-22T21:34:05Z"});
    assert_eq!(upstream["last_error"], error);
}

#[test]
fn the_dashboard_is_one_page() {
    let (admin, _relay) = start();
    let answer = ask(admin.addr(), "GET", "/");
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    assert!(
        answer
            .header("content-security-policy")
            .unwrap()
            .contains("default-src 'none'")
    );
    assert!(answer.body.contains("/status") && answer.body.contains("</html>"));
}

#[test]
fn head_has_the_head_of_get() {
    let (admin, _relay) = start();
    for path in ["/", "/livez", "/readyz", "/status", "/ping", "/healthcheck"] {
        let (get, head) = (ask(admin.addr(), "GET", path), ask(admin.addr(), "HEAD", path));
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
        assert_eq!(
            get.header("content-length"),
            Some(get.body.len().to_string().as_str()),
            "{path}"
        );
    }
    let metrics = ask(admin.addr(), "HEAD", "/metrics");
    assert_eq!((metrics.status, metrics.body.as_str()), (200, ""));
    assert!(metrics.header("content-length").is_some());
}

#[test]
fn what_is_not_there_is_a_problem() {
    let (admin, _relay) = start();
    for path in ["/metrics/", "/favicon.ico", "/status.json", "//"] {
        let answer = ask(admin.addr(), "GET", path);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (404, Some("application/problem+json")),
            "{path}"
        );
        assert_eq!(answer.json()["status"], 404);
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
        let answer = ask(admin.addr(), method, "/status");
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("GET, HEAD")),
            "{method}"
        );
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json"),
            "{method}"
        );
    }
    assert_eq!(ask(admin.addr(), "POST", "/nowhere").status, 404);
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    let (admin, _relay) = start();
    let mut socket = TcpStream::connect(admin.addr()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    for _ in 0..3 {
        write!(socket, "GET /ping HTTP/1.1\r\nHost: admin\r\n\r\n").unwrap();
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\npong") {
            let mut buffer = [0; 512];
            let read = socket.read(&mut buffer).unwrap();
            assert_ne!(read, 0, "closed after {}", String::from_utf8_lossy(&text));
            text.extend_from_slice(&buffer[..read]);
        }
    }
}

#[test]
fn dropping_it_closes_the_port_and_the_connections() {
    let (admin, relay) = start();
    let addr = admin.addr();
    let mut open = TcpStream::connect(addr).unwrap();
    assert_eq!(ask(addr, "GET", "/ping").status, 200);
    drop(admin);
    assert_eq!(Arc::strong_count(&relay), 1, "the thread has let go of the relay");
    // End or reset, either way the connection is over.
    open.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    match open.read(&mut [0; 16]) {
        Ok(read) => assert_eq!(read, 0),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    assert!(TcpStream::connect(addr).is_err());
}
