//! Streams that end for good: by a terminal event, or because the origin says so.

use crate::support::client::{Ask, End, TestClient, get};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay};
use std::time::Duration;

async fn relayed(source: &str) -> (TestRelay, TestOrigin, Conn) {
    let origin = TestOrigin::start().await;
    let (relay, conn) = Setup::over(&origin).source(source).start_with(&origin).await;
    (relay, origin, conn)
}

/// Whatever is left of a stream, which then ends in order.
async fn rest(client: &mut TestClient) -> Vec<String> {
    assert_eq!(client.end().await, End::LastChunk);
    client.events_so_far().into_iter().map(|event| event.data).collect()
}

async fn status(relay: &TestRelay, request: &Ask) -> u16 {
    request.answer(relay.address).await.head.status
}

fn resume(id: &str) -> Ask {
    get(PATH).last_event_id(id)
}

const NO_CONTENT: &str = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn the_terminal_event_is_the_last_and_ends_every_stream() {
    let (relay, origin, mut conn) = relayed("end_when: [{ event: end }]").await;
    let mut clients = [relay.client().await, relay.client().await];
    let mut old = get(PATH).http10().open(relay.address).await;
    // What follows in the same read is not part of the stream any more.
    conn.body("data: a\n\nevent: end\ndata: done\n\ndata: after\n\n").await;
    for client in &mut clients {
        assert_eq!(rest(client).await, ["a", "done"]);
    }
    assert_eq!(old.end().await, End::Closed);
    assert_eq!(old.events_so_far().len(), 2);
    // The upstream is closed, and not reopened.
    conn.closed().await;
    assert!(!origin.is_called_within(Duration::from_millis(300)).await);
    relay.eventually_status("/sources/0/state", "ended").await;
    assert_eq!(relay.readyz().await.0, 200);
    assert_eq!(
        relay.metric(r#"fanfare_connections_closed_total{source="s",reason="ended"}"#),
        3.0
    );
}

#[tokio::test]
async fn whoever_comes_late_learns_the_end_once() {
    let (relay, _origin, mut conn) = relayed("end_when: { data: finished }\nstart: earliest").await;
    let mut first = relay.client().await;
    conn.body("data: a\n\ndata: b\n\ndata: finished\n\n").await;
    let events = (
        first.next_event().await,
        first.next_event().await,
        first.next_event().await,
    );
    first.end().await;
    let mut late = relay.client().await;
    assert_eq!(rest(&mut late).await, ["a", "b", "finished"]);
    assert_eq!(late.retries.len(), 1, "no word of coming back at the end");
    let mut cut = relay.resume(events.0.id()).await;
    assert_eq!(rest(&mut cut).await, ["b", "finished"]);
    assert_eq!(status(&relay, &resume(events.2.id())).await, 204);
    // Who holds an id that nobody knows gets everything, and is told that it may have missed
    // something.
    let mut stranger = relay.resume("stranger").await;
    assert_eq!(stranger.next_event().await.gap().as_deref(), Some("unknown_id"));
    assert_eq!(rest(&mut stranger).await, ["a", "b", "finished"]);
}

#[tokio::test]
async fn a_live_start_still_learns_the_end() {
    let (relay, _origin, mut conn) = relayed("end_when: { json: /state, equals: COMPLETED }").await;
    let mut first = relay.client().await;
    conn.event(r#"data: {"state":"RUNNING"}"#).await;
    conn.event(r#"data: {"state":"COMPLETED"}"#).await;
    first.end().await;
    let mut late = relay.client().await;
    assert_eq!(rest(&mut late).await, [r#"{"state":"COMPLETED"}"#]);
}

#[tokio::test]
async fn an_id_that_all_events_share_is_the_terminal_events_too() {
    // Transloadit's recorded stream: an id at first, which every event inherits.
    let (relay, _origin, mut conn) = relayed("end_when: [{ data: assembly_finished }]\nstart: earliest").await;
    let mut client = relay.client().await;
    conn.body("id: 7\n\ndata: assembly_uploading_finished\n\ndata: assembly_finished\n\n")
        .await;
    let uploaded = client.next_event().await;
    assert_eq!(
        (uploaded.id(), uploaded.data.as_str()),
        ("7", "assembly_uploading_finished")
    );
    assert_eq!(rest(&mut client).await, ["assembly_finished"]);
    // The finish exactly once: whoever names its id has it.
    assert_eq!(status(&relay, &resume("7")).await, 204);
}

#[tokio::test]
async fn after_linger_there_is_nothing_left_but_the_end() {
    let (relay, _origin, mut conn) = relayed("end_when: { event: end }\nlinger: 1ms\nstart: earliest").await;
    let mut client = relay.client().await;
    conn.event("event: end\ndata: done").await;
    client.end().await;
    // The log itself: its gauge is 0 before the first sweep, too.
    relay.eventually_status("/sources/0/log/events", 0).await;
    let answer = get(PATH).answer(relay.address).await;
    assert_eq!((answer.head.status, answer.body.as_str()), (204, ""));
}

#[tokio::test]
async fn a_slow_client_gets_the_end_too() {
    let (relay, _origin, mut conn) = relayed("end_when: { event: end }").await;
    let mut slow = get(PATH).small_receive_buffer().open(relay.address).await;
    let big = "x".repeat(300_000);
    conn.event(&format!("data: {big}")).await;
    conn.event("event: end\ndata: done").await;
    conn.closed().await;
    let events = rest(&mut slow).await;
    assert_eq!((events[0].len(), events[1].as_str()), (big.len(), "done"));
}

#[tokio::test]
async fn an_origin_that_ends_without_a_terminal_event_is_asked_again() {
    let (relay, origin, mut conn) = relayed("end_when: { event: end }").await;
    let mut client = relay.client().await;
    conn.event("id: 1\ndata: a").await;
    conn.close().await;
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().header("last-event-id"), Some("1"));
    conn.stream_head().await;
    conn.event("id: 2\nevent: end\ndata: b").await;
    assert_eq!(rest(&mut client).await, ["a", "b"]);
}

#[tokio::test]
async fn no_content_ends_every_stream_for_good() {
    let (relay, origin, mut conn) = relayed("").await;
    let mut client = relay.client().await;
    conn.body("id: 1\ndata: a\n\nid: 2\ndata: b\n\n").await;
    client.until_data("b").await;
    conn.close().await;
    let request = origin.answer(NO_CONTENT).await;
    assert_eq!(request.header("last-event-id"), Some("2"));
    assert_eq!(client.end().await, End::LastChunk);
    assert_eq!(client.retries.len(), 1, "no word of coming back at the end");
    for request in [get(PATH), resume("2"), resume("unknown")] {
        let answer = request.answer(relay.address).await;
        assert_eq!((answer.head.status, answer.body.as_str()), (204, ""));
        assert_eq!(answer.head.header("cache-control"), Some("no-store"));
    }
    // One that was cut before the end still gets the rest.
    let mut cut = relay.resume("1").await;
    assert_eq!(rest(&mut cut).await, ["b"]);
    assert!(!origin.is_called_within(Duration::from_millis(200)).await);
}

#[tokio::test]
async fn an_ended_source_is_asked_again_in_time() {
    let (relay, origin, conn) = relayed("retry_ended_after: 100ms").await;
    let mut client = relay.client().await;
    conn.close().await;
    origin.answer(NO_CONTENT).await;
    client.end().await;
    assert_eq!(status(&relay, &get(PATH)).await, 204);
    // It says so once more: nothing changes.
    origin.answer(NO_CONTENT).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    relay.upstream_connected().await;
    let mut client = relay.client().await;
    conn.event("data: again").await;
    assert_eq!(client.until_data("again").await.len(), 1);
}

#[tokio::test]
async fn of_merged_upstreams_the_others_go_on() {
    let (one, two) = (TestOrigin::start().await, TestOrigin::start().await);
    let yaml = format!(
        "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nsources:\n  s:\n    path: {PATH}\n    upstream:\n      \
         - {{ url: \"{}\", reconnect: 20ms }}\n      - {{ url: \"{}\", reconnect: 20ms }}\n",
        one.url("/a"),
        two.url("/b")
    );
    let relay = TestRelay::read(&yaml);
    let (conn, mut other) = (one.accept().await, two.accept().await);
    let mut conn = conn;
    conn.stream_head().await;
    other.stream_head().await;
    relay.upstream_connected().await;
    let mut client = relay.client().await;
    conn.close().await;
    one.answer(NO_CONTENT).await;
    other.event("data: x").await;
    assert_eq!(client.next_event().await.data, "x");
    other.close().await;
    two.answer(NO_CONTENT).await;
    assert_eq!(client.end().await, End::LastChunk);
}
