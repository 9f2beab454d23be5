//! What status and metrics say of clients: which are the slowest, and why a stream ended.

use crate::support::client::{TestClient, ask, get};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay};

/// More than fits into the kernel's buffers between the relay and a client that doesn't read.
const FLOOD_BYTES: usize = 1600 * 1024;

fn closed(reason: &str) -> String {
    format!(r#"fanfare_connections_closed_total{{source="s",reason="{reason}"}}"#)
}

async fn relayed(source: &str) -> (TestRelay, Conn) {
    let origin = TestOrigin::start().await;
    Setup::over(&origin).source(source).start_with(&origin).await
}

/// One shard, and a channel for each job: the slowest by bytes is not the slowest by events.
async fn one_shard(origin: &TestOrigin) -> TestRelay {
    TestRelay::read(&format!(
        "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nworkers: 1\nsources:\n  s:\n    path: /jobs/{{job}}\n    \
         upstream: \"{}\"\n    slow_client: {{ bytes: 100MiB }}\n    log: {{ bytes: 100MiB }}\n",
        origin.url("/{job}")
    ))
}

/// Clients of a job that read nothing, and the job's upstream.
async fn stalled(relay: &TestRelay, origin: &TestOrigin, job: &str, count: usize) -> (Vec<TestClient>, Conn) {
    let path = format!("/jobs/{job}");
    let mut clients = vec![get(&path).small_receive_buffer().send(relay.address).await];
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    while clients.len() < count {
        clients.push(get(&path).small_receive_buffer().send(relay.address).await);
    }
    (clients, conn)
}

async fn flood(conn: &mut Conn, events: usize, event_bytes: usize) {
    let event = format!("data: {}", "x".repeat(event_bytes));
    for _ in 0..events {
        conn.event(&event).await;
    }
}

/// A shard and the status, which gathers from all shards, have to leave the same ones: else the
/// slowest of all is dropped on the way.
#[tokio::test]
async fn status_names_the_slowest_whichever_job_it_follows() {
    let origin = TestOrigin::start().await;
    let relay = one_shard(&origin).await;
    let (many, mut small) = stalled(&relay, &origin, "small", 11).await;
    let (one, mut large) = stalled(&relay, &origin, "large", 1).await;
    relay.eventually_clients(12).await;
    flood(&mut small, FLOOD_BYTES / 1024, 1024).await;
    flood(&mut large, 20, FLOOD_BYTES / 5).await;
    relay.received((FLOOD_BYTES / 1024 + 20) as u64).await;
    let slowest = one[0].local_address().to_string();
    relay.eventually_status("/sources/0/slowest/0/peer", slowest).await;
    let status = relay.status().await;
    let lag = |n: usize, key: &str| status["sources"][0]["slowest"][n][key].as_u64().unwrap();
    assert!(lag(0, "lag_bytes") > lag(1, "lag_bytes"), "{status:#}");
    assert!(lag(0, "lag_events") < lag(1, "lag_events"), "{status:#}");
    drop(many);
}

/// What the status knows of the clients at an address.
async fn clients_at(relay: &TestRelay, address: impl std::fmt::Display) -> serde_json::Value {
    let answer = ask("GET", &format!("/status?client={address}"))
        .answer(relay.admin)
        .await;
    assert_eq!(answer.head.status, 200, "{}", answer.body);
    answer.json()["clients"].take()
}

#[tokio::test]
async fn one_client_is_told_of_by_its_address() {
    let (relay, mut conn) = relayed("ids: pass").await;
    let mut client = relay.client().await;
    conn.event("id: 7\ndata: a").await;
    assert_eq!(client.next_event().await.id(), "7");
    let mut other = relay.client().await;
    other.opened().await;
    let address = client.local_address();
    let clients = clients_at(&relay, address).await;
    assert_eq!(clients.as_array().unwrap().len(), 1, "{clients:#}");
    let one = &clients[0];
    for (key, wanted) in [
        ("peer", address.to_string().as_str()),
        ("source", "s"),
        ("state", "live"),
        ("last_event_id", "7"),
    ] {
        assert_eq!(one[key], wanted, "{clients:#}");
    }
    for nothing in ["user", "expires", "leaves"] {
        assert!(one[nothing].is_null(), "{clients:#}");
    }
    assert_eq!((&one["lag_events"], &one["lag_bytes"]), (&0.into(), &0.into()));
    assert!(one["connected_seconds"].is_number() && one["silent_seconds"].is_number());
    assert_eq!(clients_at(&relay, address.ip()).await.as_array().unwrap().len(), 2);
    for elsewhere in ["127.0.0.9", "[::1]:1", "127.0.0.1:1"] {
        assert_eq!(
            clients_at(&relay, elsewhere).await,
            serde_json::json!([]),
            "{elsewhere}"
        );
    }
    drop(client);
    relay.eventually_clients(1).await;
    assert_eq!(clients_at(&relay, address).await, serde_json::json!([]));
}

#[tokio::test]
async fn one_client_that_does_not_read_is_said_to_be_blocked() {
    let (relay, mut conn) = relayed("slow_client: { bytes: 100MiB }\nlog: { bytes: 100MiB }").await;
    let slow = get(PATH).small_receive_buffer().send(relay.address).await;
    relay.eventually_clients(1).await;
    flood(&mut conn, FLOOD_BYTES / 1024, 1024).await;
    relay.received((FLOOD_BYTES / 1024) as u64).await;
    let one = loop {
        let mut clients = clients_at(&relay, slow.local_address()).await;
        if clients[0]["state"] == "blocked" {
            break clients[0].take();
        }
        tokio::task::yield_now().await;
    };
    assert!(
        one["lag_bytes"].as_u64().unwrap() > 0 && one["lag_events"].as_u64().unwrap() > 0,
        "{one:#}"
    );
}

#[tokio::test]
async fn a_client_that_closes_has_left() {
    let (relay, _conn) = relayed("").await;
    let client = relay.client().await;
    relay.eventually_clients(1).await;
    drop(client);
    relay.eventually_metric(&closed("client"), 1.0).await;
    assert_eq!(relay.metric(&closed("error")), 0.0);
}

#[tokio::test]
async fn a_client_that_resets_its_live_stream_is_an_error() {
    let (relay, _conn) = relayed("").await;
    let client = relay.client().await;
    relay.eventually_clients(1).await;
    client.reset();
    relay.eventually_metric(&closed("error"), 1.0).await;
    assert_eq!(relay.metric(&closed("client")), 0.0);
}

/// Its socket is full, so that its reset is found by its readiness or by a write, whichever is
/// first.
#[tokio::test]
async fn a_client_that_resets_while_it_is_slow_is_an_error() {
    let (relay, mut conn) = relayed("slow_client: { bytes: 100MiB }").await;
    let slow = relay.open(&get(PATH).small_receive_buffer()).await;
    flood(&mut conn, 100, FLOOD_BYTES / 100).await;
    relay.received(100).await;
    slow.reset();
    relay.eventually_metric(&closed("error"), 1.0).await;
    assert_eq!(relay.metric(&closed("client")), 0.0);
}
