//! The origin goes, comes back, misbehaves or says too much: clients stay, and lose nothing that
//! could be had.

use crate::support::client::get;
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay, eventually};
use std::time::Duration;

async fn relayed(setup: impl FnOnce(Setup) -> Setup) -> (TestRelay, TestOrigin, Conn) {
    let origin = TestOrigin::start().await;
    let (relay, conn) = setup(Setup::over(&origin)).start_with(&origin).await;
    (relay, origin, conn)
}

async fn reopened(origin: &TestOrigin) -> Conn {
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn
}

#[tokio::test]
async fn an_origin_that_restarts_is_resumed_and_clients_stay() {
    let (relay, origin, mut conn) = relayed(|setup| setup.source("heartbeat: { every: 100ms }")).await;
    let mut client = relay.client().await;
    conn.event("id: 1\ndata: a").await;
    assert_eq!(client.next_event().await.data, "a");
    // An event that is cut is none, and its id was never in force.
    conn.body("id: 2\ndata: half").await;
    let address = origin.address();
    drop(origin);
    conn.reset();
    client.next_comment().await;
    client.next_comment().await;
    let (status, body) = relay.readyz().await;
    assert_eq!(status, 503);
    assert_eq!(body["reasons"][0]["source"], "s", "{body}");
    let reason = body["reasons"][0]["reason"].as_str().unwrap();
    assert!(["reset", "ended", "refused"].contains(&reason), "{body}");

    let origin = TestOrigin::start_at(address).await;
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().header("last-event-id"), Some("1"));
    conn.stream_head().await;
    conn.body("id: 2\ndata: b\n\nid: 3\ndata: c\n\n").await;
    assert_eq!(client.next_event().await.data, "b");
    assert_eq!(client.next_event().await.data, "c");
    assert_eq!(relay.readyz().await.0, 200);
    assert_eq!(relay.clients(), 1.0);
}

#[tokio::test]
async fn an_origin_without_ids_leaves_a_gap_and_it_is_said() {
    let (relay, origin, mut conn) = relayed(|setup| setup).await;
    let mut client = relay.client().await;
    conn.event("data: a").await;
    let a = client.next_event().await;
    conn.close().await;
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().header("last-event-id"), None);
    conn.stream_head().await;
    conn.event("data: b").await;
    let gap = client.next_event().await;
    assert_eq!(gap.gap().as_deref(), Some("upstream_reconnected"));
    assert_eq!(gap.id, a.id, "a gap event moves no place");
    assert_eq!(client.next_event().await.data, "b");
    // Who was away meanwhile is told too.
    let mut back = relay.resume(&a.id).await;
    assert_eq!(back.next_event().await.gap().as_deref(), Some("upstream_reconnected"));
    assert_eq!(back.next_event().await.data, "b");
    assert_eq!(
        relay.metric(r#"fanfare_gaps_total{source="s",reason="upstream_reconnected"}"#),
        1.0
    );
}

#[tokio::test]
async fn an_origin_that_flaps_loses_and_doubles_nothing() {
    let (relay, origin, mut conn) = relayed(|setup| setup.source("ids: pass")).await;
    let mut client = relay.client().await;
    for n in 0..20 {
        conn.event(&format!("id: {n}\ndata: {n}")).await;
        assert_eq!(client.next_event().await.data, n.to_string());
        if n % 2 == 0 {
            conn.reset()
        } else {
            conn.close().await
        }
        conn = origin.accept().await;
        assert_eq!(conn.request().header("last-event-id"), Some(n.to_string().as_str()));
        conn.stream_head().await;
    }
    assert_eq!(client.events_so_far(), []);
}

#[tokio::test]
async fn silence_is_not_taken_for_life() {
    let setup = |setup: Setup| setup.upstream("read_timeout: 300ms, reconnect: 20ms, reconnect_max: 50ms");
    let (relay, origin, mut conn) = relayed(setup).await;
    let mut client = relay.client().await;
    conn.event("id: 1\ndata: a").await;
    client.next_event().await;
    conn.closed().await;
    let mut conn = reopened(&origin).await;
    conn.event("id: 2\ndata: b").await;
    assert_eq!(client.next_event().await.data, "b");
    let text = relay.relay.status_provider().metrics().render();
    assert!(
        text.lines().any(|line| line.contains(r#"reason="silence"} 1"#)),
        "{text}"
    );
}

#[tokio::test]
async fn answers_that_are_no_stream_have_their_reasons() {
    for (answer, reason) in [
        ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "status"),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n",
            "content_type",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\nxx",
            "content_encoding",
        ),
        ("SSH-2.0-OpenSSH_9.9\r\n", "protocol"),
    ] {
        let origin = TestOrigin::start().await;
        let relay = Setup::over(&origin).start();
        // They are let in before there is an upstream.
        let mut client = relay.client().await;
        origin.answer(answer).await;
        let mut conn = origin.accept().await;
        let (status, body) = relay.readyz().await;
        assert_eq!((status, &body["reasons"][0]["reason"]), (503, &reason.into()), "{body}");
        conn.stream_head().await;
        conn.event("data: at last").await;
        assert_eq!(
            client.next_event().await.data,
            "at last",
            "and no gap: there was no place yet"
        );
    }
}

