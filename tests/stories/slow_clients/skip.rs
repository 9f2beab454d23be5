//! The policy `skip`: a client goes on at the head, and is told what it missed.

use super::{EVENT_BYTES, large, relayed, stalled};
use crate::support::client::End;
use crate::support::relay::TestRelay;
use std::time::Duration;

#[tokio::test]
async fn skip_goes_on_at_the_head_and_says_how_much_is_missing() {
    let (relay, mut conn) = relayed("slow_client: { policy: skip, bytes: 256KiB }\nheartbeat: { every: 300ms }").await;
    let mut slow = stalled(&relay).await;
    let mut good = relay.client().await;
    let (mut published, mut expected) = (0, 0);
    let gap = 'skipped: loop {
        while slow_lag_bytes(&relay).await <= 300 * 1024 {
            conn.event(&large(published)).await;
            good.next_event().await;
            published += 1;
            assert!(published < 5_000, "nothing happens");
        }
        // The jump is made once the lag has been looked at, in less time than lies between two
        // heartbeats, and the socket takes something again. Whoever was not looked at in time
        // catches up, and falls behind again.
        good.next_comment().await;
        good.next_comment().await;
        while expected < published {
            let event = slow.next_event().await;
            if event.gap().is_some() {
                break 'skipped event;
            }
            assert_eq!(
                (event.event_type.clone(), event.data.len()),
                (expected.to_string(), EVENT_BYTES),
                "whole and in order"
            );
            expected += 1;
        }
    };
    assert_eq!(gap.gap().as_deref(), Some("skipped"));
    assert_eq!(gap.json()["events"], published - expected, "{}", gap.data);
    conn.event("event: new\ndata: x").await;
    assert_eq!(slow.next_event().await.event_type, "new");
    assert_eq!(relay.metric(r#"fanfare_gaps_total{source="s",reason="skipped"}"#), 1.0);
    assert_eq!(relay.clients(), 2.0, "nobody was evicted");
}

#[tokio::test]
async fn skip_jumps_at_most_to_the_terminal_event() {
    let (relay, mut conn) = relayed(
        "slow_client: { policy: skip, bytes: 256KiB }\nheartbeat: { every: 300ms }\nend_when: [ { event: done } ]",
    )
    .await;
    let mut slow = stalled(&relay).await;
    let mut good = relay.client().await;
    let mut published = 0;
    while slow_lag_bytes(&relay).await <= 300 * 1024 {
        conn.event(&large(published)).await;
        good.next_event().await;
        published += 1;
        assert!(published < 5_000, "nothing happens");
    }
    conn.event("event: done\ndata: x").await;
    assert_eq!(good.next_event().await.event_type, "done");
    // Nothing tells when the lag has been looked at: that happens between two heartbeats.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let mut gaps = 0;
    loop {
        let event = slow.next_event().await;
        gaps += usize::from(event.gap().is_some());
        if event.event_type == "done" {
            break;
        }
    }
    assert_eq!(gaps, 1);
    assert_eq!(slow.end().await, End::LastChunk);
}

async fn slow_lag_bytes(relay: &TestRelay) -> u64 {
    relay
        .status()
        .await
        .pointer("/sources/0/lag/bytes/max")
        .and_then(|max| max.as_u64())
        .unwrap_or_default()
}

/// The event that reset the id is among those that were skipped.
#[tokio::test]
async fn a_client_that_skipped_a_reset_of_the_id_learns_of_it() {
    let (relay, mut conn) = relayed(
        "ids: pass\nslow_client: { policy: skip, bytes: 4MiB }\nlog: { bytes: 64MiB }\nheartbeat: { every: 300ms }",
    )
    .await;
    let mut slow = stalled(&relay).await;
    let mut good = relay.client().await;
    for n in 0..700 {
        let id = match n {
            0 => "id: 1\n",
            // Behind everything that fits into the kernel's buffers.
            300 => "id\n",
            _ => "",
        };
        conn.event(&format!("{id}{}", large(n))).await;
        good.next_event().await;
    }
    let gap = loop {
        let event = slow.next_event().await;
        if event.gap().is_some() {
            break event;
        }
        assert_eq!(event.id(), "1", "{} before a gap", event.event_type);
    };
    assert_eq!(gap.gap().as_deref(), Some("skipped"));
    conn.event("data: last").await;
    assert_eq!(slow.until_data("last").await.pop().unwrap().id(), "");
}
