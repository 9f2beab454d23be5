//! An event's way to the clients: every byte that matters, in order, framed as the client asked for
//! it.

use crate::support::client::{End, Event, TestClient, get, speaks_http2};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::reference::dispatch;
use crate::support::relay::{PATH, Setup, TestRelay};
use proptest::prelude::*;
use std::collections::HashSet;

async fn relayed(setup: impl FnOnce(Setup) -> Setup) -> (TestRelay, Conn) {
    let origin = TestOrigin::start().await;
    setup(Setup::over(&origin)).start_with(&origin).await
}

/// Type and data, without what the relay adds.
fn plain(events: &[Event]) -> Vec<(&str, &str)> {
    events
        .iter()
        .map(|event| (event.event_type.as_str(), event.data.as_str()))
        .collect()
}

#[tokio::test]
async fn the_head_is_as_promised_and_a_comment_follows_at_once() {
    let (relay, _conn) = relayed(|setup| setup).await;
    let mut client = get(PATH).send(relay.address).await;
    let head = client.read_head().await;
    assert_eq!((head.version.as_str(), head.status), ("HTTP/1.1", 200));
    assert_eq!(head.all("content-type"), ["text/event-stream"]);
    assert_eq!(head.all("cache-control"), ["no-cache, no-transform"]);
    assert_eq!(head.all("x-accel-buffering"), ["no"]);
    assert_eq!(head.all("transfer-encoding"), ["chunked"]);
    assert_eq!(head.all("date").len(), 1);
    assert_eq!(head.all("vary"), ["Accept"], "no CORS, but the path answers polls too");
    assert_eq!(head.all("content-encoding"), [""; 0]);
    client.opened().await;
    assert_eq!(client.comments, [":"]);
    assert!(
        client.body.starts_with(b":\n\nretry: "),
        "{}",
        client.body.escape_ascii()
    );
}

#[tokio::test]
async fn events_arrive_as_they_came_over_both_versions_of_http() {
    let (relay, mut conn) = relayed(|setup| setup.source("ids: pass")).await;
    let mut chunked = relay.client().await;
    let mut plain = relay.open(&get(PATH).http10()).await;
    let stream = "id: 1\nevent: a\ndata: x\n\nid: 2\nunknown: kept\ndata:y\ndata: z\n\nid\ndata\n\ndata: \u{e9}\n\n";
    conn.body(stream).await;
    conn.event("data: last").await;
    for client in [&mut chunked, &mut plain] {
        client.until_data("last").await;
        let body = String::from_utf8_lossy(&client.body).into_owned();
        assert!(body.ends_with(&format!("{stream}data: last\n\n")), "{body:?}");
    }
}

#[tokio::test]
async fn http_1_0_gets_no_chunks_and_the_connections_end_as_the_end() {
    let (relay, mut conn) = relayed(|setup| setup.source("max_age: 100ms")).await;
    let mut client = get(PATH).http10().send(relay.address).await;
    let head = client.read_head().await;
    assert_eq!(head.all("transfer-encoding"), [""; 0]);
    assert_eq!(head.header("connection"), Some("close"));
    conn.event("data: x").await;
    assert_eq!(client.next_event().await.data, "x");
    assert_eq!(client.end().await, End::Closed);
    assert_eq!(client.incomplete(), b"");
}

#[tokio::test]
async fn every_client_is_told_its_own_reconnection_time() {
    let (relay, _conn) = relayed(|setup| setup.source("reconnect: 10s\nreconnect_jitter: 20%")).await;
    let mut times = HashSet::new();
    for _ in 0..20 {
        let client = relay.client().await;
        assert_eq!(client.retries.len(), 1);
        assert!((8_000..=12_000).contains(&client.retries[0]), "{:?}", client.retries);
        times.insert(client.retries[0]);
    }
    assert!(times.len() > 10, "{times:?}");
}

#[tokio::test]
async fn comments_are_dropped_unless_they_are_asked_for() {
    let (relay, mut conn) = relayed(|setup| setup).await;
    let mut client = relay.client().await;
    conn.body(": one\n\n:two\ndata: x\n\n").await;
    client.next_event().await;
    assert_eq!(client.comments, [":"]);

    let (relay, mut conn) = relayed(|setup| setup.source("comments: relay")).await;
    let mut client = relay.client().await;
    conn.body(": one\n\n:two\ndata: x\n\n").await;
    client.next_event().await;
    assert_eq!(client.comments, [":", ": one", ":two"]);
}

