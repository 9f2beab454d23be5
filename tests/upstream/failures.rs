//! Each kind of failure, and what is told of it. Those of redirects, TLS and feeds are beside their
//! own stories.

use crate::running::{Told, config, origin_and_upstream, run};
use crate::support::origin::{TestOrigin, within};
use fanfare::config::Target;
use fanfare::upstream::{Phase, Reason};
use std::time::Duration;

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    // Reserved by RFC 6761 never to exist.
    let mut upstream = run(config("http://origin.invalid/sse"));
    let failure = upstream.failed_with(Reason::Dns).await;
    assert!(failure.detail.contains("origin.invalid"), "{failure}");
}

#[tokio::test]
async fn a_url_that_is_none() {
    let mut upstream = run(config("http://user:s3cret@:80/sse?t=s3cret"));
    let failure = upstream.failed_with(Reason::Dns).await;
    assert!(!failure.detail.contains("s3cret"), "{failure}");
}

#[tokio::test]
async fn an_origin_that_is_down_and_comes_back() {
    let origin = TestOrigin::start().await;
    let address = origin.address();
    let url = origin.url("/sse");
    drop(origin);
    let mut upstream = run(config(url));
    let failure = upstream.failed_with(Reason::Refused).await;
    assert!(failure.detail.contains(&address.to_string()), "{failure}");
    let error = upstream.status.read().last_error.expect("an error to show");
    assert_eq!((error.reason, error.status), (Reason::Refused, None));

    let origin = TestOrigin::start_at(address).await;
    origin.accept().await.stream_head().await;
    loop {
        match upstream.told().await {
            Told::Connected(_) => break,
            Told::Failed(failure) => assert_eq!(failure.reason, Reason::Refused),
            told => panic!("{told:?}"),
        }
    }
    assert!(
        upstream.status.read().last_error.is_some(),
        "the error stays for the one who asks later"
    );
    assert!(upstream.metrics.reconnects[Reason::Refused as usize].get() > 0);
}

#[tokio::test]
async fn an_origin_that_accepts_and_says_nothing() {
    let origin = TestOrigin::start().await;
    let mut config = config(origin.url("/sse"));
    config.connect_timeout = Duration::from_millis(100);
    let mut upstream = run(config);
    let mut silent = origin.accept().await;
    upstream.failed_with(Reason::Timeout).await;
    silent.closed().await;
    // A head that trickles in is no better: the bound is the whole attempt's.
    let mut slow = origin.accept().await;
    slow.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        .await;
    upstream.failed_with(Reason::Timeout).await;
    slow.closed().await;
}

#[tokio::test]
async fn answers_that_are_not_http() {
    let (origin, mut upstream) = origin_and_upstream().await;
    for answer in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "data: 1\n\n",
        "\0\0\0",
        "HTTP/3 200\r\n\r\n",
        "",
    ] {
        origin.answer(answer).await;
        upstream.failed_with(Reason::Protocol).await;
    }
    // Chunks that are none, inside the stream.
    let mut conn = origin.accept().await;
    conn.chunked_stream_head().await;
    conn.send("xyz\r\n").await;
    upstream.failed_with(Reason::Protocol).await;
}

#[tokio::test]
async fn a_body_whose_end_can_be_read_in_two_ways() {
    let (origin, mut upstream) = origin_and_upstream().await;
    for lines in [
        "Transfer-Encoding: chunked\r\nContent-Length: 9",
        "Content-Length: 9\r\nContent-Length: 8",
        "Content-Length: 1\r\n 8",
        "Transfer-Encoding: gzip, chunked",
    ] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{lines}\r\n\r\n");
        origin.answer(head + "9\r\ndata: 1\n\n\r\n0\r\n\r\n").await;
        upstream.failed_with(Reason::Protocol).await;
    }
}

#[tokio::test]
async fn a_body_that_is_shorter_than_it_says() {
    let (origin, mut upstream) = origin_and_upstream().await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 18\r\n\r\ndata: 1\n\n";
    origin.answer(head).await;
    upstream.failed_with(Reason::Reset).await;
    // And one that is as long as it says, on a connection that stays open.
    let mut conn = origin.accept().await;
    conn.send(format!("{head}data: 2\n\nGET")).await;
    upstream.failed_with(Reason::Ended).await;
    conn.closed().await;
}

#[tokio::test]
async fn interim_answers_are_passed_over_and_not_without_end() {
    let (origin, mut upstream) = origin_and_upstream().await;
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let mut conn = origin.accept().await;
    conn.send(interim.repeat(100)).await;
    conn.stream_head().await;
    upstream.connected().await;
    conn.close().await;
    upstream.failed_with(Reason::Ended).await;
    let mut conn = origin.accept().await;
    conn.send(interim.repeat(101)).await;
    let failure = upstream.failed_with(Reason::Protocol).await;
    assert!(failure.detail.contains("interim"), "{failure}");
}

