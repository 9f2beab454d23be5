//! Upstreams that change: the relay connects anew and resumes, and clients stay.

use crate::support::client::get;
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup};
use std::time::Duration;

async fn opened(origin: &TestOrigin) -> Conn {
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn
}

#[tokio::test]
async fn another_origin_is_asked_from_the_last_event_on() {
    let (origin, other) = (TestOrigin::start().await, TestOrigin::start().await);
    let (relay, mut conn) = Setup::over(&origin).start_with(&origin).await;
    let mut client = relay.client().await;
    conn.event("id: 7\ndata: seven").await;
    assert_eq!(client.next_event().await.data, "seven");

    let said = relay.reload(&Setup::over(&other));
    assert_eq!(said, ["source s: reconnects"]);
    conn.closed().await;
    let mut conn = opened(&other).await;
    assert_eq!(conn.request().header("last-event-id"), Some("7"));
    conn.event("id: 8\ndata: eight").await;
    let event = client.next_event().await;
    assert_eq!((event.id(), event.data.as_str(), event.gap()), ("8", "eight", None));
    let name = format!(
        "fanfare_upstream_connected{{source=\"s\",upstream=\"{}/sse\"}}",
        other.address()
    );
    relay.eventually_metric(&name, 1.0).await;
    let text = relay.relay.status_provider().metrics().render();
    assert!(
        !text.contains(&format!("upstream=\"{}/sse\"", origin.address())),
        "{text}"
    );
    let status = relay.status().await;
    assert_eq!(
        status["sources"][0]["upstreams"][0]["name"],
        format!("{}/sse", other.address())
    );
}

#[tokio::test]
async fn other_credentials_and_headers_reconnect() {
    let origin = TestOrigin::start().await;
    let (relay, mut conn) = Setup::over(&origin).start_with(&origin).await;
    let mut client = relay.client().await;
    conn.event("id: 0\ndata: first").await;
    client.next_event().await;
    for (keys, header, value) in [
        ("bearer: secret", "authorization", "Bearer secret"),
        ("headers: { x-tenant: one }", "x-tenant", "one"),
    ] {
        relay.reload(&Setup::over(&origin).upstream(keys));
        conn.closed().await;
        conn = opened(&origin).await;
        assert_eq!(conn.request().header(header), Some(value));
        relay.upstream_connected().await;
    }
    conn.event("id: 1\ndata: x").await;
    let event = client.next_event().await;
    assert_eq!((event.data.as_str(), event.gap()), ("x", None));
}

/// Without ids nobody can know what was missed.
#[tokio::test]
async fn an_origin_that_can_not_resume_leaves_a_gap() {
    let (origin, other) = (TestOrigin::start().await, TestOrigin::start().await);
    let (relay, mut conn) = Setup::over(&origin).start_with(&origin).await;
    let mut client = relay.client().await;
    conn.event("data: 1").await;
    assert_eq!(client.next_event().await.data, "1");
    relay.reload(&Setup::over(&other));
    let mut conn = opened(&other).await;
    assert_eq!(client.next_event().await.gap().as_deref(), Some("upstream_reconnected"));
    conn.event("data: 2").await;
    assert_eq!(client.next_event().await.data, "2");
}

#[tokio::test]
async fn of_merged_upstreams_the_others_stay_connected() {
    let origins = [
        TestOrigin::start().await,
        TestOrigin::start().await,
        TestOrigin::start().await,
    ];
    let file = |second: &TestOrigin| {
        format!(
            "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nworkers: 2\nsources:\n  s: {{ path: {PATH}, upstream: [\"{}\", \"{}\"] }}\n",
            origins[0].url("/a"),
            second.url("/b")
        )
    };
    let relay = crate::support::relay::TestRelay::read(&file(&origins[1]));
    let (mut first, mut second) = (opened(&origins[0]).await, opened(&origins[1]).await);
    relay.upstream_connected().await;
    let mut client = relay.client().await;
    second.event("id: b1\ndata: b").await;
    client.next_event().await;
    relay.reload_file(&file(&origins[2]));
    second.closed().await;
    let mut third = opened(&origins[2]).await;
    assert_eq!(third.request().header("last-event-id"), Some("b1"));
    first.event("id: a1\ndata: a").await;
    assert_eq!(client.next_event().await.data, "a");
    third.event("id: c1\ndata: c").await;
    assert_eq!(client.next_event().await.data, "c");
}

