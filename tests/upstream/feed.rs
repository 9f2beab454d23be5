//! The stream's address found in an Atom feed.

use crate::running::{Running, basic, config, run};
use crate::support::origin::TestOrigin;
use fanfare::config::Target;
use fanfare::upstream::{Reason, Resume};
use std::time::Duration;

fn feed(href: &str) -> String {
    let body = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>Change log</title>
<link rel="self" type="application/atom+xml" href="/changelog/section/1"/>
<link rel="http://www.vizrt.com/types/relation/changelog" type="text/event-stream" href="{href}"/>
</feed>"#
    );
    ok(&body)
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/atom+xml\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn origin_and_feed() -> (TestOrigin, Running) {
    let origin = TestOrigin::start().await;
    let mut config = config("");
    config.target = Target::Feed(origin.url("/changelog/section/1"));
    config.credentials = basic("relay", "s3cret");
    (origin, run(config))
}

#[tokio::test]
async fn the_stream_is_found_again_before_each_connection() {
    let (origin, mut upstream) = origin_and_feed().await;
    let request = origin.answer(feed(&origin.url("/changelog/sse"))).await;
    assert_eq!(request.line(), "GET /changelog/section/1 HTTP/1.1");
    assert!(
        request
            .header("accept")
            .is_some_and(|accept| accept.contains("application/atom+xml"))
    );
    assert!(request.header("authorization").is_some());

    let mut conn = origin.accept().await;
    assert_eq!(conn.request().line(), "GET /changelog/sse HTTP/1.1");
    assert_eq!(conn.request().header("accept"), Some("text/event-stream"));
    assert!(conn.request().header("authorization").is_some());
    conn.stream_head().await;
    conn.event("id: 5\ndata: a").await;
    upstream.connected().await;
    upstream.event().await;
    conn.close().await;
    upstream.failed_with(Reason::Ended).await;

    // It has moved; the place stays.
    let request = origin.answer(feed("../other")).await;
    assert_eq!(request.header("last-event-id"), None);
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().target(), "/changelog/other");
    assert_eq!(conn.request().header("last-event-id"), Some("5"));
    conn.stream_head().await;
    assert_eq!(upstream.connected().await, Resume::Sent);
}

#[tokio::test]
async fn a_feed_without_the_link_is_asked_again() {
    let (origin, mut upstream) = origin_and_feed().await;
    for body in [
        r#"<feed xmlns="http://www.w3.org/2005/Atom"/>"#,
        "<html>",
        "",
        "data: 1\n\n",
        r#"<feed xmlns="http://www.w3.org/2005/Atom"><link type="text/event-stream" href="javascript:x"/></feed>"#,
    ] {
        origin.answer(ok(body)).await;
        let failure = upstream.failed_with(Reason::Feed).await;
        assert!(!failure.detail.contains("s3cret"), "{failure}");
    }
    // The stream's own URL where the feed's was meant: it would never end.
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    upstream.failed_with(Reason::Feed).await;
    conn.closed().await;
    origin.answer(feed("/sse")).await;
    origin.accept().await.stream_head().await;
    upstream.connected().await;
}

#[tokio::test]
async fn a_feed_that_fails_keeps_its_own_reason() {
    let (origin, mut upstream) = origin_and_feed().await;
    origin.answer("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(upstream.failed_with(Reason::Status).await.status, Some(401));
    origin.answer("HTTP/1.1 204 No Content\r\n\r\n").await;
    // Not the stream's end: it is the feed that has nothing to say.
    assert_eq!(upstream.failed_with(Reason::Status).await.status, Some(204));
    origin.answer("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n").await;
    upstream.failed_with(Reason::ContentEncoding).await;
    let mut conn = origin.accept().await;
    conn.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<feed>").await;
    conn.close().await;
    upstream.failed_with(Reason::Reset).await;
}

#[tokio::test]
async fn an_endless_feed_is_bounded() {
    let (origin, mut upstream) = origin_and_feed().await;
    let mut conn = origin.accept().await;
    conn.send("HTTP/1.1 200 OK\r\n\r\n<feed>").await;
    while conn.try_send(vec![b' '; 1 << 16]).await.is_ok() {}
    upstream.failed_with(Reason::Feed).await;
}

#[tokio::test]
async fn a_feed_that_stalls_is_given_up() {
    let origin = TestOrigin::start().await;
    let mut config = config("");
    config.target = Target::Feed(origin.url("/feed"));
    config.connect_timeout = Duration::from_millis(100);
    let mut upstream = run(config);
    let mut conn = origin.accept().await;
    conn.send("HTTP/1.1 200 OK\r\n\r\n<feed>").await;
    upstream.failed_with(Reason::Timeout).await;
    conn.closed().await;
}

/// The Content Store builds its links from the `Host` that it is shown: the relay's own public
/// name, perhaps.
#[tokio::test]
async fn a_link_to_the_presented_host_stays_at_the_origin() {
    let origin = TestOrigin::start().await;
    let mut config = config("");
    config.target = Target::Feed(origin.url("/feed"));
    config.credentials = basic("relay", "s3cret");
    config.headers = vec![("host".parse().unwrap(), "cue.example.invalid".parse().unwrap())];
    let _upstream = run(config);
    origin
        .answer(feed("http://cue.example.invalid/webservice/escenic/changelog/sse"))
        .await;
    let conn = origin.accept().await;
    assert_eq!(conn.request().target(), "/webservice/escenic/changelog/sse");
    assert_eq!(conn.request().header("host"), Some("cue.example.invalid"));
    assert!(conn.request().header("authorization").is_some());
}

#[tokio::test]
async fn a_stream_elsewhere_is_asked_without_credentials() {
    let (origin, _upstream) = origin_and_feed().await;
    let elsewhere = TestOrigin::start().await;
    origin.answer(feed(&elsewhere.url("/sse"))).await;
    assert_eq!(elsewhere.accept().await.request().header("authorization"), None);
}
