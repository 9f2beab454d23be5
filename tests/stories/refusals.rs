//! Who is not let in, how that is said, and that those who are in don't notice.

use crate::support::client::{End, TestClient, ask, connect, get, speaks_http2};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup, TestRelay, eventually};
use crate::support::tls::dial;
use std::time::Duration;

async fn relayed(top: &str, source: &str) -> (TestRelay, Conn) {
    let origin = TestOrigin::start().await;
    Setup::over(&origin).top(top).source(source).start_with(&origin).await
}

fn refused(relay: &TestRelay, reason: &str) -> f64 {
    relay.metric(&format!(r#"fanfare_refused_total{{reason="{reason}"}}"#))
}

/// Asserts that a client which names the type is told when to come back, in a stream that ends.
async fn assert_sent_away(client: &mut TestClient) {
    let head = client.read_head().await;
    assert_eq!(
        (head.status, head.header("content-type")),
        (200, Some("text/event-stream"))
    );
    assert_eq!(client.end().await, End::LastChunk);
    assert_eq!(client.retries.len(), 1);
    assert!((1_500..=4_500).contains(&client.retries[0]), "{:?}", client.retries);
    assert_eq!(client.events_so_far(), []);
}

#[tokio::test]
async fn a_full_relay_says_when_to_come_back() {
    let (relay, mut conn) = relayed("limits: { clients: 2 }", "").await;
    let mut inside = [relay.client().await, relay.client().await];
    assert_sent_away(&mut get(PATH).send(relay.address).await).await;
    // Who doesn't name the type is no EventSource: it gets the status.
    let answer = ask("GET", PATH).header("Accept", "*/*").answer(relay.address).await;
    answer.assert_problem(503);
    let after: u64 = answer.head.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&after));
    assert_eq!(refused(&relay, "clients"), 2.0);
    conn.event("data: x").await;
    for client in &mut inside {
        assert_eq!(client.next_event().await.data, "x");
    }
    let [left, _stays] = inside;
    drop(left);
    relay.eventually_clients(1).await;
    relay.client().await;
}

#[tokio::test]
async fn refuse_status_is_a_status_for_everybody() {
    let (relay, _conn) = relayed("limits: { clients: 1 }", "refuse: status").await;
    let _inside = relay.client().await;
    let answer = get(PATH).answer(relay.address).await;
    answer.assert_problem(503);
    assert!(answer.head.header("retry-after").is_some());
}