#[tokio::test]
async fn an_endless_line_costs_no_memory_and_ends_nothing() {
    let (relay, _origin, mut conn) = relayed(|setup| setup.source("event_bytes_max: 64KiB")).await;
    let mut client = relay.client().await;
    conn.body("data: ").await;
    let piece = vec![b'x'; 64 * 1024];
    for _ in 0..64 {
        conn.body(&piece).await;
    }
    conn.body("\n\ndata: after\n\n").await;
    assert_eq!(client.next_event().await.gap().as_deref(), Some("oversized_event"));
    assert_eq!(client.next_event().await.data, "after");
}

#[tokio::test]
async fn bytes_that_come_one_by_one() {
    let (relay, _origin, mut conn) = relayed(|setup| setup.source("ids: pass")).await;
    let mut client = relay.client().await;
    conn.trickle(
        "id: 1\r\nevent: e\r\ndata: \u{20ac}\r\n\r\n: c\r\rdata: x\n\n",
        Duration::from_millis(1),
    )
    .await;
    let (a, b) = (client.next_event().await, client.next_event().await);
    assert_eq!((a.event_type.as_str(), a.data.as_str(), a.id()), ("e", "\u{20ac}", "1"));
    assert_eq!((b.data.as_str(), b.id()), ("x", "1"));
}

#[tokio::test]
async fn a_burst_that_is_larger_than_the_log_cuts_nobody_who_keeps_up() {
    let (relay, _origin, mut conn) =
        relayed(|setup| setup.source("log: { events: 100 }\nslow_client: { events: 100 }")).await;
    let mut clients = [relay.client().await, relay.client().await, relay.client().await];
    let burst: String = (0..1_000).map(|n| format!("data: {n}\n\n")).collect();
    conn.body(burst).await;
    for client in &mut clients {
        for n in 0..1_000 {
            assert_eq!(client.next_event().await.data, n.to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_events_in_one_burst_are_all_accounted_for() {
    // An unoptimised reference parser takes its time.
    const EVENTS: u64 = if cfg!(debug_assertions) { 200_000 } else { 1_000_000 };
    let (relay, _origin, mut conn) = relayed(|setup| setup.source("ids: assign")).await;
    let (address, first) = (relay.address, relay.client().await);
    let publishing = tokio::spawn(async move {
        for thousand in 0..EVENTS / 1_000 {
            let burst: String = (0..1_000)
                .map(|n| format!("data: {}\n\n", thousand * 1_000 + n))
                .collect();
            conn.body(burst).await;
        }
        conn
    });
    let (mut client, mut next, mut lost, mut comebacks) = (first, 0, 0, 0);
    let mut gap = false;
    while next < EVENTS {
        let Some(event) = client.try_next_event().await else {
            comebacks += 1;
            assert!(comebacks < 1_000, "no progress");
            client = get(PATH).last_event_id(&client.last_event_id).open(address).await;
            continue;
        };
        client.forget_body();
        if event.gap().is_some() {
            gap = true;
            continue;
        }
        let n: u64 = event.data.parse().unwrap();
        // After a gap event only, and only forward.
        assert!(n == next || n > next && gap, "{n} instead of {next}");
        lost += n - next;
        next = n + 1;
        gap = false;
    }
    let evicted: f64 = ["events", "bytes", "stall", "log"]
        .iter()
        .map(|reason| relay.metric(&format!(r#"fanfare_evictions_total{{source="s",reason="{reason}"}}"#)))
        .sum();
    assert_eq!(comebacks as f64, evicted, "every end was an eviction");
    assert!(lost == 0 || comebacks > 0, "{lost} lost without an eviction");
    relay.received(EVENTS).await;
    publishing.await.unwrap();
}

#[tokio::test]
async fn the_last_id_is_asked_for_also_behind_a_reset_of_ids() {
    let (relay, origin, mut conn) = relayed(|setup| setup.source("ids: pass")).await;
    let mut client = relay.client().await;
    conn.body("id: 1\ndata: a\n\nid\ndata: b\n\n").await;
    client.until_data("b").await;
    conn.reset();
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().header("last-event-id"), None, "the origin has reset it");
    conn.stream_head().await;
    assert_eq!(client.next_event().await.gap().as_deref(), Some("upstream_reconnected"));
}

#[tokio::test]
async fn an_origin_that_has_ended_is_asked_no_more() {
    let origin = TestOrigin::start().await;
    let relay = Setup::over(&origin).start();
    origin.answer("HTTP/1.1 204 No Content\r\n\r\n").await;
    let ended = || relay.relay.status_provider().readiness().reasons.is_empty();
    eventually("the end to be known", ended).await;
    assert!(!origin.is_called_within(Duration::from_millis(500)).await);
}
