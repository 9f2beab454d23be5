//! Several upstreams in one stream: each in its order, and one id that names a place in all of
//! them.

use crate::support::client::get;
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, TestRelay};

/// A relay over two origins.
async fn merged(source: &str) -> (TestRelay, [TestOrigin; 2], [Conn; 2]) {
    let origins = [TestOrigin::start().await, TestOrigin::start().await];
    let relay = TestRelay::read(&yaml(&origins, source));
    let mut conns = [origins[0].accept().await, origins[1].accept().await];
    for conn in &mut conns {
        conn.stream_head().await;
    }
    relay.upstream_connected().await;
    (relay, origins, conns)
}

fn yaml(origins: &[TestOrigin; 2], source: &str) -> String {
    let upstream = |origin: &TestOrigin| {
        format!(
            "      - {{ url: \"{}\", reconnect: 20ms, reconnect_max: 100ms }}\n",
            origin.url("/sse")
        )
    };
    format!(
        "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nsources:\n  s:\n    path: {PATH}\n{source}    upstream:\n{}{}",
        upstream(&origins[0]),
        upstream(&origins[1])
    )
}

#[tokio::test]
async fn a_client_resumes_across_all_of_them() {
    let (relay, _origins, [mut one, mut two]) = merged("").await;
    let mut client = relay.client().await;
    // Both number from 1: their ids name nothing in common, so clients see the relay's.
    one.event("id: 1\ndata: a1").await;
    let first = client.next_event().await;
    two.event("id: 1\ndata: b1").await;
    let second = client.next_event().await;
    assert_ne!(first.id, second.id);
    drop(client);
    two.event("id: 2\ndata: b2").await;
    relay.received(3).await;
    one.event("id: 2\ndata: a2").await;
    relay.received(4).await;
    let mut client = relay.resume(first.id()).await;
    for wanted in ["b1", "b2", "a2"] {
        assert_eq!(client.next_event().await.data, wanted);
    }
}

#[tokio::test]
async fn one_that_is_down_is_said_and_does_not_stop_the_others() {
    let (relay, origins, [one, mut two]) = merged("").await;
    let mut client = relay.client().await;
    two.event("id: b7\ndata: b").await;
    assert_eq!(client.next_event().await.data, "b");
    let [down, up] = origins;
    let address = down.address();
    drop(down);
    one.reset();
    two.event("id: b8\ndata: c").await;
    assert_eq!(client.next_event().await.data, "c");
    relay.eventually_status("/sources/0/state", "partial").await;
    let (status, body) = relay.readyz().await;
    assert_eq!(status, 503);
    assert_eq!(body["reasons"].as_array().unwrap().len(), 1, "{body}");
    assert_eq!(body["reasons"][0]["upstream"], format!("{address}/sse"), "{body}");
    // Each is resumed by its own id.
    two.close().await;
    let again = up.accept().await;
    assert_eq!(again.request().header("last-event-id"), Some("b8"));
    let down = TestOrigin::start_at(address).await;
    assert_eq!(down.accept().await.request().header("last-event-id"), None);
}

#[tokio::test]
async fn with_passed_ids_each_event_has_its_own_upstreams() {
    let (relay, _origins, [mut one, mut two]) = merged("    ids: pass\n").await;
    let mut client = relay.client().await;
    one.event("id: a1\ndata: 1").await;
    let mut ids = vec![client.next_event().await.id().to_owned()];
    two.event("id: b1\ndata: 2").await;
    ids.push(client.next_event().await.id().to_owned());
    // It inherits the id of its own upstream, not of the one that spoke last.
    one.event("data: 3").await;
    ids.push(client.next_event().await.id().to_owned());
    assert_eq!(ids, ["a1", "b1", "a1"]);
}

#[tokio::test]
async fn the_order_of_each_is_kept() {
    let (relay, _origins, [mut one, mut two]) = merged("").await;
    let mut client = relay.open(&get(PATH)).await;
    let send = |name: &'static str, conn: Conn| async move {
        let mut conn = conn;
        for n in 0..500 {
            conn.event(&format!("event: {name}\ndata: {n}")).await;
        }
        conn
    };
    one.event("data: x").await;
    two.event("data: x").await;
    let sent = tokio::join!(tokio::spawn(send("one", one)), tokio::spawn(send("two", two)), async {
        let mut next = [0, 0];
        while next != [500, 500] {
            let event = client.next_event().await;
            let n = match event.event_type.as_str() {
                "one" => &mut next[0],
                "two" => &mut next[1],
                _ => continue,
            };
            assert_eq!(event.data, n.to_string());
            *n += 1;
        }
    });
    drop(sent);
}
