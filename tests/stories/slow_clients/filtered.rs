//! Clients that have chosen some of the events: they are slow by what they get.

use super::{EVENT_BYTES, evictions, relayed};
use crate::support::client::{End, TestClient, get};
use crate::support::filler::nth_filler;
use crate::support::origin::Conn;
use crate::support::relay::{PATH, TestRelay, eventually};
use std::time::Duration;

async fn filtered(relay: &TestRelay, query: &str) -> TestClient {
    relay
        .open(&get(&format!("{PATH}?{query}")).small_receive_buffer())
        .await
}

async fn lag_bytes(relay: &TestRelay) -> u64 {
    let status = relay.status().await;
    let max = status.pointer("/sources/0/lag/bytes/max");
    max.and_then(|max| max.as_u64()).unwrap_or_default()
}

/// An event of this type.
async fn publish(conn: &mut Conn, good: &mut TestClient, event_type: &str, n: usize, bytes: usize) {
    conn.event(&format!("event: {event_type}\ndata: {}", nth_filler(n, bytes)))
        .await;
    good.next_event().await;
    good.forget_body();
}

/// Publishes events of a type until the client that has chosen it is behind by so much. Returns how
/// many.
async fn until_late(relay: &TestRelay, conn: &mut Conn, good: &mut TestClient, event_type: &str, bytes: u64) -> usize {
    let mut published = 0;
    while lag_bytes(relay).await <= bytes {
        publish(conn, good, event_type, published, EVENT_BYTES).await;
        // Something that is not for it.
        publish(conn, good, "other", published, 100).await;
        published += 1;
        assert!(published < 5_000, "nothing happens");
    }
    published
}

#[tokio::test]
async fn a_client_that_skips_is_told_how_many_of_its_events_are_missing() {
    let source = "filters: 4\nslow_client: { policy: skip, bytes: 256KiB }\nheartbeat: { every: 300ms }\n\
                  end_when: [ { event: done } ]";
    let (relay, mut conn) = relayed(source).await;
    let mut slow = filtered(&relay, "event=mine").await;
    let mut good = relay.client().await;
    let (mut published, mut had) = (0, 0);
    let gap = 'skipped: loop {
        published += until_late(&relay, &mut conn, &mut good, "mine", 300 * 1024).await;
        // Between two heartbeats its lag is looked at.
        good.next_comment().await;
        good.next_comment().await;
        while had < published {
            let event = slow.next_event().await;
            if event.gap().is_some() {
                break 'skipped event;
            }
            assert_eq!((&*event.event_type, event.data.len()), ("mine", EVENT_BYTES));
            had += 1;
        }
    };
    assert_eq!(gap.gap().as_deref(), Some("skipped"));
    assert_eq!(
        (gap.json()["source"].as_str(), gap.json()["events"].as_u64()),
        (Some("s"), Some((published - had) as u64))
    );
    // The terminal event is for everyone.
    until_late(&relay, &mut conn, &mut good, "mine", 300 * 1024).await;
    conn.event("event: done\ndata: x").await;
    good.next_event().await;
    // Nothing tells when the lag has been looked at: that happens between two heartbeats.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(slow.end().await, End::LastChunk);
    let last = slow.events_so_far().pop().map(|event| event.event_type);
    assert_eq!(last.as_deref(), Some("done"));
}

#[tokio::test]
async fn the_origin_waits_for_a_client_with_a_filter() {
    let (relay, mut conn) = relayed("filters: 4\nslow_client: { policy: pause, bytes: 256KiB, pause_max: 60s }").await;
    let mut slow = filtered(&relay, "event=mine").await;
    let publishing = tokio::spawn(async move {
        for n in 0..400 {
            conn.event(&format!("event: mine\nid: {n}\ndata: {}", nth_filler(n, EVENT_BYTES)))
                .await;
        }
        conn
    });
    let received = r#"fanfare_events_received_total{source="s"}"#;
    let mut before = -1.0;
    eventually("the upstream to stand still", || {
        let now = relay.metric(received);
        let stands = now == before && now > 0.0;
        before = now;
        std::thread::sleep(Duration::from_millis(100));
        stands
    })
    .await;
    assert!(before < 100.0, "{before} events came through");
    for n in 0..400 {
        assert_eq!(slow.next_event().await.id(), n.to_string());
    }
    publishing.await.unwrap();
}

/// A few entries behind of its own, which are small, it is not behind by as many large ones.
#[tokio::test]
async fn the_origin_does_not_wait_for_what_a_client_does_not_get() {
    let source = "filters: 4\nslow_client: { policy: pause, bytes: 1MiB, stall: 60s, pause_max: 60s }\n\
                  log: { bytes: 64MiB }";
    let (relay, mut conn) = relayed(source).await;
    let _slow = filtered(&relay, "event=mine").await;
    let mut good = relay.client().await;
    until_late(&relay, &mut conn, &mut good, "mine", 160 * 1024).await;
    for n in 0..40 {
        publish(&mut conn, &mut good, "other", n, 8 * EVENT_BYTES).await;
    }
    assert_eq!(relay.metric(&evictions("pause")), 0.0);
    assert_eq!(relay.clients(), 2.0);
}
