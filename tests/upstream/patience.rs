//! How long the upstream waits, and for whom: backoff, `retry`, `Retry-After`, the sink's pace,
//! bursts.

use crate::running::{Running, Told, config, origin_and_upstream, run, run_with};
use crate::support::origin::{PATIENCE, TestOrigin, within};
use fanfare::event_stream::ParserOptions;
use fanfare::upstream::{Phase, Reason};
use std::time::{Duration, Instant, SystemTime};
use tokio::time::timeout;

/// How long the upstream is going to wait, once it waits.
async fn wait_of(upstream: &Running) -> Duration {
    within("the upstream to wait", async {
        loop {
            if let Phase::Waiting { until } = upstream.status.phase() {
                return until.duration_since(SystemTime::now()).unwrap_or_default();
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn an_origin_that_accepts_and_closes_is_asked_ever_more_rarely() {
    let origin = TestOrigin::start().await;
    let mut config = config(origin.url("/"));
    config.reconnect_max = Duration::from_millis(400);
    let mut upstream = run(config.clone());
    let mut longest = Duration::ZERO;
    for _ in 0..11 {
        let mut conn = origin.accept().await;
        conn.stream_head().await;
        conn.close().await;
        upstream.failed_with(Reason::Ended).await;
        longest = longest.max(wait_of(&upstream).await);
    }
    // The last waits are drawn from up to 400 ms: that all five are within the first one's bound is
    // one in 10⁶.
    assert!(longest > config.reconnect * 2, "{longest:?}");
    assert!(longest <= config.reconnect_max, "{longest:?}");
}

#[tokio::test]
async fn a_stream_that_has_lived_makes_the_wait_short_again() {
    let origin = TestOrigin::start().await;
    let mut config = config(origin.url("/"));
    config.reconnect_max = Duration::from_secs(60);
    let mut upstream = run(config.clone());
    for _ in 0..12 {
        let mut conn = origin.accept().await;
        conn.stream_head().await;
        conn.event("data: 1").await;
        conn.close().await;
        upstream.failed_with(Reason::Ended).await;
        assert!(wait_of(&upstream).await <= config.reconnect * 2);
    }
}

#[tokio::test]
async fn the_origins_reconnection_time_is_obeyed_within_bounds() {
    let origin = TestOrigin::start().await;
    let mut config = config(origin.url("/"));
    config.reconnect = Duration::from_secs(3600);
    config.reconnect_max = Duration::from_secs(3600);
    let mut upstream = run(config);
    // Not an hour, and not at once either.
    for (retry, at_least, at_most) in [
        // Less than what it asks for is only what passes between the wait's beginning and the look
        // at it.
        ("0", 150, 400),
        ("400", 350, 800),
        ("999999999999", 3_599_000, 3_960_000),
    ] {
        let mut conn = origin.accept().await;
        conn.stream_head().await;
        conn.event(&format!("retry: {retry}\ndata: 1")).await;
        conn.close().await;
        upstream.failed_with(Reason::Ended).await;
        let wait = wait_of(&upstream).await.as_millis();
        assert!((at_least..=at_most).contains(&wait), "{retry}: {wait} ms");
    }
}

#[tokio::test]
async fn retry_after_is_obeyed_within_bounds() {
    for (status, field, at_least, at_most) in [
        (503, "30", 29_000, 33_000),
        (429, "99999999999", 299_000, 330_000),
        (500, "30", 0, 50),
        (503, "soon", 0, 50),
    ] {
        let (origin, mut upstream) = origin_and_upstream().await;
        let answer = format!("HTTP/1.1 {status} Busy\r\nRetry-After: {field}\r\nContent-Length: 0\r\n\r\n");
        origin.answer(answer).await;
        upstream.failed_with(Reason::Status).await;
        if at_most > 50 {
            let wait = wait_of(&upstream).await.as_millis();
            assert!((at_least..=at_most).contains(&wait), "{status} {field}: {wait} ms");
        } else {
            origin.accept().await;
        }
    }
}

#[tokio::test]
async fn a_sink_that_is_not_ready_holds_the_origin_back_and_is_no_silence() {
    let origin = TestOrigin::start().await;
    let mut config = config(origin.url("/"));
    config.read_timeout = Duration::from_millis(150);
    let mut upstream = run(config);
    let mut conn = origin.accept().await;
    upstream.ready.send(false).unwrap();
    conn.stream_head().await;
    upstream.connected().await;

    // As much as the kernel takes, and not a byte of it read, for longer than the watchdog allows.
    let line = format!("data: {}\n\n", "x".repeat(1000));
    let mut sent = 0;
    while timeout(Duration::from_millis(400), conn.send(&line)).await.is_ok() {
        sent += 1;
    }
    assert!(sent * line.len() < 64 << 20);
    assert_eq!(upstream.metrics.bytes.get(), 0);
    assert!(upstream.told_already().is_empty());

    upstream.ready.send(true).unwrap();
    for _ in 0..sent {
        upstream.event().await;
    }
}

#[tokio::test]
async fn an_endless_line_is_bounded_and_the_stream_goes_on() {
    let origin = TestOrigin::start().await;
    let mut upstream = run_with(
        config(origin.url("/")),
        ParserOptions {
            event_bytes_max: 1000,
            comments: false,
        },
    );
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    upstream.connected().await;
    for _ in 0..100 {
        conn.body(vec![b'x'; 10_000]).await;
    }
    conn.body("\ndata: too late\n\ndata: 1\n\n").await;
    assert!(matches!(upstream.told().await, Told::Oversized(None)));
    assert_eq!(upstream.event().await, "data: 1");
}

/// Chunks of one event each, thousands of them in one read: all arrive, in order, and the other
/// task gets its turns.
#[tokio::test]
async fn a_burst_arrives_whole() {
    const EVENTS: usize = 50_000;
    let (origin, mut upstream) = origin_and_upstream().await;
    let mut conn = origin.accept().await;
    conn.chunked_stream_head().await;
    upstream.connected().await;
    let mut burst = Vec::new();
    for nth in 0..EVENTS {
        let event = format!("data: {nth}\n\n");
        burst.extend_from_slice(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
    }
    let began = Instant::now();
    let sending = tokio::spawn(async move {
        conn.send(burst).await;
        conn
    });
    let mut flushes = 0;
    let mut nth = 0;
    while nth < EVENTS {
        match upstream.told_all().await {
            Told::Event(lines) => {
                assert_eq!(lines, format!("data: {nth}"));
                nth += 1;
            }
            Told::Flush => flushes += 1,
            told => panic!("{told:?}"),
        }
    }
    assert!(began.elapsed() < PATIENCE);
    assert!(flushes * 10 < EVENTS, "{flushes} flushes");
    sending.await.unwrap();
}
