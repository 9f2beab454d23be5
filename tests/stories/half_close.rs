//! A client that has closed its sending half: it still gets its answer, but has left its stream.

use crate::support::origin::{Conn, TestOrigin, within};
use crate::support::relay::{PATH, Setup, TestRelay};
use crate::support::wire::{Start, Wire};
use std::time::{Duration, Instant};

async fn relayed() -> (TestRelay, TestOrigin, Conn) {
    let origin = TestOrigin::start().await;
    let jobs = format!(
        "jobs: {{ path: \"/jobs/{{job}}\", upstream: \"{}\" }}",
        origin.url("/jobs/{job}")
    );
    let relay = Setup::over(&origin).beside(&jobs).start();
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    (relay, origin, conn)
}

/// A client that has sent these bytes, and sends no more.
async fn said(relay: &TestRelay, request: &str) -> Wire {
    let mut wire = Wire::connect(relay.address).await;
    wire.send(request).await;
    wire.finish().await;
    wire
}

/// The answer of a client that sends no more, and its body.
async fn answer(wire: &mut Wire) -> (Start, Vec<u8>) {
    let start = wire.start().await;
    let body = wire.rest().await;
    (start, body)
}

#[tokio::test]
async fn what_is_answered_at_once_is_answered() {
    let (relay, _origin, _conn) = relayed().await;
    for (request, wanted) in [
        ("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        ("GET /nowhere HTTP/1.0\r\n\r\n", 404),
        ("HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        ("HEAD /events HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("POST /events HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", 405),
        ("OPTIONS /events HTTP/1.1\r\nHost: a\r\n\r\n", 204),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 204),
        ("GET /events HTTP/1.1\r\n\r\n", 400),
        ("GET /events HTTP/2.0\r\n\r\n", 505),
    ] {
        for _ in 0..5 {
            let (start, body) = answer(&mut said(&relay, request).await).await;
            assert_eq!(start.status(), wanted, "{request:?}");
            let has_body = wanted >= 400 && !request.starts_with("HEAD");
            assert_eq!(body.ends_with(b"}"), has_body, "{request:?}: {}", body.escape_ascii());
        }
    }
}

#[tokio::test]
async fn a_poll_is_answered_at_once_and_empty() {
    let (relay, _origin, _conn) = relayed().await;
    let began = Instant::now();
    let poll = format!("GET {PATH}?wait=60 HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n");
    let (start, body) = answer(&mut said(&relay, &poll).await).await;
    assert_eq!(start.status(), 200);
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["events"], serde_json::json!([]));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_stream_ends_with_the_clients_half() {
    let (relay, origin, _conn) = relayed().await;
    let stream = format!("GET {PATH} HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut wire = said(&relay, &stream).await;
    // Whether it was in for a moment or not: it is let go.
    wire.rest().await;
    relay.eventually_clients(0).await;
    // Also one that is not in yet, because its channel is being opened.
    let mut wire = said(
        &relay,
        "GET /jobs/1 HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n",
    )
    .await;
    assert!(wire.rest().await.is_empty());
    drop(origin);
    let series = r#"fanfare_clients{source="jobs",protocol="http/1.1"}"#;
    within("the client to be gone", relay.eventually_metric(series, 0.0)).await;
}
