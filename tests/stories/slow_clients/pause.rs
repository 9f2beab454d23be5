//! The policy `pause`: the origin waits.

use super::{FLOOD_EVENTS, closed, evictions, large, relayed, stalled};
use crate::support::client::End;
use crate::support::relay::eventually;
use std::time::Duration;

#[tokio::test]
async fn pause_stops_the_origin_and_loses_nothing() {
    let pause = "slow_client: { policy: pause, bytes: 256KiB, pause_max: 60s }";
    let (relay, mut conn) = relayed(pause).await;
    let mut slow = stalled(&relay).await;
    let mut good = relay.client().await;
    let publishing = tokio::spawn(async move {
        for n in 0..1_500 {
            conn.event(&large(n)).await;
        }
        conn
    });
    let received = r#"fanfare_events_received_total{source="s"}"#;
    // The origin can't go on: what it is relieved of stands still although it has more.
    let mut before = -1.0;
    eventually("the upstream to stand still", || {
        let now = relay.metric(received);
        let stands = now == before && now > 0.0;
        before = now;
        std::thread::sleep(Duration::from_millis(100));
        stands
    })
    .await;
    assert!(!publishing.is_finished());
    assert!(before < 100.0, "{before} events came through");
    for n in 0..1_500 {
        let (a, b) = tokio::join!(slow.next_event(), good.next_event());
        assert_eq!((a.event_type, b.event_type), (n.to_string(), n.to_string()));
    }
    publishing.await.unwrap();
}

#[tokio::test]
async fn pause_has_an_end() {
    for log in ["", "\nlog: { bytes: 128KiB }"] {
        let (relay, mut conn) = relayed(&format!(
            "slow_client: {{ policy: pause, bytes: 256KiB, pause_max: 1s }}{log}"
        ))
        .await;
        let mut slow = stalled(&relay).await;
        let mut good = relay.client().await;
        let publishing = tokio::spawn(async move {
            for n in 0..300 {
                conn.event(&large(n)).await;
            }
            conn
        });
        for n in 0..300 {
            assert_eq!(good.next_event().await.event_type, n.to_string(), "{log}");
        }
        publishing.await.unwrap();
        closed(&relay, 1).await;
        closed(&relay, 1).await;
        assert_eq!(slow.end().await, End::Reset);
        let evicted = relay.metric(&evictions("pause"));
        assert_eq!(evicted, 1.0);
    }
}

#[tokio::test]
async fn each_pause_has_its_own_time() {
    let pause = "slow_client: { policy: pause, bytes: 256KiB, pause_max: 3s }\nheartbeat: { every: 200ms }";
    let (relay, mut conn) = relayed(pause).await;
    let mut slow = stalled(&relay).await;
    let mut good = relay.client().await;
    for round in 0..2 {
        let publishing = tokio::spawn(async move {
            for n in 0..FLOOD_EVENTS {
                conn.event(&large(n)).await;
            }
            conn
        });
        // As many as come until the upstream stands still: then there is time for a heartbeat, and
        // for looks.
        for _ in 0..2 {
            good.next_comment().await;
        }
        for n in 0..FLOOD_EVENTS {
            let (a, b) = tokio::join!(slow.next_event(), good.next_event());
            assert_eq!((a.event_type, b.event_type), (n.to_string(), n.to_string()), "{round}");
        }
        conn = publishing.await.unwrap();
        // Level again, for longer than a pause may take.
        for _ in 0..16 {
            good.next_comment().await;
        }
    }
    assert_eq!(relay.metric(&evictions("pause")), 0.0);
}