#[tokio::test]
async fn the_origins_reconnection_time_is_its_own_affair_unless_relayed() {
    let (relay, mut conn) = relayed(|setup| setup).await;
    let mut client = relay.client().await;
    conn.body("retry: 4321\n\ndata: x\n\n").await;
    client.next_event().await;
    assert_eq!(client.retries.len(), 1, "{:?}", client.retries);

    let origin = TestOrigin::start().await;
    let (relay, mut conn) = Setup::over(&origin).source("retry: relay").start_with(&origin).await;
    let mut client = get(PATH).open(relay.address).await;
    conn.body("retry: 4321\n\ndata: x\n\n").await;
    client.next_event().await;
    assert_eq!(client.retries, [4321]);
    // Who comes later is told too.
    assert_eq!(relay.client().await.retries, [4321]);
}

#[tokio::test]
async fn invalid_utf_8_is_passed_as_it_is() {
    let (relay, mut conn) = relayed(|setup| setup.source("ids: pass")).await;
    let mut client = relay.client().await;
    conn.body(b"id: \xff\xfe\ndata: a\xc3\x28\x80b\n\n").await;
    let event = client.next_event().await;
    assert_eq!(event.id, b"\xff\xfe");
    assert!(client.body.ends_with(b"id: \xff\xfe\ndata: a\xc3\x28\x80b\n\n"));
}

#[tokio::test]
async fn who_joins_in_mid_stream_knows_the_id_in_force() {
    let (relay, mut conn) = relayed(|setup| setup.source("ids: pass")).await;
    conn.body("id: 7\ndata: a\n\ndata: b\n\n").await;
    relay.received(2).await;
    let mut client = relay.client().await;
    assert_eq!(client.last_event_id, b"7", "before the first event");
    conn.event("data: c").await;
    let event = client.next_event().await;
    assert_eq!((event.data.as_str(), event.id()), ("c", "7"));
    // Also clients that forget inherited ids: it is written.
    assert!(client.body.ends_with(b"id: 7\ndata: c\n\n"));
    // A block that has nothing but an id moves it.
    conn.body("id: 8\n\n").await;
    conn.event("data: d").await;
    assert_eq!(client.next_event().await.id(), "8");
}

#[tokio::test]
async fn assigned_ids_name_the_epoch_and_count() {
    let (relay, mut conn) = relayed(|setup| setup.source("ids: assign")).await;
    let mut client = relay.client().await;
    conn.body("id: theirs\ndata: a\n\nid: alone\n\ndata: b\n\n").await;
    let (a, b) = (client.next_event().await, client.next_event().await);
    let (epoch, number) = a.id().rsplit_once('.').unwrap();
    assert_eq!((a.data.as_str(), number), ("a", "1"));
    assert_eq!((b.data.as_str(), b.id()), ("b", format!("{epoch}.2").as_str()));
    assert!(!client.body.windows(6).any(|window| window == b"theirs"));
}

#[tokio::test]
async fn auto_assigns_until_the_origin_sends_an_id() {
    let (relay, mut conn) = relayed(|setup| setup).await;
    let mut client = relay.client().await;
    conn.body("data: a\n\nid: 9\ndata: b\n\ndata: c\n\n").await;
    let events = client.until_data("c").await;
    assert!(events[0].id().ends_with(".1"), "{events:?}");
    assert_eq!((events[1].id(), events[2].id()), ("9", "9"));
}

