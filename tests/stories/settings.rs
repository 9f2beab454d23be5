//! Settings that are replaced while clients are connected: what comes next goes by the new ones.

use crate::support::client::{End, get};
use crate::support::filler::filler;
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay, eventually};
use fanfare::config::Source;
use std::sync::Arc;
use std::time::{Duration, Instant};

async fn relayed(source: &str) -> (TestRelay, Conn) {
    let origin = TestOrigin::start().await;
    Setup::over(&origin).source(source).start_with(&origin).await
}

/// Replaces the settings of the one source by what these lines make of it.
fn replace(relay: &TestRelay, lines: &str) {
    let config = Setup::at("http://127.0.0.1:1/").source(lines).config();
    let source: Arc<Source> = config.sources[0].clone();
    relay.relay.settings("s").expect("the source").replace(source);
}

#[tokio::test]
async fn heartbeats_change_for_those_who_are_in() {
    let (relay, _conn) = relayed("").await;
    for request in [get(PATH), get(PATH).http10()] {
        replace(&relay, "heartbeat: { every: 100ms }");
        let mut client = relay.open(&request).await;
        assert_eq!(client.next_comment().await, ":");
        replace(&relay, "heartbeat: { every: 400ms, as: \"data: ping\" }");
        assert_eq!(client.next_event().await.data, "ping");
        let began = Instant::now();
        assert_eq!(client.next_event().await.data, "ping");
        assert!(began.elapsed() > Duration::from_millis(300), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn limits_change_for_those_who_lag() {
    let (relay, mut conn) = relayed("slow_client: { bytes: 64MiB }\nlog: { bytes: 64MiB }").await;
    let slow = relay.open(&get(PATH).small_receive_buffer()).await;
    let mut good = relay.client().await;
    for n in 0..60 {
        conn.event(&format!("event: {n}\ndata: {}", filler(64 * 1024))).await;
        good.next_event().await;
    }
    let evicted = || relay.metric(r#"fanfare_evictions_total{source="s",reason="bytes"}"#);
    // Longer than it takes until the lag is looked at.
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(evicted(), 0.0, "64 MiB are allowed");
    replace(&relay, "slow_client: { bytes: 256KiB }\nlog: { bytes: 64MiB }");
    eventually("the eviction", || evicted() == 1.0).await;
    drop(slow);
}

/// A time that no client would be told by itself.
const RECONNECT: &str = "reconnect: 77s\nreconnect_jitter: 0";

#[tokio::test]
async fn the_reconnection_time_changes_for_those_who_leave_and_those_who_come() {
    let (relay, mut conn) = relayed("").await;
    let mut client = relay.client().await;
    assert!(client.retries[0] < 5_000);
    replace(&relay, RECONNECT);
    assert_eq!(relay.client().await.retries, [77_000]);
    conn.event("data: x").await;
    assert_eq!(client.next_event().await.data, "x");
    let draining = tokio::spawn(relay.relay.drain());
    assert_eq!(client.end().await, End::LastChunk);
    assert_eq!(client.retries[1], 77_000);
    drop(draining);
}

#[tokio::test]
async fn what_the_origin_says_is_passed_on_or_kept_by_the_settings_in_force() {
    let (relay, mut conn) = relayed("end_when: { event: never }").await;
    let mut client = relay.client().await;
    conn.event("event: done\ndata: 1").await;
    assert_eq!(client.next_event().await.data, "1");
    replace(&relay, "gap_event: missed\nend_when: { event: done }");
    conn.event("event: done\ndata: 2").await;
    assert_eq!(client.next_event().await.data, "2");
    assert_eq!(client.end().await, End::LastChunk);
}

#[tokio::test]
async fn delivery_is_staggered_from_then_on_and_no_longer() {
    let (relay, mut conn) = relayed("").await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(relay.client().await);
    }
    for (round, stagger) in ["0s", "500ms", "0s"].into_iter().enumerate() {
        replace(&relay, &format!("stagger: {stagger}"));
        let began = Instant::now();
        conn.event(&format!("data: {round}")).await;
        for client in &mut clients {
            assert_eq!(client.next_event().await.data, round.to_string());
        }
        if round == 1 {
            assert!(began.elapsed() > Duration::from_millis(250), "{:?}", began.elapsed());
        }
    }
}

/// An event that waits for its like, when coalescing is turned off, keeps its turn.
#[tokio::test]
async fn what_is_held_back_goes_out_before_what_is_not() {
    let (relay, mut conn) = relayed("coalesce: 1h").await;
    let mut client = relay.client().await;
    conn.event("data: held").await;
    relay.received(1).await;
    replace(&relay, "coalesce: 0s");
    conn.event("data: next").await;
    assert_eq!(client.next_event().await.data, "held");
    assert_eq!(client.next_event().await.data, "next");
}
