//! Clients that don't keep up: what becomes of them, and that nobody else notices.

use crate::support::client::{End, TestClient, get, protocol};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup, TestRelay, eventually};
use std::time::{Duration, Instant};

/// Data of one event: so large that a few of them fill every buffer between the relay and a client
/// that doesn't read.
const EVENT_BYTES: usize = 16 * 1024;
/// More than fits into the kernel's buffers on both sides.
const FLOOD_EVENTS: usize = 100;

async fn relayed(source: &str) -> (TestRelay, Conn) {
    let origin = TestOrigin::start().await;
    Setup::over(&origin).source(source).start_with(&origin).await
}

async fn stalled(relay: &TestRelay) -> TestClient {
    relay.open(&get(PATH).small_receive_buffer()).await
}

fn large(n: usize) -> String {
    format!("event: {n}\ndata: {}", "x".repeat(EVENT_BYTES))
}

/// Publishes large events, each once the others have the one before. Returns how many.
async fn flood(conn: &mut Conn, others: &mut [&mut TestClient], done: impl Fn() -> bool) -> usize {
    let mut n = 0;
    while !done() {
        assert!(n < 50 * FLOOD_EVENTS, "nothing happens");
        conn.event(&large(n)).await;
        for other in others.iter_mut() {
            assert_eq!(
                other.next_event().await.event_type,
                n.to_string(),
                "the others get everything meanwhile"
            );
        }
        n += 1;
    }
    n
}

/// Until so many have been cut, or have got their end.
async fn closed(relay: &TestRelay, clients: usize) {
    relay
        .eventually_metric(
            r#"fanfare_connections_closed_total{source="s",reason="evicted"}"#,
            clients as f64,
        )
        .await;
}

fn evictions(reason: &str) -> String {
    format!(r#"fanfare_evictions_total{{source="s",reason="{reason}"}}"#)
}

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

#[tokio::test]
async fn a_client_that_reads_again_in_time_gets_its_event_and_an_end_in_order() {
    let (relay, mut conn) = relayed("slow_client: { bytes: 256KiB }").await;
    let mut slow = stalled(&relay).await;
    let evicted = || relay.metric(&evictions("bytes")) == 1.0;
    flood(&mut conn, &mut [], evicted).await;
    // The rest of the event under way, the reconnection time, the last chunk.
    assert_eq!(slow.end().await, End::LastChunk);
    assert_eq!(slow.incomplete(), b"");
    assert_eq!(slow.retries.len(), 2, "one at the start, one at the end");
    let events = slow.events_so_far();
    let next = events.len();
    assert!(
        events
            .iter()
            .enumerate()
            .all(|(n, event)| event.event_type == n.to_string())
    );
    let mut back = relay.resume(&slow.last_event_id).await;
    assert_eq!(back.next_event().await.event_type, next.to_string());
}

#[tokio::test]
async fn who_stands_in_an_event_that_the_log_lets_go_gets_the_rest_of_it() {
    let (relay, mut conn) = relayed("log: { events: 3 }\nevent_bytes_max: 4MiB\nslow_client: { bytes: 64MiB }").await;
    let mut slow = stalled(&relay).await;
    let mut good = relay.client().await;
    let data = "y".repeat(3 << 20);
    conn.event(&format!("data: {data}")).await;
    good.next_event().await;
    for n in 0..10 {
        conn.event(&format!("data: {n}")).await;
        good.next_event().await;
    }
    let event = slow.next_event().await;
    assert!(event.data == data, "{} bytes", event.data.len());
    // What followed is gone: an end in order, and the resume says so.
    assert_eq!(slow.end().await, End::LastChunk);
    assert_eq!(relay.metric(&evictions("log")), 1.0);
    let mut back = relay.resume(&slow.last_event_id).await;
    assert_eq!(back.next_event().await.gap().as_deref(), Some("evicted"));
    assert_eq!(back.next_event().await.data, "7");
}

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

#[tokio::test]
async fn status_names_the_slowest() {
    let (relay, mut conn) = relayed("slow_client: { bytes: 100MiB }\nlog: { bytes: 100MiB }").await;
    let mut slow = Vec::new();
    for _ in 0..12 {
        slow.push(stalled(&relay).await);
    }
    let mut good = relay.client().await;
    for n in 0..FLOOD_EVENTS {
        conn.event(&large(n)).await;
        good.next_event().await;
    }
    let status = relay.status().await;
    let source = &status["sources"][0];
    assert_eq!(source["clients"][protocol()], 13, "{source:#}");
    let slowest = source["slowest"].as_array().unwrap();
    assert_eq!(slowest.len(), 10, "{source:#}");
    let lags: Vec<u64> = slowest
        .iter()
        .map(|client| client["lag_events"].as_u64().unwrap())
        .collect();
    assert!(lags.iter().rev().is_sorted() && lags[9] > 0, "{lags:?}");
    let peers: Vec<_> = slow.iter().map(|client| client.local_address().to_string()).collect();
    for client in slowest {
        assert!(peers.iter().any(|peer| client["peer"] == peer.as_str()), "{client}");
        assert!(client["lag_bytes"].as_u64().unwrap() > 0);
    }
    assert_eq!(source["lag"]["events"]["max"], lags[0], "{source:#}");
}

#[tokio::test]
async fn an_eviction_is_logged_with_peer_and_lag_and_costs_no_memory() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source("slow_client: { bytes: 512KiB }\nlog: { bytes: 4MiB }");
    let process = TestProcess::start(&setup).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut client = get(PATH).small_receive_buffer().open(process.address).await;
        client.opened().await;
        slow.push(client);
    }
    let before = process.resident_kib();
    let mut good = get(PATH).open(process.address).await;
    good.opened().await;
    for n in 0..1_000 {
        conn.event(&large(n)).await;
        good.next_event().await;
    }
    process.eventually_metric(&evictions("bytes"), 50.0).await;
    let lines = process.log_lines("slow client evicted");
    assert_eq!(lines.len(), 50);
    for line in &lines {
        assert_eq!(
            (&line["level"], &line["source"], &line["reason"]),
            (&"DEBUG".into(), &"s".into(), &"bytes".into())
        );
        assert!(line["lag_bytes"].as_u64().unwrap() > 512 * 1024, "{line}");
        assert!(
            slow.iter()
                .any(|client| line["peer"] == client.local_address().to_string().as_str()),
            "{line}"
        );
    }
    // 16 MiB went by. What was kept is the log, and what an allocator keeps.
    let grown = process.resident_kib() - before;
    assert!(grown < 24 * 1024, "{grown} KiB");
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

/// What fills its socket is no event but a heartbeat, which its own timer wrote: it is looked at
/// all the same.
#[tokio::test]
async fn a_client_that_takes_no_heartbeats_is_stalled() {
    let beat = "x".repeat(60_000);
    let (relay, _conn) = relayed(&format!(
        "slow_client: {{ stall: 500ms }}\nheartbeat: {{ every: 50ms, as: \"data: {beat}\" }}"
    ))
    .await;
    let _slow = stalled(&relay).await;
    relay.eventually_metric(&evictions("stall"), 1.0).await;
    closed(&relay, 1).await;
}