#[tokio::test]
async fn the_connections_of_jobs_are_made_anew() {
    let (origin, other) = (TestOrigin::start().await, TestOrigin::start().await);
    let at = |origin: &TestOrigin| {
        Setup::at(&origin.url("/progress/{job}"))
            .path("/jobs/{job}")
            .upstream("reconnect: 100ms")
    };
    let relay = at(&origin).start();
    let mut clients = Vec::new();
    let mut conns = Vec::new();
    for job in ["a", "b"] {
        let mut client = get(&format!("/jobs/{job}")).send(relay.address).await;
        let mut conn = opened(&origin).await;
        client.read_head().await;
        client.opened().await;
        conn.event(&format!("id: {job}1\ndata: 1")).await;
        client.next_event().await;
        clients.push(client);
        conns.push(conn);
    }
    relay.reload(&at(&other));
    let mut again = [opened(&other).await, opened(&other).await];
    again.sort_by_key(|conn| conn.request().target().to_owned());
    for (n, job) in ["a", "b"].into_iter().enumerate() {
        assert_eq!(again[n].request().target(), format!("/progress/{job}"));
        assert_eq!(
            again[n].request().header("last-event-id"),
            Some(format!("{job}1").as_str())
        );
        again[n].event(&format!("id: {job}2\ndata: 2")).await;
        assert_eq!(clients[n].next_event().await.data, "2");
    }
    for mut conn in conns {
        conn.closed().await;
    }
}

/// An origin that has said that there is no more is asked again by a reload, whatever it changes.
#[tokio::test]
async fn an_origin_that_has_ended_is_asked_again() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source("retry_ended_after: 1h");
    let relay = setup.start();
    origin
        .answer("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
        .await;
    relay.eventually_status("/sources/0/state", "ended").await;
    assert_eq!(get(PATH).answer(relay.address).await.head.status, 204);
    let reloaded = relay.relay.reloader().apply(setup.config(), Vec::new());
    assert_eq!(reloaded, fanfare::relay::Reloaded::Unchanged);
    origin
        .answer("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
        .await;
    relay.reload(&Setup::over(&origin).source("retry_ended_after: 50ms"));
    let mut conn = opened(&origin).await;
    relay.upstream_connected().await;
    let mut client = relay.client().await;
    conn.event("data: x").await;
    assert_eq!(client.next_event().await.data, "x");
}

/// A stream that its terminal event has ended does not go on with another origin.
#[tokio::test]
async fn a_stream_that_is_over_begins_anew_with_another_origin() {
    let (origin, other) = (TestOrigin::start().await, TestOrigin::start().await);
    let end = "end_when: { event: done }";
    let (relay, mut conn) = Setup::over(&origin).source(end).start_with(&origin).await;
    let mut client = relay.client().await;
    conn.event("event: done\ndata: 1").await;
    client.next_event().await;
    client.end().await;
    relay.reload(&Setup::over(&other).source(end));
    let mut conn = opened(&other).await;
    let mut client = relay.client().await;
    conn.event("data: 2").await;
    assert_eq!(client.next_event().await.data, "2");
}

/// Bytes that were read before the change are delivered.
#[tokio::test]
async fn nothing_of_what_has_come_is_lost_when_the_origin_changes() {
    let origin = TestOrigin::start().await;
    let (relay, mut conn) = Setup::over(&origin).start_with(&origin).await;
    let mut client = relay.client().await;
    let mut sent = 0;
    for round in 0..10 {
        for _ in 0..50 {
            sent += 1;
            conn.event(&format!("id: {sent}\ndata: {sent}")).await;
        }
        if round == 0 {
            // An id, to ask for what comes after it.
            assert_eq!(client.next_event().await.data, "1");
        }
        let keys = format!("headers: {{ x-round: \"{round}\" }}");
        relay.reload(&Setup::over(&origin).upstream(&keys));
        let mut next = opened(&origin).await;
        // What it did not get, it asks for.
        let last: u64 = next
            .request()
            .header("last-event-id")
            .map_or(0, |id| id.parse().unwrap());
        for n in last + 1..=sent {
            next.event(&format!("id: {n}\ndata: {n}")).await;
        }
        conn = next;
    }
    for n in 2..=sent {
        let event = client.next_event().await;
        assert_eq!((event.gap(), event.data), (None, n.to_string()));
    }
    assert!(!origin.is_called_within(Duration::from_millis(50)).await);
}
