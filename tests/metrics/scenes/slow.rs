//! Clients that don't read: each bound, and each policy.

use crate::moves::Moves;
use crate::support::client::get;
use crate::support::origin::TestOrigin;
use crate::support::relay::{PATH, Setup};

/// So large that a few of them fill every buffer between the relay and a client that doesn't read.
const EVENT_BYTES: usize = 16 * 1024;

pub(crate) async fn play(moves: &mut Moves) {
    for (settings, moved) in [
        (
            "slow_client: { bytes: 100MiB, stall: 30s }\nlog: { bytes: 100MiB }",
            "lag_events_sum{source=\"s\"}",
        ),
        (
            "slow_client: { events: 20, bytes: 100MiB }\nlog: { bytes: 100MiB }",
            "evictions_total{source=\"s\",reason=\"events\"}",
        ),
        (
            "slow_client: { bytes: 256KiB }",
            "evictions_total{source=\"s\",reason=\"bytes\"}",
        ),
        (
            "slow_client: { bytes: 100MiB, stall: 300ms }\nlog: { bytes: 100MiB }",
            "evictions_total{source=\"s\",reason=\"stall\"}",
        ),
        (
            "log: { events: 3 }\nslow_client: { bytes: 64MiB }",
            "evictions_total{source=\"s\",reason=\"log\"}",
        ),
        (
            "slow_client: { policy: pause, bytes: 256KiB, pause_max: 100ms }",
            "evictions_total{source=\"s\",reason=\"pause\"}",
        ),
        (
            "slow_client: { policy: skip, bytes: 256KiB }",
            "gaps_total{source=\"s\",reason=\"skipped\"}",
        ),
    ] {
        stalled(moves, settings, &format!("fanfare_{moved}")).await;
    }
}

async fn stalled(moves: &mut Moves, settings: &str, moved: &str) {
    let origin = TestOrigin::start().await;
    let relay = Setup::over(&origin).source(settings).start();
    let mut scrapes = moves.of(relay.admin).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    let mut slow = relay.open(&get(PATH).small_receive_buffer()).await;
    let publishing = tokio::spawn(async move {
        let event = format!("data: {}", "x".repeat(EVENT_BYTES));
        loop {
            if conn.try_send(format!("{event}\n\n")).await.is_err() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
    let began = std::time::Instant::now();
    while relay.metric(moved) == 0.0 {
        assert!(began.elapsed().as_secs() < 20, "{moved} does not move: {settings}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        // What it misses is found out when it reads again, and a jump needs a socket that takes
        // something.
        if (moved.contains("skipped") || moved.contains("log")) && began.elapsed().as_millis() >= 500 {
            slow.read_more().await;
        }
    }
    scrapes.look().await;
    publishing.abort();
}
