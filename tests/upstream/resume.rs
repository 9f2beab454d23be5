//! The place in the stream: what the next request says of it.

use crate::running::{Told, config, origin_and_upstream, run, run_with};
use crate::support::origin::TestOrigin;
use fanfare::event_stream::ParserOptions;
use fanfare::upstream::{Phase, Reason, Resume};

#[tokio::test]
async fn a_stream_is_asked_for_and_read() {
    let (origin, mut upstream) = origin_and_upstream().await;
    let mut conn = origin.accept().await;
    let request = conn.request();
    assert_eq!(request.line(), "GET /sse HTTP/1.1");
    assert_eq!(request.header("host"), Some(origin.address().to_string().as_str()));
    assert_eq!(request.header("accept"), Some("text/event-stream"));
    assert_eq!(request.header("cache-control"), Some("no-cache"));
    assert_eq!(request.header("accept-encoding"), Some("identity"));
    assert_eq!(request.header("last-event-id"), None);
    assert_eq!(request.header("authorization"), None);

    conn.stream_head().await;
    assert_eq!(upstream.connected().await, Resume::First);
    let body = ": hello\nretry: 5000\n\nevent: a\ndata: 1\n\n";
    conn.body(body).await;
    assert!(matches!(upstream.told().await, Told::Comment(line) if line == ": hello"));
    assert!(matches!(upstream.told().await, Told::Retry(retry) if retry.as_millis() == 5000));
    assert_eq!(upstream.event().await, "event: a\ndata: 1");
    assert!(matches!(upstream.told_all().await, Told::Flush));

    let status = upstream.status.read();
    assert!(matches!(status.phase, Phase::Connected { .. }));
    assert_eq!((status.connects, status.reconnects), (1, 0));
    assert_eq!(status.url, origin.url("/sse"));
    // As it is in force: bounded by the longest wait.
    assert_eq!(status.retry, Some(config("").reconnect_max));
    assert!(status.last_byte_age.is_some());
    assert_eq!(upstream.metrics.connected.get(), 1);
    assert_eq!(upstream.metrics.bytes.get(), body.len() as u64);
}

#[tokio::test]
async fn the_last_id_of_a_complete_block_survives_whatever_fails() {
    let (origin, mut upstream) = origin_and_upstream().await;
    let mut conn = origin.accept().await;
    conn.chunked_stream_head().await;
    conn.event("id: 1\ndata: a").await;
    // A block that dispatches nothing sets it, one without an id keeps it, an incomplete one is
    // forgotten.
    conn.event("id: ü2").await;
    conn.event("data: b").await;
    conn.body("id: 3\ndata: c\n").await;
    assert_eq!(upstream.connected().await, Resume::First);
    for _ in 0..3 {
        upstream.event().await;
    }
    conn.reset();
    upstream.failed_with(Reason::Reset).await;

    let failures = [
        ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", Reason::Status),
        ("HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n", Reason::Status),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",
            Reason::ContentType,
        ),
        ("SSH-2.0-OpenSSH\r\n", Reason::Protocol),
        ("", Reason::Protocol),
        ("HTTP/1.1 302 Found\r\n\r\n", Reason::Redirect),
    ];
    for (answer, reason) in failures {
        let request = origin.answer(answer).await;
        assert_eq!(request.header("last-event-id"), Some("ü2"), "after {answer:?}");
        upstream.failed_with(reason).await;
    }

    let mut conn = origin.accept().await;
    assert_eq!(conn.request().header_bytes("last-event-id"), Some("ü2".as_bytes()));
    conn.stream_head().await;
    assert_eq!(upstream.connected().await, Resume::Sent);
    // The incomplete block of the old connection is no part of the new one.
    conn.event("data: d").await;
    assert_eq!(upstream.event().await, "data: d");
}

#[tokio::test]
async fn an_id_that_is_reset_is_left_out() {
    let (origin, mut upstream) = origin_and_upstream().await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn.event("id: 1\ndata: a").await;
    conn.event("id\ndata: b").await;
    conn.close().await;
    upstream.failed_with(Reason::Ended).await;
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().header("last-event-id"), None);
    conn.stream_head().await;
    assert_eq!(upstream.connected().await, Resume::Impossible);
}

#[tokio::test]
async fn an_id_that_no_header_can_carry_does_not_wedge() {
    for id in ["a\u{1}b", "\u{7f}", "\u{1b}[31m"] {
        let (origin, mut upstream) = origin_and_upstream().await;
        let mut conn = origin.accept().await;
        conn.stream_head().await;
        conn.event(&format!("id: {id}\ndata: a")).await;
        conn.close().await;
        upstream.failed_with(Reason::Ended).await;
        let mut conn = origin.accept().await;
        assert_eq!(conn.request().header("last-event-id"), None, "{id:?}");
        conn.stream_head().await;
        assert_eq!(upstream.connected().await, Resume::Impossible);
        conn.event("id: 2\ndata: b").await;
        assert_eq!(upstream.event().await, "id: 2\ndata: b");
        conn.close().await;
        assert_eq!(origin.accept().await.request().header("last-event-id"), Some("2"));
    }
}

