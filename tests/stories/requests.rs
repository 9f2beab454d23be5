//! What is a request, over raw sockets: hosts, versions, methods, and how it is cut up on its way.

use crate::support::origin::{Conn, TestOrigin};
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup, TestRelay};
use crate::support::tls;
use crate::support::wire::Wire;

/// A stream at [`PATH`], jobs, and paths that lead nowhere.
async fn relayed(top: &str) -> (TestRelay, Conn) {
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

async fn status(relay: &TestRelay, request: &str) -> u16 {
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
    for served in [
        format!("GET {PATH} HTTP/1.0\r\n\r\n"),
        format!("GET {PATH} HTTP/1.1\r\nHost: a_b.example:80\r\n\r\n"),
        format!("GET {PATH} HTTP/1.2\r\nHost: [::1]:80\r\n\r\n"),
        format!("GET http://a{PATH} HTTP/1.1\r\nHost: b\r\n\r\n"),
    ] {
        assert_eq!(status(&relay, &served).await, 200, "{served:?}");
    }
}

#[tokio::test]
async fn other_versions_are_said_to_be_so() {
    let (relay, _conn) = relayed("").await;
    for version in ["0.9", "2.0", "3.0"] {
        let request = format!("GET {PATH} HTTP/{version}\r\nHost: a\r\n\r\n");
        assert_eq!(status(&relay, &request).await, 505, "{version}");
    }
    assert_eq!(status(&relay, "PRI * HTTP/2.0\r\nHost: a\r\n\r\n").await, 505);
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
    for (request, refused) in [
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 405),
        ("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("TRACE /events HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    ] {
        assert_eq!(status(&relay, request).await, refused, "{request:?}");
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

/// A stream, wherever its head is cut in two; and byte by byte.
#[tokio::test]
async fn a_head_may_come_in_any_pieces() {
    let (relay, mut conn) = relayed("").await;
    let head = format!("\r\nGET {PATH} HTTP/1.1\r\nHost: a\r\nLast-Event-ID: x\x01y\r\nAccept: */*\n\r\n");
    let pieces = (1..head.len()).map(|at| vec![&head[..at], &head[at..]]);
    let bytes = (0..head.len()).map(|at| &head[at..=at]).collect();
    for pieces in pieces.chain([bytes]) {
        let mut wire = Wire::connect(relay.address).await;
        for piece in &pieces {
            wire.send(piece).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(wire.start().await.status(), 200, "{pieces:?}");
    }
    conn.event("data: x").await;
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
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(status(&relay, old).await, 400);
}

/// Requests that are sent together are answered in their order, bodies between them are passed
/// over, and the last one opens its stream.
#[tokio::test]
async fn requests_in_a_row_are_answered_in_order() {
    let (relay, mut conn) = relayed("").await;
    let mut wire = Wire::connect(relay.address).await;
    wire.send(format!(
        "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n\
         POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 37\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\nab\
         HEAD {PATH} HTTP/1.1\r\nHost: a\r\n\r\n\
         GET {PATH} HTTP/1.1\r\nHost: a\r\n\r\n"
    ))
    .await;
    for (wanted, has_body) in [(404, true), (405, true), (200, false)] {
        let start = wire.start().await;
        assert_eq!(start.status(), wanted);
        if has_body {
            wire.content(&start).await;
        }
    }
    assert_eq!(wire.start().await.value("content-type"), Some("text/event-stream"));
    conn.event("data: x").await;
    loop {
        let chunk = wire.next_chunk().await.expect("the event");
        if chunk.ends_with(b"data: x\n\n") {
            return;
        }
    }
}

/// Where a chunked body ends only hyper knows: what is behind it is not taken for a request.
#[tokio::test]
async fn behind_chunks_there_is_no_further_request() {
    let (relay, _conn) = relayed("").await;
    let mut wire = Wire::connect(relay.address).await;
    wire.send(format!(
        "POST {PATH} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
         GET /second HTTP/1.1\r\nHost: a\r\n\r\n"
    ))
    .await;
    let start = wire.start().await;
    assert_eq!((start.status(), start.value("connection")), (405, Some("close")));
    wire.content(&start).await;
    assert!(wire.try_start().await.is_none());
}

#[tokio::test]
async fn an_idle_connection_ends_in_silence_by_keep_alive() {
    let (relay, _conn) = relayed("limits: { header_timeout: 10s, keep_alive: 300ms }").await;
    let mut wire = Wire::connect(relay.address).await;
    wire.send("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let start = wire.start().await;
    wire.content(&start).await;
    assert!(wire.rest().await.is_empty());
    assert_eq!(relay.metric(r#"fanfare_refused_total{reason="header_timeout"}"#), 0.0);
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
