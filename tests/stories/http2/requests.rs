//! Requests that are no event streams, or none at all.

use super::relayed;
use crate::support::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, FramePeer, HEADERS, RST_STREAM, block, frame, request,
};
use crate::support::origin::TestOrigin;
use crate::support::relay::{PATH, Setup};

const WHOLE: u8 = END_HEADERS | END_STREAM;
const PROTOCOL_ERROR: u32 = 1;

/// The status of an answer, which stands first in its block.
fn status(block: &[u8]) -> String {
    // The relay's first block on a connection says that it uses no table.
    let block = block.strip_prefix(&[0x20]).unwrap_or(block);
    match block[0] {
        0x88 => "200".to_owned(),
        0x89 => "204".to_owned(),
        0x8c => "400".to_owned(),
        0x8d => "404".to_owned(),
        0x08 => String::from_utf8(block[2..5].to_vec()).unwrap(),
        other => panic!("{other:x}"),
    }
}

#[tokio::test]
async fn every_kind_of_request_is_answered() {
    let (relay, mut conn) = relayed("", "").await;
    conn.event("id: 1\ndata: a").await;
    relay.received(1).await;
    let mut peer = FramePeer::open(relay.address).await;
    for (n, (method, path, fields, wanted, has_body)) in [
        ("HEAD", PATH, &[][..], "200", false),
        ("OPTIONS", PATH, &[], "204", false),
        ("OPTIONS", "*", &[], "204", false),
        ("GET", "/nothing", &[], "404", true),
        ("POST", PATH, &[], "405", true),
        ("GET", PATH, &[("accept", "text/html")], "406", true),
        (
            "GET",
            "/events?wait=0",
            &[("accept", "application/json"), ("last-event-id", "0")],
            "200",
            true,
        ),
        ("GET", "/../events", &[], "400", true),
    ]
    .into_iter()
    .enumerate()
    {
        let stream = 2 * n as u32 + 1;
        let block = [request(method, path), block(fields)].concat();
        peer.send(&frame(HEADERS, WHOLE, stream, &block)).await;
        let head = peer.next_of(HEADERS).await.expect("an answer");
        assert_eq!(
            (head.stream, status(&head.payload)),
            (stream, wanted.to_owned()),
            "{method} {path}"
        );
        assert_eq!(head.flags & END_STREAM == 0, has_body, "{method} {path}");
        if has_body {
            while peer.next_of(DATA).await.expect("a body").flags & END_STREAM == 0 {}
        }
    }
}

#[tokio::test]
async fn what_is_malformed_is_reset_or_refused() {
    let (relay, _conn) = relayed("", "").await;
    let mut peer = FramePeer::open(relay.address).await;
    let get = request("GET", PATH);
    let mut stream = 1;
    for fields in [
        &[("connection", "keep-alive")][..],
        &[("transfer-encoding", "chunked")],
        &[("upgrade", "websocket")],
        &[("te", "gzip")],
        &[("host", "another.test")],
        &[(":protocol", "websocket")],
        &[("Accept", "text/event-stream")],
        &[("a", "b\nc: d")],
        &[("content-length", "5")],
    ] {
        let block = [get.clone(), block(fields)].concat();
        peer.send(&frame(HEADERS, WHOLE, stream, &block)).await;
        let reset = peer.next_of(RST_STREAM).await.expect("a reset");
        assert_eq!((reset.stream, reset.code()), (stream, PROTOCOL_ERROR), "{fields:?}");
        stream += 2;
    }
    // The same rules for the host as over HTTP/1.1.
    for authority in [None, Some(""), Some("a b"), Some("user@host")] {
        let mut fields = vec![(":method", "GET"), (":scheme", "http"), (":path", PATH)];
        fields.extend(authority.map(|authority| (":authority", authority)));
        peer.send(&frame(HEADERS, WHOLE, stream, &block(&fields))).await;
        let head = peer.next_of(HEADERS).await.expect("an answer");
        assert_eq!(
            (head.stream, status(&head.payload)),
            (stream, "400".to_owned()),
            "{authority:?}"
        );
        stream += 2;
    }
    // Too large, and still understood.
    let long = "x".repeat(9000);
    let large = [get, block(&[("a", &long), ("b", &long)])].concat();
    peer.send(&frame(HEADERS, END_STREAM, stream, &large[..10_000])).await;
    peer.send(&frame(CONTINUATION, END_HEADERS, stream, &large[10_000..]))
        .await;
    let head = peer.next_of(HEADERS).await.expect("an answer");
    assert_eq!((head.stream, status(&head.payload)), (stream, "431".to_owned()));
}

