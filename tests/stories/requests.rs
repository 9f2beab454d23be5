//! What is a request, over raw sockets: hosts, methods, and fields that can be read in two ways.

use crate::support::origin::{Conn, TestOrigin};
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup, TestRelay};
use crate::support::tls;
use crate::support::wire::Wire;

/// A stream at [`PATH`], jobs, and paths that lead nowhere.
pub async fn relayed(top: &str) -> (TestRelay, Conn) {
    let origin = TestOrigin::start().await;
    let jobs = format!(
        "jobs: {{ path: \"/jobs/{{job}}\", upstream: \"{}\" }}",
        origin.url("/jobs/{job}")
    );
    let relay = Setup::over(&origin).top(top).beside(&jobs).start();
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    (relay, conn)
}

pub async fn status(relay: &TestRelay, request: &str) -> u16 {
    let mut wire = Wire::connect(relay.address).await;
    wire.send(request).await;
    wire.start().await.status()
}

#[tokio::test]
async fn a_request_names_one_host_on_every_path() {
    let (relay, _conn) = relayed("").await;
    let mut refused = 0.0;
    for path in [PATH, "/jobs/1", "/nowhere", "/"] {
        for fields in [
            "",
            "Host: a\r\nHost: a\r\n",
            "Host: a b\r\n",
            "Host: a/b@c\r\n",
            "Host:\r\n",
            "Host: u@a\r\n",
        ] {
            for method in ["GET", "HEAD", "OPTIONS", "POST"] {
                let request = format!("{method} {path} HTTP/1.1\r\n{fields}Accept: text/event-stream\r\n\r\n");
                assert_eq!(status(&relay, &request).await, 400, "{request:?}");
                refused += 1.0;
            }
        }
    }
    assert_eq!(relay.metric(r#"fanfare_refused_total{reason="bad_request"}"#), refused);
    let served = format!("GET {PATH} HTTP/1.1\r\nHost: a_b.example:80\r\n\r\n");
    assert_eq!(status(&relay, &served).await, 200);
}

#[tokio::test]
async fn the_server_as_a_whole_says_what_it_can() {
    let (relay, _conn) = relayed("").await;
    let mut wire = Wire::connect(relay.address).await;
    for _ in 0..2 {
        wire.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let start = wire.start().await;
        assert_eq!(
            (start.status(), start.value("allow")),
            (204, Some("GET, HEAD, OPTIONS"))
        );
    }
}

#[tokio::test]
async fn answers_that_depend_on_what_is_accepted_say_so() {
    let (relay, _conn) = relayed("").await;
    for (method, accept, wanted) in [
        ("GET", "text/event-stream", 200),
        ("HEAD", "text/event-stream", 200),
        ("HEAD", "application/json", 200),
        ("GET", "application/json", 200),
        ("GET", "image/png", 406),
    ] {
        let mut wire = Wire::connect(relay.address).await;
        wire.send(format!(
            "{method} {PATH}?wait=0 HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n"
        ))
        .await;
        let start = wire.start().await;
        assert_eq!(
            (start.status(), start.all("vary")),
            (wanted, vec!["Accept"]),
            "{method} {accept}"
        );
    }
}

#[tokio::test]
async fn what_two_readers_could_read_differently_is_refused() {
    let (relay, _conn) = relayed("").await;
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "A: b\r\n Transfer-Encoding: chunked\r\n",
        "A: b\rTransfer-Encoding: chunked\r\n",
        "A: b\0\r\n",
        "\tA: b\r\n",
    ] {
        for path in [PATH, "/nowhere"] {
            let request = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n0\r\n\r\n");
            assert_eq!(status(&relay, &request).await, 400, "{request:?}");
        }
    }
}

/// Behind a proxy that keeps its connections there are thousands that have been answered and wait.
#[tokio::test]
async fn a_connection_that_is_kept_costs_little() {
    const KEPT: usize = 1000;
    let origin = TestOrigin::start().await;
    let process = TestProcess::start(&Setup::over(&origin)).await;
    let mut kept = Vec::new();
    let mut before = 0;
    for n in 0..KEPT + KEPT / 2 {
        let mut wire = Wire::connect(process.address).await;
        wire.send("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let start = wire.start().await;
        wire.content(&start).await;
        kept.push(wire);
        if n == KEPT / 2 {
            // What grows once has grown by now.
            before = process.resident_kib();
        }
    }
    let each = (process.resident_kib() - before) as f64 / KEPT as f64;
    // Over TLS each has keys of its own.
    let most = if tls::is_everywhere() { 7.0 } else { 2.0 };
    assert!(each < most, "{each} KiB");
}