#[tokio::test]
async fn bytes_that_are_not_utf_8_are_sent_back_as_they_came() {
    let (origin, mut upstream) = origin_and_upstream().await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn.body(b"id: \xff[{\"a\":1}]\xfe\ndata: a\n\n").await;
    conn.close().await;
    upstream.failed_with(Reason::Ended).await;
    let conn = origin.accept().await;
    assert_eq!(
        conn.request().header_bytes("last-event-id"),
        Some(&b"\xff[{\"a\":1}]\xfe"[..])
    );
}

#[tokio::test]
async fn an_event_over_the_limit_sets_the_id_that_was_seen() {
    let origin = TestOrigin::start().await;
    let mut upstream = run_with(
        config(origin.url("/sse")),
        ParserOptions {
            event_bytes_max: 100,
            comments: false,
        },
    );
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn.event(&format!("id: 9\ndata: {}", "x".repeat(200))).await;
    upstream.connected().await;
    assert!(matches!(upstream.told().await, Told::Oversized(Some(id)) if id == b"9"));
    conn.close().await;
    assert_eq!(origin.accept().await.request().header("last-event-id"), Some("9"));
}

#[tokio::test]
async fn an_origin_that_refuses_the_id_is_asked_without_it_in_the_end() {
    let (origin, mut upstream) = origin_and_upstream().await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn.event("id: 1\ndata: a").await;
    conn.close().await;
    upstream.failed_with(Reason::Ended).await;
    for _ in 0..3 {
        let request = origin
            .answer("HTTP/1.1 431 Too Large\r\nContent-Length: 0\r\n\r\n")
            .await;
        assert_eq!(request.header("last-event-id"), Some("1"));
    }
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().header("last-event-id"), None);
    conn.stream_head().await;
    for _ in 0..3 {
        upstream.failed_with(Reason::Status).await;
    }
    assert_eq!(upstream.connected().await, Resume::Impossible);
}

#[tokio::test]
async fn a_reconnect_before_the_first_event_is_still_the_first() {
    let (origin, mut upstream) = origin_and_upstream().await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn.body(": nothing yet\n").await;
    assert_eq!(upstream.connected().await, Resume::First);
    conn.close().await;
    upstream.failed_with(Reason::Ended).await;
    origin.accept().await.stream_head().await;
    assert_eq!(upstream.connected().await, Resume::First);
}

#[tokio::test]
async fn a_byte_at_a_time_is_as_good_as_all_at_once() {
    let origin = TestOrigin::start().await;
    let mut upstream = run(config(origin.url("/")));
    let mut conn = origin.accept().await;
    for byte in b"HTTP/1.1 200 OK\r\ncontent-type: Text/Event-Stream;charset=UTF-8\r\n\r\n\xef\xbb\xbfdata: 1\r\rdata: 2\r\n\r\n" {
        conn.send([*byte]).await;
    }
    assert_eq!(upstream.connected().await, Resume::First);
    assert_eq!(upstream.event().await, "data: 1");
    assert_eq!(upstream.event().await, "data: 2");
}

#[tokio::test]
async fn an_id_that_is_too_long_for_the_origin_is_left_out_at_once() {
    let (origin, mut upstream) = origin_and_upstream().await;
    let id = "x".repeat(70_000);
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn.event(&format!("id: {id}\ndata: a")).await;
    conn.close().await;
    upstream.failed_with(Reason::Ended).await;
    // It is sent, whatever its length: many origins take it.
    let request = origin
        .answer("HTTP/1.1 431 Too Large\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert_eq!(request.header("last-event-id"), Some(id.as_str()));
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().header("last-event-id"), None);
    conn.stream_head().await;
    upstream.failed_with(Reason::Status).await;
    assert_eq!(upstream.connected().await, Resume::Impossible);
    conn.event("id: 2\ndata: b").await;
    upstream.event().await;
    conn.close().await;
    assert_eq!(origin.accept().await.request().header("last-event-id"), Some("2"));
}

/// A server that stops reading a head resets the connection: its answer is lost with what it has
/// not read.
#[tokio::test]
async fn an_origin_that_resets_at_a_long_id_does_not_wedge() {
    let (origin, mut upstream) = origin_and_upstream().await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn.event(&format!("id: {}\ndata: a", "x".repeat(70_000))).await;
    conn.close().await;
    for _ in 0..3 {
        let conn = origin.accept().await;
        assert!(conn.request().header("last-event-id").is_some());
        conn.reset();
    }
    let mut conn = origin.accept().await;
    assert!(conn.request().header("last-event-id").is_none());
    conn.stream_head().await;
    while !matches!(upstream.told().await, Told::Connected(Resume::Impossible)) {}
}