#[tokio::test]
async fn one_address_gets_only_so_many() {
    let (relay, _conn) = relayed("limits: { clients_per_ip: 2 }", "").await;
    // Nobody is trusted: what a client says of itself changes nothing.
    let _inside = [
        relay.client().await,
        relay.open(&get(PATH).header("X-Forwarded-For", "192.0.2.1")).await,
    ];
    assert_sent_away(
        &mut get(PATH)
            .header("X-Forwarded-For", "192.0.2.2")
            .send(relay.address)
            .await,
    )
    .await;
    assert_eq!(refused(&relay, "clients_per_ip"), 1.0);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_clients_own_address_counts() {
    let (relay, _conn) = relayed("limits: { clients_per_ip: 1 }\ntrusted_proxies: [127.0.0.0/8]", "").await;
    let xff = |value: &str| get(PATH).header("X-Forwarded-For", value);
    let forwarded = |value: &str| get(PATH).header("Forwarded", value);
    let _inside = [
        relay.open(&xff("192.0.2.1")).await,
        relay.open(&xff("192.0.2.1, 192.0.2.2")).await,
        relay.open(&forwarded("for=192.0.2.3;proto=https")).await,
        relay.open(&forwarded("for=\"[2001:db8::1]:4711\"")).await,
    ];
    for again in [
        xff("10.9.9.9, 192.0.2.1"),
        forwarded("For=\"192.0.2.3:80\""),
        xff("2001:db8::1"),
    ] {
        assert_sent_away(&mut again.send(relay.address).await).await;
    }
    // The place is given back with the client.
    drop(_inside);
    relay.eventually_clients(0).await;
    relay.open(&xff("192.0.2.1")).await;
}

#[tokio::test]
async fn only_so_many_a_second() {
    let (relay, _conn) = relayed("limits: { accepts_per_second: 5 }", "").await;
    let mut inside = Vec::new();
    for _ in 0..20 {
        inside.push(get(PATH).open(relay.address).await);
    }
    assert!(refused(&relay, "rate") >= 5.0, "{}", refused(&relay, "rate"));
    assert!(relay.clients() >= 5.0);
    // It heals by itself.
    let before = relay.clients();
    tokio::time::sleep(Duration::from_millis(600)).await;
    let _late = relay.client().await;
    eventually("another one inside", || relay.clients() > before).await;
}

#[tokio::test]
async fn a_request_that_does_not_come_is_not_waited_for() {
    let (relay, mut conn) = relayed("limits: { header_timeout: 300ms }", "").await;
    let mut silent = TestClient::over(dial(relay.address, None).await, false);
    let mut halfway = TestClient::over(dial(relay.address, None).await, false);
    halfway.write("GET /events HTTP/1.1\r\nHost: ").await.unwrap();
    // One that was answered and asks nothing more.
    let mut idle = get("/elsewhere").send(relay.address).await;
    assert_eq!(idle.read_head().await.status, 404);
    for client in [&mut silent, &mut halfway, &mut idle] {
        client.end().await;
    }
    eventually("timeouts to be counted", || refused(&relay, "header_timeout") >= 2.0).await;
    // A stream is no request: it stays.
    let mut client = relay.client().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    conn.event("data: x").await;
    assert_eq!(client.next_event().await.data, "x");
}

#[tokio::test]
async fn many_idle_connections_stop_no_good_client() {
    let origin = TestOrigin::start().await;
    let process = TestProcess::start_limited(&Setup::over(&origin), Some(1024)).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    let mut idle = Vec::new();
    for n in 0..500 {
        let mut client = TestClient::over(Box::new(connect(process.address, None).await), false);
        // Some say nothing, some a little.
        if n % 2 == 0 && client.write("GET /eve").await.is_err() {
            continue;
        }
        idle.push(client);
    }
    for _ in 0..3 {
        let mut good = get(PATH).open(process.address).await;
        good.opened().await;
        conn.event("data: x").await;
        assert_eq!(good.next_event().await.data, "x");
    }
}

#[tokio::test]
async fn a_process_without_descriptors_keeps_its_clients_and_does_not_spin() {
    if speaks_http2() {
        return; // Its crowd speaks HTTP/1.1.
    }
    let origin = TestOrigin::start().await;
    let process = TestProcess::start_limited(&Setup::over(&origin), Some(80)).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    let mut inside = Vec::new();
    for _ in 0..12 {
        let mut client = get(PATH).open(process.address).await;
        client.opened().await;
        inside.push(client);
    }
    // Connections that say nothing take what is left; those that are refused are closed again, so
    // more of them come.
    let mut crowd = Vec::new();
    for _ in 0..60 {
        let mut client = TestClient::over(Box::new(connect(process.address, None).await), false);
        let _ = client.write(get(PATH).bytes()).await;
        crowd.push(client);
    }
    for n in 0..3 {
        conn.event(&format!("data: {n}")).await;
        for client in &mut inside {
            assert_eq!(client.next_event().await.data, n.to_string());
        }
    }
    let before = process.cpu_time();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let used = process.cpu_time() - before;
    assert!(
        used < Duration::from_millis(500),
        "{used:?} of CPU time in two seconds of want"
    );
    drop(crowd);
    // Those of them that were let in have left.
    process.eventually_clients(inside.len()).await;
    let mut back = get(PATH).open(process.address).await;
    back.opened().await;
    conn.event("data: again").await;
    back.until_data("again").await;
    for client in &mut inside {
        client.until_data("again").await;
    }
}
