//! Windows: a stream that is not read is a slow client, and the others of its connection are not.

use super::{CLIENTS, data_until, open, relayed};
use crate::support::frames::{DATA, FramePeer, RST_STREAM, setting, window_update};
use crate::support::relay::eventually;

const EVENT_BYTES: usize = 8 * 1024;

fn large(n: usize) -> String {
    format!("data: {n} {}", "x".repeat(EVENT_BYTES))
}

fn evicted(reason: &str) -> String {
    format!(r#"fanfare_evictions_total{{source="s",reason="{reason}"}}"#)
}

/// The first stream's window stays shut; the second one gives back what it reads.
#[tokio::test]
async fn a_shut_window_is_a_slow_client_and_the_others_go_on() {
    let (relay, mut conn) = relayed("slow_client: { bytes: 64KiB }", "").await;
    let mut peer = FramePeer::open(relay.address).await;
    peer.send(&window_update(0, 10 << 20)).await;
    open(&mut peer, 1).await;
    open(&mut peer, 3).await;
    let mut n = 0;
    while relay.metric(&evicted("bytes")) == 0.0 {
        assert!(n < 5000, "nothing happens");
        conn.event(&large(n)).await;
        let end = [large(n).as_bytes(), b"\n\n"].concat();
        let got = data_until(&mut peer, 3, &end).await;
        peer.send(&window_update(3, got.len() as u32)).await;
        n += 1;
    }
    // It can't end in order: that is a cut.
    let reset = peer.next_of(RST_STREAM).await.expect("a reset");
    assert_eq!(reset.stream, 1);
    relay.eventually_metric(CLIENTS, 1.0).await;
    conn.event("data: last").await;
    data_until(&mut peer, 3, b"data: last\n\n").await;
}

/// As a browser's tab that is frozen: its window is large, so all that it doesn't read is in
/// flight, and nothing waits here.
#[tokio::test]
async fn what_is_in_flight_and_not_read_is_a_lag() {
    let (relay, mut conn) = relayed("slow_client: { bytes: 64KiB }", "").await;
    let mut peer = FramePeer::open(relay.address).await;
    peer.send(&setting(4, 1 << 20)).await;
    peer.send(&window_update(0, 4 << 20)).await;
    open(&mut peer, 1).await;
    let mut sent = 0;
    let mut got = 0;
    while relay.metric(&evicted("bytes")) == 0.0 {
        assert!(sent < 200 * EVENT_BYTES, "nothing happens");
        conn.event(&large(0)).await;
        sent += EVENT_BYTES;
        // The socket is read all the time.
        while got + 4 * EVENT_BYTES < sent {
            let Some(frame) = peer.next().await else { break };
            got += if frame.kind == DATA { frame.payload.len() } else { 0 };
            if frame.kind == RST_STREAM {
                return assert!(
                    got > 512 << 10,
                    "half of its window may be read, for all we know: {got}"
                );
            }
        }
    }
    assert!(sent > 512 << 10 && sent < 1 << 20, "{sent}");
}

/// Three tabs that are frozen leave the fourth what it needs.
#[tokio::test]
async fn one_stream_never_takes_the_last_of_the_connections_window() {
    let (relay, mut conn) = relayed(
        "slow_client: { bytes: 100MiB, events: 100000, stall: 1h }\nlog: { bytes: 100MiB }",
        "",
    )
    .await;
    let mut peer = FramePeer::open(relay.address).await;
    // The proportions of Chromium: 6 to 15.
    peer.send(&setting(4, 384 << 10)).await;
    peer.send(&window_update(0, (960 << 10) - 65_535)).await;
    for n in 0..4 {
        open(&mut peer, 2 * n + 1).await;
    }
    // The fourth gives back what it reads, on its stream and on the connection.
    for n in 0..200 {
        conn.event(&large(n)).await;
        let end = [large(n).as_bytes(), b"\n\n"].concat();
        let got = data_until(&mut peer, 7, &end).await.len() as u32;
        peer.send(&window_update(7, got)).await;
        peer.send(&window_update(0, got)).await;
    }
    relay.eventually_metric(CLIENTS, 4.0).await;
}

/// A receiver that gives back half of its windows, and not before, is never stuck.
#[tokio::test]
async fn a_receiver_that_gives_back_half_gets_everything() {
    let (relay, mut conn) = relayed("", "").await;
    let mut peer = FramePeer::open(relay.address).await;
    open(&mut peer, 1).await;
    let (mut kept, mut n) = (0, 0);
    while n < 100 {
        conn.event(&large(n)).await;
        let end = [large(n).as_bytes(), b"\n\n"].concat();
        let mut body = Vec::new();
        while !body.ends_with(&end) {
            let frame = peer.next_of(DATA).await.expect("events");
            kept += frame.payload.len();
            body.extend_from_slice(&frame.payload);
            // nghttp2's rule.
            if kept >= 65_535 / 2 {
                peer.send(&window_update(1, kept as u32)).await;
                peer.send(&window_update(0, kept as u32)).await;
                kept = 0;
            }
        }
        n += 1;
    }
}

/// Windows that grow byte by byte cost the relay no frame for each, and end as a slow client or a
/// connection that asks for too much.
#[tokio::test]
async fn windows_of_crumbs_are_no_way_to_keep_the_relay_busy() {
    let (relay, mut conn) = relayed("slow_client: { bytes: 64KiB }", "").await;
    let mut good = relay.client().await;
    let mut peer = FramePeer::open(relay.address).await;
    open(&mut peer, 1).await;
    for n in 0..12 {
        conn.event(&large(n)).await;
        good.next_event().await;
    }
    let mut io = peer;
    while relay.metric(CLIENTS) > 0.0 {
        if !io.send(&window_update(1, 1).repeat(100)).await {
            break;
        }
        tokio::task::yield_now().await;
    }
    eventually("the client is gone", || relay.metric(CLIENTS) == 0.0).await;
    conn.event("data: last").await;
    good.until_data("last").await;
}
