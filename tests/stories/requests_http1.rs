//! What is a request of HTTP/1: versions, forms of a target, and how it is cut up on its way.

use crate::requests::{relayed, status};
use crate::support::relay::PATH;
use crate::support::wire::Wire;

#[tokio::test]
async fn versions_and_forms_of_a_target_that_are_served() {
    let (relay, _conn) = relayed("").await;
    for served in [
        format!("GET {PATH} HTTP/1.0\r\n\r\n"),
        format!("GET {PATH} HTTP/1.1\r\nHost: a_b.example:80\r\n\r\n"),
        format!("GET {PATH} HTTP/1.2\r\nHost: [::1]:80\r\n\r\n"),
        format!("GET http://a{PATH} HTTP/1.1\r\nHost: b\r\n\r\n"),
    ] {
        assert_eq!(status(&relay, &served).await, 200, "{served:?}");
    }
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(status(&relay, old).await, 400);
}

#[tokio::test]
async fn a_target_has_the_form_of_its_method() {
    let (relay, _conn) = relayed("").await;
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
async fn other_versions_are_said_to_be_so() {
    let (relay, _conn) = relayed("").await;
    for version in ["0.9", "2.0", "3.0"] {
        let request = format!("GET {PATH} HTTP/{version}\r\nHost: a\r\n\r\n");
        assert_eq!(status(&relay, &request).await, 505, "{version}");
    }
    assert_eq!(status(&relay, "PRI * HTTP/2.0\r\nHost: a\r\n\r\n").await, 505);
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