#[tokio::test]
async fn an_endless_head_is_bounded() {
    let (origin, mut upstream) = origin_and_upstream().await;
    let mut conn = origin.accept().await;
    conn.send("HTTP/1.1 200 OK\r\nX: ").await;
    // Far more than is read; the peer leaves in the middle of it.
    while conn.try_send(vec![b'x'; 1 << 16]).await.is_ok() {}
    upstream.failed_with(Reason::Protocol).await;
}

#[tokio::test]
async fn statuses_are_told() {
    let (origin, mut upstream) = origin_and_upstream().await;
    for status in [401, 403, 404, 410, 500, 503, 206, 304] {
        origin
            .answer(format!("HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n"))
            .await;
        let failure = upstream.failed_with(Reason::Status).await;
        assert_eq!(failure.status, Some(status));
    }
}

#[tokio::test]
async fn another_content_type() {
    let (origin, mut upstream) = origin_and_upstream().await;
    origin
        .answer("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>")
        .await;
    let failure = upstream.failed_with(Reason::ContentType).await;
    assert!(failure.detail.contains("text/html"), "{failure}");
    assert_eq!(failure.status, Some(200));
    origin.answer("HTTP/1.1 200 OK\r\n\r\n").await;
    upstream.failed_with(Reason::ContentType).await;
}

#[tokio::test]
async fn a_content_encoding_that_was_not_asked_for() {
    let (origin, mut upstream) = origin_and_upstream().await;
    origin
        .answer("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n")
        .await;
    let failure = upstream.failed_with(Reason::ContentEncoding).await;
    assert!(failure.detail.contains("gzip"), "{failure}");
}

#[tokio::test]
async fn a_stream_that_the_origin_ends() {
    let (origin, mut upstream) = origin_and_upstream().await;
    let mut conn = origin.accept().await;
    conn.chunked_stream_head().await;
    conn.close().await;
    upstream.failed_with(Reason::Ended).await;
    // HTTP/1.0, closed at the end.
    let mut conn = origin.accept().await;
    conn.send("HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        .await;
    conn.close().await;
    upstream.failed_with(Reason::Ended).await;
}

#[tokio::test]
async fn a_stream_that_breaks_off() {
    let (origin, mut upstream) = origin_and_upstream().await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    upstream.connected().await;
    conn.reset();
    upstream.failed_with(Reason::Reset).await;
    // Without its last chunk.
    let mut conn = origin.accept().await;
    conn.chunked_stream_head().await;
    conn.event("data: 1").await;
    conn.close_early().await;
    upstream.failed_with(Reason::Reset).await;
    assert_eq!(upstream.metrics.reconnects[Reason::Reset as usize].get(), 2);
}

#[tokio::test]
async fn a_stream_that_falls_silent() {
    let origin = TestOrigin::start().await;
    let mut config = config(origin.url("/sse"));
    config.read_timeout = Duration::from_millis(200);
    let mut upstream = run(config);
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn.event("data: 1").await;
    upstream.failed_with(Reason::Silence).await;
    conn.closed().await;
    origin.accept().await.stream_head().await;
    upstream.connected().await;
}

#[tokio::test]
async fn no_content_ends_the_stream_for_good() {
    let (origin, mut upstream) = origin_and_upstream().await;
    origin.answer("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert!(matches!(upstream.told().await, Told::Ended));
    upstream.returned().await;
    assert_eq!(upstream.status.phase(), Phase::Ended);
    assert!(!origin.is_called_within(Duration::from_millis(200)).await);
}

#[tokio::test]
async fn the_sink_can_give_up() {
    let (origin, mut upstream) = origin_and_upstream().await;
    upstream.stop_at_next();
    origin
        .answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert_eq!(upstream.failed().await.status, Some(404));
    upstream.returned().await;
    assert_eq!(upstream.status.phase(), Phase::Stopped);
    assert!(!origin.is_called_within(Duration::from_millis(200)).await);
}

#[tokio::test]
async fn several_urls_are_tried_in_turn_without_a_wait() {
    let dead = TestOrigin::start().await;
    let dead_url = dead.url("/");
    drop(dead);
    let (refusing, serving) = (TestOrigin::start().await, TestOrigin::start().await);
    let mut config = config("");
    config.target = Target::Urls(vec![dead_url, refusing.url("/a"), serving.url("/b")]);
    // Had it waited, the story would be over before.
    config.reconnect = Duration::from_secs(3600);
    config.reconnect_max = Duration::from_secs(3600);
    let mut upstream = run(config);
    refusing.answer("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n").await;
    let mut conn = serving.accept().await;
    conn.stream_head().await;
    upstream.failed_with(Reason::Refused).await;
    upstream.failed_with(Reason::Status).await;
    upstream.connected().await;
    assert_eq!(upstream.status.read().url, serving.url("/b"));
}

#[tokio::test]
async fn dropping_it_closes_the_connection() {
    let (origin, mut upstream) = origin_and_upstream().await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    upstream.connected().await;
    upstream.drop_it().await;
    within("the connection's end", conn.closed()).await;
    assert_eq!(upstream.status.phase(), Phase::Stopped);
    assert_eq!(upstream.metrics.connected.get(), 0);
}
