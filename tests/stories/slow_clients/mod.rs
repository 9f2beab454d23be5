//! Clients that don't keep up: what becomes of them, and that nobody else notices.

mod bounds;
mod ends;
mod filtered;
mod pause;
mod seen;
mod skip;

use crate::support::client::{TestClient, get};
use crate::support::filler::nth_filler;
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay};

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
    format!("event: {n}\ndata: {}", nth_filler(n, EVENT_BYTES))
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
