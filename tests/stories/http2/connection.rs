//! A connection's life: how it begins, what it shares, and how it ends.

use super::{CLIENTS, open, relayed};
use crate::support::frames::{
    DATA, END_STREAM, FramePeer, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, block, frame, request,
};
use crate::support::origin::TestOrigin;
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};

#[tokio::test]
async fn streams_share_a_connection() {
    let (relay, mut conn) = relayed("", "").await;
    let mut peer = FramePeer::open(relay.address).await;
    for n in 0..20 {
        open(&mut peer, 2 * n + 1).await;
    }
    relay.eventually_metric(CLIENTS, 20.0).await;
    conn.event("data: for all").await;
    let mut got = Vec::new();
    while got.len() < 20 {
        let frame = peer.next_of(DATA).await.expect("events");
        assert!(frame.payload.ends_with(b"data: for all\n\n"));
        got.push(frame.stream);
    }
    got.sort_unstable();
    assert_eq!(got, (0..20).map(|n| 2 * n + 1).collect::<Vec<_>>());
    // One that is reset is gone, and the others stay.
    peer.send(&frame(RST_STREAM, 0, 1, &8u32.to_be_bytes())).await;
    relay.eventually_metric(CLIENTS, 19.0).await;
    drop(peer);
    relay.eventually_metric(CLIENTS, 0.0).await;
    relay
        .eventually_metric(r#"fanfare_connections_closed_total{source="s",reason="client"}"#, 20.0)
        .await;
}

/// However it is cut up, a preface is one.
#[tokio::test]
async fn a_preface_that_comes_byte_by_byte_is_one() {
    let (relay, _conn) = relayed("", "").await;
    let mut peer = FramePeer::connect(relay.address).await;
    for byte in PREFACE.iter().chain(&frame(SETTINGS, 0, 0, &[])) {
        peer.send(&[*byte]).await;
        tokio::task::yield_now().await;
    }
    peer.next_of(SETTINGS).await.expect("settings");
    open(&mut peer, 1).await;
}

#[tokio::test]
async fn pings_are_answered() {
    let (relay, _conn) = relayed("", "").await;
    let mut peer = FramePeer::open(relay.address).await;
    peer.send(&frame(PING, 0, 0, b"12345678")).await;
    let answer = peer.next_of(PING).await.expect("an answer");
    assert_eq!((answer.flags, &answer.payload[..]), (1, &b"12345678"[..]));
}

#[tokio::test]
async fn a_connection_that_asks_for_nothing_ends() {
    let (relay, _conn) = relayed("", "limits: { header_timeout: 1s, keep_alive: 1s }").await;
    let mut silent = FramePeer::open(relay.address).await;
    assert_eq!(silent.failure().await, Some(0));
    relay
        .eventually_metric(r#"fanfare_refused_total{reason="header_timeout"}"#, 1.0)
        .await;
    // One that has had its answer is idle, and one within a head is late.
    let mut used = FramePeer::open(relay.address).await;
    used.get(1, "/nothing").await;
    assert_eq!(used.next_of(HEADERS).await.expect("an answer").stream, 1);
    assert_eq!(used.failure().await, Some(0));
    let mut slow = FramePeer::open(relay.address).await;
    open(&mut slow, 1).await;
    slow.send(&frame(HEADERS, 0, 3, b"\x82")).await;
    assert_eq!(slow.failure().await, Some(0));
    // A stream keeps its connection.
    let mut busy = FramePeer::open(relay.address).await;
    open(&mut busy, 1).await;
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    busy.send(&frame(PING, 0, 0, &[0; 8])).await;
    assert!(busy.next_of(PING).await.is_some());
}

#[tokio::test]
async fn a_drain_says_so_and_ends_the_streams() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).top("drain: { spread: 2s, timeout: 10s }");
    let mut process = TestProcess::start(&setup).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    process.logged("connected to the origin").await;
    let mut peer = FramePeer::open(process.address).await;
    for n in 0..8 {
        open(&mut peer, 2 * n + 1).await;
    }
    process.terminate();
    let leaving = peer.next_of(GOAWAY).await.expect("a GOAWAY");
    assert_eq!(
        (leaving.code(), &leaving.payload[..4]),
        (0, &[0x7f, 0xff, 0xff, 0xff][..])
    );
    let (mut ended, mut last) = (0, None);
    while let Some(frame) = peer.next().await {
        match frame.kind {
            GOAWAY => last = Some(frame.payload[3]),
            DATA if frame.flags & END_STREAM != 0 => ended += 1,
            RST_STREAM => panic!("{frame:?}"),
            _ => {}
        }
    }
    assert_eq!(
        (ended, last),
        (8, Some(15)),
        "all in order, and the last stream is named"
    );
    assert_eq!(process.exit().await.code(), Some(0));
}

#[tokio::test]
async fn clients_count_as_streams() {
    let (relay, _conn) = relayed("", "limits: { clients: 3 }").await;
    let mut peer = FramePeer::open(relay.address).await;
    for n in 0..3 {
        open(&mut peer, 2 * n + 1).await;
    }
    // A refusal that heals: when to come back, and the end.
    let get = [request("GET", PATH), block(&[("accept", "text/event-stream")])].concat();
    peer.send(&frame(HEADERS, 5, 7, &get)).await;
    let body = peer.until(7, "retry: ").await;
    assert!(!body.contains(":\n\n"), "{body}");
    relay
        .eventually_metric(r#"fanfare_refused_total{reason="clients"}"#, 1.0)
        .await;
    relay.eventually_metric(CLIENTS, 3.0).await;
}
