//! Events that make every client fetch something: told once instead of ten times, and not to all at
//! the same moment.

use crate::support::client::End;
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{Setup, TestRelay};
use std::time::{Duration, Instant};

async fn relayed(source: &str) -> (TestRelay, TestOrigin, Conn) {
    let origin = TestOrigin::start().await;
    let (relay, conn) = Setup::over(&origin).source(source).start_with(&origin).await;
    (relay, origin, conn)
}

#[tokio::test]
async fn identical_events_within_the_window_are_delivered_once() {
    let (relay, _origin, mut conn) = relayed("coalesce: 200ms\nend_when: { event: end }").await;
    let mut client = relay.client().await;
    conn.body("data: a\n\ndata: b\n\ndata: a\n\nevent: x\ndata: a\n\n".repeat(5))
        .await;
    let seen = [
        client.next_event().await,
        client.next_event().await,
        client.next_event().await,
    ];
    let seen = seen.map(|event| (event.event_type, event.data));
    let wanted = [("message", "a"), ("message", "b"), ("x", "a")].map(|(t, d)| (t.to_owned(), d.to_owned()));
    assert_eq!(seen, wanted);
    // After the window it is news again. The end waits for nobody, and what came before it goes
    // before it.
    conn.body("data: a\n\ndata: a\n\nevent: end\ndata: done\n\n").await;
    assert_eq!(client.end().await, End::LastChunk);
    let rest: Vec<_> = client.events_so_far().into_iter().map(|event| event.data).collect();
    assert_eq!(rest, ["a", "done"]);
    // Events are counted behind the read that brought them.
    relay
        .eventually_metric(r#"fanfare_events_received_total{source="s"}"#, 23.0)
        .await;
}

#[tokio::test]
async fn a_gap_stays_in_its_place() {
    let (relay, origin, mut conn) = relayed("coalesce: 10s").await;
    let mut client = relay.client().await;
    conn.event("data: a").await;
    relay.received(1).await;
    conn.close().await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    assert_eq!(client.next_event().await.data, "a");
    assert_eq!(client.next_event().await.gap().as_deref(), Some("upstream_reconnected"));
}

#[tokio::test]
async fn a_staggered_event_reaches_the_clients_one_after_the_other() {
    let stagger = Duration::from_millis(500);
    let (relay, _origin, mut conn) = relayed("stagger: 500ms\nstart: live").await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(relay.client().await);
    }
    let start = Instant::now();
    conn.event("data: a").await;
    let mut times = Vec::new();
    let readers = clients.into_iter().map(|mut client| {
        tokio::spawn(async move {
            assert_eq!(client.next_event().await.data, "a");
            (start.elapsed(), client)
        })
    });
    let mut clients = Vec::new();
    for reader in readers.collect::<Vec<_>>() {
        let (time, client) = reader.await.unwrap();
        times.push(time);
        clients.push(client);
    }
    times.sort();
    // Two shards of ten clients each: the first at once, the last after nine tenths.
    assert!(times[19] >= stagger * 8 / 10, "{times:?}");
    let within = |from: u32, to: u32| {
        let between = |time: &&Duration| **time >= stagger * from / 10 && **time < stagger * to / 10;
        times.iter().filter(between).count()
    };
    assert!(within(0, 5) <= 14, "{times:?}");
    // Each gets everything, in order, also what comes while a round is under way, and whoever
    // leaves takes nobody along.
    clients.truncate(15);
    for n in 0..50 {
        conn.event(&format!("data: {n}")).await;
    }
    for client in &mut clients {
        for n in 0..50 {
            assert_eq!(client.next_event().await.data, n.to_string());
        }
    }
}

#[tokio::test]
async fn a_staggered_stream_ends_with_its_terminal_event() {
    let (relay, _origin, mut conn) = relayed("stagger: 100ms\nend_when: { event: end }").await;
    let mut clients = [relay.client().await, relay.client().await, relay.client().await];
    conn.body("data: a\n\nevent: end\ndata: b\n\n").await;
    for client in &mut clients {
        assert_eq!(client.end().await, End::LastChunk);
        assert_eq!(client.events_so_far().len(), 2);
    }
}

#[tokio::test]
async fn a_flood_is_not_held_back_until_it_is_lost() {
    let (relay, _origin, mut conn) = relayed("stagger: 1h\nlog: { events: 100 }").await;
    let mut clients = [relay.client().await, relay.client().await, relay.client().await];
    for n in 0..500 {
        conn.event(&format!("data: {n}")).await;
    }
    for client in &mut clients {
        for n in 0..470 {
            assert_eq!(client.next_event().await.data, n.to_string());
        }
    }
}