#[tokio::test]
async fn several_clients_get_the_same() {
    let (relay, mut conn) = relayed(|setup| setup).await;
    let mut clients = Vec::new();
    for n in 0..50 {
        let request = if n % 2 == 0 { get(PATH) } else { get(PATH).http10() };
        clients.push(relay.open(&request).await);
    }
    for n in 0..200 {
        conn.event(&format!("data: {n}")).await;
    }
    for client in &mut clients {
        for n in 0..200 {
            assert_eq!(client.next_event().await.data, n.to_string());
        }
    }
    relay
        .eventually_metric(r#"fanfare_deliveries_total{source="s"}"#, 50.0 * 200.0)
        .await;
}

#[tokio::test]
async fn an_event_of_one_mebibyte() {
    // Data that fills the default limit: the block's other bytes are `data: ` and two line feeds.
    let data = "x".repeat((1 << 20) - 8);
    let (relay, mut conn) = relayed(|setup| setup.source("slow_client: { bytes: 8MiB }")).await;
    let mut client = relay.client().await;
    let mut plain = relay.open(&get(PATH).http10()).await;
    conn.event(&format!("data: {data}")).await;
    conn.event("data: after").await;
    for client in [&mut client, &mut plain] {
        assert!(client.next_event().await.data == data);
        assert_eq!(client.next_event().await.data, "after");
    }
}

#[tokio::test]
async fn an_event_over_the_limit_is_a_gap_and_the_stream_goes_on() {
    let (relay, mut conn) = relayed(|setup| setup.source("event_bytes_max: 1KiB\nids: pass")).await;
    let mut client = relay.client().await;
    let long = "x".repeat(2000);
    conn.body(format!("id: 1\ndata: a\n\nid: 2\ndata: {long}\n\nid: 3\ndata: b\n\n"))
        .await;
    let events = client.until_data("b").await;
    assert_eq!(events[0].data, "a");
    assert_eq!(events[1].gap().as_deref(), Some("oversized_event"));
    assert_eq!(events[1].json()["source"], "s");
    assert_eq!((events[2].data.as_str(), events[2].id()), ("b", "3"));
    assert_eq!(events.len(), 3);
    assert_eq!(
        relay.metric(r#"fanfare_gaps_total{source="s",reason="oversized_event"}"#),
        1.0
    );
}

#[tokio::test]
async fn gap_events_can_be_renamed_and_turned_off() {
    let long = "x".repeat(2000);
    let stream = format!("data: {long}\n\ndata: b\n\n");
    let (relay, mut conn) = relayed(|setup| setup.source("event_bytes_max: 1KiB\ngap_event: lost")).await;
    let mut client = relay.client().await;
    conn.body(&stream).await;
    let gap = client.next_event().await;
    assert_eq!(
        (gap.event_type.as_str(), &gap.json()["reason"]),
        ("lost", &"oversized_event".into())
    );

    let (relay, mut conn) = relayed(|setup| setup.source("event_bytes_max: 1KiB\ngap_event: false")).await;
    let mut client = relay.client().await;
    conn.body(&stream).await;
    assert_eq!(client.next_event().await.data, "b");
}

#[tokio::test]
async fn bytes_behind_the_request_do_no_harm() {
    if speaks_http2() {
        return; // There they would be frames.
    }
    let (relay, mut conn) = relayed(|setup| setup).await;
    let mut client = relay.client().await;
    client.write(b"GET / HTTP/1.1\r\n\r\n\0\0\0whatever").await.unwrap();
    conn.event("data: a").await;
    assert_eq!(client.next_event().await.data, "a");
}

/// Line ends, fields and bytes that parsers get wrong.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let fixed = |text: &'static [u8]| Just(text.to_vec()).boxed();
    let line_ends: Vec<_> = [&b"\n"[..], b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n"]
        .map(fixed)
        .to_vec();
    let fields = [
        &b"data: a"[..],
        b"data:b",
        b"data",
        b"data:  two",
        b"data: \xff",
        b"id: 1",
        b"id:2",
        b"id",
        b"id: a\0b",
        b"event: t",
        b"event",
        b"retry: 5",
        b"retry: x",
        b": c",
        b":",
        b"unknown: x",
        b"DATA: x",
        b"\xEF\xBB\xBF",
        b"data: \xE2\x82\xAC",
        b" data: x",
    ];
    prop_oneof![
        3 => proptest::strategy::Union::new(line_ends),
        3 => proptest::strategy::Union::new(fields.map(fixed)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// What an EventSource makes of the stream behind the relay is what it makes of it at the
    /// origin.
    #[test]
    fn behind_the_relay_an_eventsource_dispatches_the_same(
        pieces in proptest::collection::vec(piece(), 0..60),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..5),
        bom in any::<bool>(),
    ) {
        let mut stream = if bom { b"\xEF\xBB\xBF".to_vec() } else { Vec::new() };
        stream.extend(pieces.concat());
        stream.extend_from_slice(b"\n\ndata: the end of this story\n\n");
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.sort_unstable();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(same_dispatch(&stream, &cuts));
    }
}

async fn same_dispatch(stream: &[u8], cuts: &[usize]) {
    let (relay, mut conn) = relayed(|setup| setup.source("ids: pass\nheartbeat: { every: 0s }")).await;
    let mut clients = [relay.client().await, relay.open(&get(PATH).http10()).await];
    let mut start = 0;
    for &end in cuts.iter().chain([&stream.len()]) {
        conn.body(&stream[start..end]).await;
        start = end;
    }
    let expected: Vec<Event> = dispatch(stream).events.into_iter().map(event).collect();
    for client in &mut clients {
        let events = client.until_data("the end of this story").await;
        assert_eq!(plain(&events), plain(&expected), "{}", stream.escape_ascii());
        assert_eq!(events, expected, "{}", stream.escape_ascii());
        assert_one_chunk_per_block(client);
    }
}

fn event((event_type, data, id): (Vec<u8>, Vec<u8>, Vec<u8>)) -> Event {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Event {
        event_type: text(event_type),
        data: text(data),
        id,
    }
}

/// Nothing of an event is held back: what came is whole blocks.
fn assert_one_chunk_per_block(client: &TestClient) {
    assert_eq!(client.incomplete(), b"");
}
