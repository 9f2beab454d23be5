//! How far behind a client may be, and for how long.

use super::{FLOOD_EVENTS, closed, evictions, flood, large, relayed, stalled};
use crate::support::client::{End, get};
use crate::support::filler::filler;
use crate::support::relay::PATH;
use std::time::{Duration, Instant};

#[tokio::test]
async fn too_many_events_behind() {
    let (relay, mut conn) = relayed("slow_client: { events: 20, bytes: 100MiB }\nlog: { bytes: 100MiB }").await;
    let mut slow = stalled(&relay).await;
    let mut good = relay.client().await;
    flood(&mut conn, &mut [&mut good], || {
        relay.metric(&evictions("events")) == 1.0
    })
    .await;
    closed(&relay, 1).await;
    assert_eq!(
        slow.end().await,
        End::Reset,
        "inside an event there is nothing but to cut"
    );
    assert_eq!(relay.metric(&evictions("bytes")), 0.0);
}

#[tokio::test]
async fn too_many_bytes_behind() {
    let (relay, mut conn) = relayed("slow_client: { bytes: 256KiB }").await;
    let mut slow = stalled(&relay).await;
    let mut good = relay.client().await;
    flood(&mut conn, &mut [&mut good], || relay.metric(&evictions("bytes")) == 1.0).await;
    closed(&relay, 1).await;
    assert_eq!(slow.end().await, End::Reset);
    // What it got of the log it can go on from.
    let mut back = relay.resume(&slow.last_event_id).await;
    let next = back.next_event().await;
    let expected = slow
        .events_so_far()
        .last()
        .map_or(0, |event| event.event_type.parse::<u32>().unwrap() + 1);
    assert_eq!(next.event_type, expected.to_string());
}

#[tokio::test]
async fn no_progress_for_too_long() {
    let (relay, mut conn) = relayed("slow_client: { bytes: 100MiB, stall: 500ms }\nlog: { bytes: 100MiB }").await;
    let mut slow = stalled(&relay).await;
    let mut good = relay.client().await;
    // Enough to fill what lies between; then one event every now and then.
    for n in 0..FLOOD_EVENTS {
        conn.event(&large(n)).await;
        good.next_event().await;
    }
    relay.eventually_metric(&evictions("stall"), 1.0).await;
    closed(&relay, 1).await;
    assert_eq!(slow.end().await, End::Reset);
}

#[tokio::test]
async fn a_client_that_reads_slowly_is_not_stalled() {
    let (relay, mut conn) = relayed("slow_client: { bytes: 100MiB, stall: 500ms }\nlog: { bytes: 100MiB }").await;
    let mut slow = stalled(&relay).await;
    for n in 0..30 {
        conn.event(&large(n)).await;
    }
    // A few KiB at a time, for much longer than `stall`.
    for n in 0..30 {
        assert_eq!(slow.next_event().await.event_type, n.to_string());
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    assert_eq!(relay.metric(&evictions("stall")), 0.0);
}

/// Not one look finds it without progress, and still it is behind by more than it may be.
#[tokio::test]
async fn who_reads_steadily_and_too_slowly_is_over_its_limit_all_the_same() {
    let (relay, mut conn) = relayed("slow_client: { bytes: 256KiB }\nlog: { bytes: 64MiB }").await;
    let mut slow = stalled(&relay).await;
    let mut good = relay.client().await;
    let mut n = 0;
    while relay.metric(&evictions("bytes")) == 0.0 {
        // One of five.
        for _ in 0..5 {
            conn.event(&large(n)).await;
            good.next_event().await;
            n += 1;
        }
        assert!(n < 3_000, "nothing happens");
        if slow.try_next_event().await.is_none() {
            break;
        }
        slow.forget_body();
    }
    relay.eventually_metric(&evictions("bytes"), 1.0).await;
    assert_eq!(relay.metric(&evictions("log")), 0.0);
}

#[tokio::test]
async fn who_comes_back_from_far_is_left_to_catch_up() {
    const EVENTS: usize = 500;
    let (relay, mut conn) = relayed("slow_client: { bytes: 256KiB }\nlog: { bytes: 64MiB }\nids: assign").await;
    let mut good = relay.client().await;
    for n in 0..EVENTS {
        conn.event(&large(n)).await;
        good.next_event().await;
        good.forget_body();
    }
    let epoch = String::from_utf8(good.last_event_id.clone()).unwrap();
    let epoch = epoch.rsplit_once('.').unwrap().0;
    let mut back = relay
        .open(&get(PATH).last_event_id(format!("{epoch}.1")).small_receive_buffer())
        .await;
    // 8 MB behind a limit of 256 KiB, and slower than any network: for several looks.
    let began = Instant::now();
    for n in 1..EVENTS {
        assert_eq!(back.next_event().await.event_type, n.to_string());
        back.forget_body();
        if n % 50 == 0 {
            // Nothing can be awaited here: this is the slowness itself.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    assert!(began.elapsed() > Duration::from_millis(900));
    assert_eq!(relay.metric(&evictions("bytes")), 0.0);
}

/// What fills its socket is no event but a heartbeat, which its own timer wrote: it is looked at
/// all the same.
#[tokio::test]
async fn a_client_that_takes_no_heartbeats_is_stalled() {
    let beat = filler(60_000);
    let (relay, _conn) = relayed(&format!(
        "slow_client: {{ stall: 500ms }}\nheartbeat: {{ every: 50ms, as: \"data: {beat}\" }}"
    ))
    .await;
    let _slow = stalled(&relay).await;
    relay.eventually_metric(&evictions("stall"), 1.0).await;
    closed(&relay, 1).await;
}
