//! What operators see of slow clients.

use super::{FLOOD_EVENTS, evictions, large, relayed, stalled};
use crate::support::client::{get, protocol};
use crate::support::origin::TestOrigin;
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};

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