/// What is passed goes to the origin over HTTP/1.1, as from a client of that.
#[tokio::test]
async fn a_passed_request_looks_like_one_of_http_1_1() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).top(&format!("pass: [ {{ prefix: /site/, to: \"{}\" }} ]", origin.url("")));
    let (relay, _conn) = setup.start_with(&origin).await;
    let mut peer = FramePeer::open(relay.address).await;
    let crumbs = block(&[("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers"), ("x-own", "v")]);
    let post = [request("POST", "/site/form?q"), crumbs].concat();
    peer.send(&frame(HEADERS, END_HEADERS, 1, &post)).await;
    peer.send(&frame(DATA, 0, 1, b"one ")).await;
    peer.send(&frame(DATA, 0, 1, b"")).await;
    peer.send(&frame(DATA, END_STREAM, 1, b"two")).await;
    let mut conn = origin.accept_request().await;
    let head = conn.request();
    assert_eq!(head.line(), "POST /site/form?q HTTP/1.1");
    assert_eq!(head.header("host"), Some("relay.test"));
    assert_eq!(head.header("cookie"), Some("a=1; b=2"));
    assert_eq!(head.header("x-own"), Some("v"));
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    assert_eq!(
        (head.header("te"), head.header("connection")),
        (Some("trailers"), Some("te"))
    );
    conn.send("HTTP/1.1 201 Created\r\nConnection: close\r\nKeep-Alive: timeout=5\r\nX-Answer: yes\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").await;
    let answer = peer.next_of(HEADERS).await.expect("an answer");
    let text = String::from_utf8_lossy(&answer.payload).into_owned();
    assert_eq!(status(&answer.payload), "201");
    assert!(
        text.contains("x-answer") && !text.contains("keep-alive") && !text.contains("chunked"),
        "{text}"
    );
    let mut body = Vec::new();
    loop {
        let frame = peer.next_of(DATA).await.expect("a body");
        body.extend_from_slice(&frame.payload);
        if frame.flags & END_STREAM != 0 {
            break;
        }
    }
    assert_eq!(body, b"hello");
}

/// An answer that breaks off is not taken for a whole one, and a client that resets its stream lets
/// the origin go.
#[tokio::test]
async fn a_passed_answer_that_breaks_off_is_reset() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).top(&format!("pass: [ {{ prefix: /site/, to: \"{}\" }} ]", origin.url("")));
    let (relay, _conn) = setup.start_with(&origin).await;
    let mut peer = FramePeer::open(relay.address).await;
    peer.get(1, "/site/a").await;
    let mut conn = origin.accept_request().await;
    conn.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    assert_eq!(peer.next_of(DATA).await.expect("a body").payload, b"half");
    conn.close_early().await;
    assert_eq!(peer.next_of(RST_STREAM).await.expect("a reset").stream, 1);
    peer.get(3, "/site/b").await;
    let mut conn = origin.accept_request().await;
    peer.send(&frame(RST_STREAM, 0, 3, &8u32.to_be_bytes())).await;
    conn.closed().await;
}

/// An upload is read as the origin takes it, and no faster.
#[tokio::test]
async fn an_upload_waits_for_its_origin() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).top(&format!("pass: [ {{ prefix: /site/, to: \"{}\" }} ]", origin.url("")));
    let (relay, _conn) = setup.start_with(&origin).await;
    let mut peer = FramePeer::open(relay.address).await;
    peer.send(&frame(HEADERS, END_HEADERS, 1, &request("POST", "/site/up")))
        .await;
    for _ in 0..4 {
        peer.send(&frame(DATA, 0, 1, &[b'x'; 16_000])).await;
    }
    let mut conn = origin.accept_request().await;
    conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let answer = peer.next_of(HEADERS).await.expect("an answer");
    assert_eq!((answer.stream, status(&answer.payload)), (1, "200".to_owned()));
    assert_eq!(peer.next_of(DATA).await.expect("a body").payload, b"ok");
}
