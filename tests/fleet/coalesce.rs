//! `coalesce` with a shared log: what is in it is what clients of all instances get.

use crate::nats::{Nats, Version};
use crate::support::client::Event;
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{Setup, TestRelay};
use crate::{said, up_to};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_millis(400);

fn coalescing(nats: &str, origin: &TestOrigin, instance: &str, window: Duration) -> Setup {
    let fleet = format!("fleet: {{ nats: [{nats}], instance: {instance}, replicas: 1, append_timeout: 2s }}");
    let source = format!(
        "fleet: true\ncoalesce: {}ms\nend_when: [{{ event: end }}]",
        window.as_millis()
    );
    Setup::at(&origin.url("/sse"))
        .top(&fleet)
        .top("drain: { spread: 0s }")
        .source(&source)
}

/// Two instances, the first of which leads, and its connection.
async fn two(nats: &Nats, origin: &TestOrigin, window: Duration) -> (TestRelay, TestRelay, Conn) {
    let a = coalescing(&nats.urls(), origin, "a", window).start();
    let mut conn = origin.accept_request().await;
    conn.chunked_stream_head().await;
    let b = coalescing(&nats.urls(), origin, "b", window).start();
    for relay in [&a, &b] {
        relay.eventually_status("/sources/0/state", "live").await;
    }
    (a, b, conn)
}

fn texts(events: &[Event]) -> Vec<String> {
    said(events)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identical_events_are_in_the_log_once() {
    for version in [Version::V2_9, Version::V2_15] {
        let nats = Nats::start(version, 1).await;
        let origin = TestOrigin::start().await;
        let (a, b, mut conn) = two(&nats, &origin, WINDOW).await;
        let (mut one, mut two) = (a.client().await, b.client().await);
        let began = Instant::now();
        for text in ["x", "y", "x", "x", "y", "z"] {
            conn.event(&format!("data: {text}")).await;
        }
        let history = up_to(&mut one, "z").await;
        let took = began.elapsed();
        assert_eq!(texts(&history), ["x", "y", "z"]);
        assert!(took >= WINDOW && took < WINDOW + Duration::from_secs(3), "{took:?}");
        assert_eq!(up_to(&mut two, "z").await, history);
        // Nor are they held back once more where they are read.
        conn.event("data: x").await;
        let again = up_to(&mut one, "x").await;
        assert_eq!(texts(&again), ["x"], "after its window it is news");
        assert_eq!(up_to(&mut two, "x").await, again);
        let mut client = b.resume(&history[0].id).await;
        assert_eq!(texts(&up_to(&mut client, "x").await), ["y", "z", "x"]);
    }
}

/// The last event waits for nothing, and nothing is behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_event_lets_out_what_is_held() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let origin = TestOrigin::start().await;
    let (a, b, mut conn) = two(&nats, &origin, Duration::from_secs(60)).await;
    let (mut one, mut two) = (a.client().await, b.client().await);
    for text in ["x", "y", "x"] {
        conn.event(&format!("data: {text}")).await;
    }
    conn.event("event: end\ndata: end").await;
    for client in [&mut one, &mut two] {
        assert_eq!(texts(&up_to(client, "end").await), ["x", "y", "end"]);
    }
}

/// Nor does a gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_is_behind_what_is_held() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let origin = TestOrigin::start().await;
    let (a, b, mut conn) = two(&nats, &origin, Duration::from_secs(2)).await;
    let (mut one, mut two) = (a.client().await, b.client().await);
    conn.event("data: x").await;
    conn.close().await;
    let mut conn = origin.accept_request().await;
    conn.chunked_stream_head().await;
    conn.event("data: x").await;
    conn.event("data: z").await;
    for client in [&mut one, &mut two] {
        let texts = texts(&up_to(client, "z").await);
        assert_eq!(texts, ["x", "gap: upstream_reconnected", "x", "z"]);
    }
}
