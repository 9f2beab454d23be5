//! Settings that a reload changes under connected clients; `settings.rs` has each of them by
//! itself.

use crate::support::client::{End, get};
use crate::support::origin::TestOrigin;
use crate::support::relay::{PATH, Setup, eventually};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_heartbeat_that_was_far_away_comes_when_it_is_due_now() {
    let origin = TestOrigin::start().await;
    let setup = |every: &str| Setup::over(&origin).source(&format!("heartbeat: {{ every: {every} }}"));
    let (relay, _conn) = setup("1h").start_with(&origin).await;
    for request in [get(PATH), get(PATH).http10()] {
        relay.relay.reloader().apply(setup("1h").config(), Vec::new());
        let mut client = relay.open(&request).await;
        let began = Instant::now();
        assert_eq!(relay.reload(&setup("200ms")), ["source s: other settings"]);
        assert_eq!(client.next_comment().await, ":");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn streams_that_are_older_than_allowed_by_now_end() {
    let origin = TestOrigin::start().await;
    let setup = |age: &str| Setup::over(&origin).source(&format!("max_age: {age}"));
    let (relay, mut conn) = setup("0s").start_with(&origin).await;
    let mut old = relay.client().await;
    relay.reload(&setup("300ms"));
    assert_eq!(old.end().await, End::LastChunk);
    relay
        .eventually_metric("fanfare_connections_closed_total{source=\"s\",reason=\"max_age\"}", 1.0)
        .await;
    // And one that is to end soon stays when the bound is taken away.
    relay.reload(&setup("1s"));
    let mut young = relay.client().await;
    relay.reload(&setup("0s"));
    tokio::time::sleep(Duration::from_millis(1300)).await;
    conn.event("data: x").await;
    assert_eq!(young.next_event().await.data, "x");
}

#[tokio::test]
async fn a_log_that_may_hold_more_does_and_one_that_may_hold_less_lets_go() {
    let origin = TestOrigin::start().await;
    let setup = |events: usize| Setup::over(&origin).source(&format!("start: earliest\nlog: {{ events: {events} }}"));
    let (relay, mut conn) = setup(10).start_with(&origin).await;
    let mut client = relay.client().await;
    let mut sent = 0;
    let log_events = || relay.metric("fanfare_log_events{source=\"s\"}");
    for (events, kept) in [(10, 10.0), (1000, 110.0), (5, 5.0), (300, 105.0)] {
        relay.relay.reloader().apply(setup(events).config(), Vec::new());
        // The log is bounded anew by the sweep, once a second.
        if sent > 0 && events < 100 {
            eventually("the log to let go", || log_events() <= events as f64).await;
        } else if sent > 0 {
            tokio::time::sleep(Duration::from_millis(1100)).await;
        }
        for _ in 0..100 {
            sent += 1;
            conn.event(&format!("id: {sent}\ndata: {sent}")).await;
            let event = client.next_event().await;
            assert_eq!((event.gap(), event.data), (None, sent.to_string()));
        }
        eventually("what is kept", || log_events() == kept).await;
        let mut late = relay.client().await;
        for n in sent - kept as u64 + 1..=sent {
            assert_eq!(late.next_event().await.data, n.to_string());
        }
        let mut resuming = relay.resume((sent - 3).to_string()).await;
        assert_eq!(resuming.next_event().await.data, (sent - 2).to_string());
    }
}

#[tokio::test]
async fn an_idle_job_goes_by_the_time_in_force() {
    let origin = TestOrigin::start().await;
    let setup = |time: &str| {
        Setup::at(&origin.url("/{job}"))
            .path("/jobs/{job}")
            .source(&format!("idle_timeout: {time}"))
    };
    let relay = setup("1h").start();
    let mut client = get("/jobs/1").send(relay.address).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    client.read_head().await;
    drop(client);
    relay.eventually_clients(0).await;
    relay.reload(&setup("50ms"));
    conn.closed().await;
}
