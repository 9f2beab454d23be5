//! What a client of a combined path gets.

use super::{ALL, COMBINE, PASS, Pair, data};
use crate::support::client::{End, ask, get};

#[tokio::test]
async fn all_sources_come_in_one_stream() {
    let mut pair = Pair::passing().await;
    let mut client = pair.all().await;
    pair.publish(1..=2).await;
    assert_eq!(data(&mut client, 4).await, ["a1", "b1", "a2", "b2"]);
    assert_eq!(client.last_event_id, b"a:2,b:2");
    // A client of one source alone is told of it as ever.
    let mut alone = pair.open(&get("/a?start=earliest")).await;
    let first = alone.next_event().await;
    assert_eq!((first.id(), &*first.data), ("1", "a1"));
}

#[tokio::test]
async fn a_client_picks_sources() {
    let mut pair = Pair::passing().await;
    let mut only_b = pair.open(&get("/all?source=b")).await;
    let mut both = pair.open(&get("/all?source=b&source=a&source=b")).await;
    let mut all = pair.all().await;
    pair.publish(1..=2).await;
    assert_eq!(data(&mut only_b, 2).await, ["b1", "b2"]);
    assert_eq!(only_b.last_event_id, b"b:2");
    assert_eq!(data(&mut both, 4).await, data(&mut all, 4).await);
    let status = pair.relay.status().await;
    let combined = &status["combined"][0];
    assert_eq!(
        (&combined["path"], &combined["joined_channels"]),
        (&ALL.into(), &2.into())
    );
    assert_eq!(combined["sources"], serde_json::json!(["a", "b"]));
    assert_eq!(pair.relay.metric("fanfare_derived_channels{source=\"/all\"}"), 2.0);
    assert_eq!(pair.relay.metric("fanfare_channels{source=\"a\"}"), 1.0);
    for unknown in ["c", "", "a,b"] {
        let bad = get(&format!("/all?source=a&source={unknown}"));
        bad.answer(pair.relay.address).await.assert_problem(400);
    }
    let head = ask("HEAD", "/all?source=a").answer(pair.relay.address).await;
    assert_eq!(head.head.status, 200);
}

#[tokio::test]
async fn types_may_begin_with_the_name() {
    let combine = "  - { path: /all, sources: [a, b], prefix_events: true }";
    let mut pair = Pair::start(
        [&format!("{PASS}, live_event: live, event_bytes_max: 1KiB"), PASS],
        combine,
    )
    .await;
    let mut client = pair.all().await;
    assert_eq!(client.next_event().await.event_type, "live");
    pair.a.body("id: 1\nevent: created\ndata: x\n\n").await;
    pair.received("a", 1).await;
    pair.b.body("id: 1\ndata: y\n\n").await;
    pair.received("b", 1).await;
    pair.a.body(format!("data: {}\n\n", "x".repeat(2000))).await;
    let told = [
        client.next_event().await,
        client.next_event().await,
        client.next_event().await,
    ];
    assert_eq!(
        told.each_ref().map(|event| &*event.event_type),
        ["a.created", "b.message", "fanfare.gap"]
    );
    assert_eq!(super::gap_of(&told[2]), ("oversized_event".to_owned(), "a".to_owned()));
}

#[tokio::test]
async fn where_a_stream_starts() {
    let mut pair = Pair::passing().await;
    pair.publish(1..=3).await;
    for (query, expected) in [
        ("start=earliest", vec!["a1", "b1", "a2", "b2", "a3", "b3"]),
        ("start=latest", vec!["b3"]),
        ("last=3", vec!["b2", "a3", "b3"]),
        ("since=10m", vec!["a1", "b1", "a2", "b2", "a3", "b3"]),
    ] {
        let mut client = pair.open(&get(&format!("/all?{query}"))).await;
        assert_eq!(data(&mut client, expected.len()).await, expected, "{query}");
    }
    // One that is cut before its first event comes back to the same place.
    let live = pair.all().await;
    assert_eq!(live.last_event_id, b"a:3,b:3");
    pair.publish(4..=4).await;
    let mut back = pair.open(&get(ALL).last_event_id(&live.last_event_id)).await;
    assert_eq!(data(&mut back, 2).await, ["a4", "b4"]);
}

/// Also once it has been looked at what its sources have let go.
#[tokio::test]
async fn a_stream_from_the_beginning_has_no_gap_while_all_is_there() {
    let mut pair = Pair::start(["ids: pass, log: { ask_origin: 0s, events: 4 }", PASS], COMBINE).await;
    let _client = pair.all().await;
    let held = "fanfare_log_events{source=\"/all\"}";
    for n in 1..=3 {
        pair.publish(n..=n).await;
        // With the place where it begins; found about once a second, before what is gone is let go.
        pair.relay.eventually_metric(held, 1.0 + 2.0 * n as f64).await;
    }
    for query in ["since=10m", "last=100", "last=100&source=a", "since=10m&source=b"] {
        let mut client = pair.open(&get(&format!("{ALL}?{query}"))).await;
        let event = client.next_event().await;
        assert_eq!(event.gap(), None, "{query}");
    }
    // One of the sources has let go of some: it is told of that one.
    pair.publish(4..=6).await;
    pair.relay.eventually_metric(held, 11.0).await;
    for query in ["since=10m", "last=100"] {
        let mut client = pair.open(&get(&format!("{ALL}?{query}"))).await;
        let gap = super::gap_of(&client.next_event().await);
        assert_eq!(gap, ("evicted".to_owned(), "a".to_owned()), "{query}");
    }
}

#[tokio::test]
async fn it_is_put_together_only_while_there_are_clients() {
    let pair = Pair::passing().await;
    drop(pair.all().await);
    pair.relay.eventually_clients(0).await;
    pair.relay
        .eventually_metric("fanfare_derived_channels{source=\"/all\"}", 0.0)
        .await;
}

/// One that does not read is slow by what it gets, and goes on where it was.
#[tokio::test]
async fn a_slow_client_is_let_go_and_comes_back() {
    let slow = "ids: pass, log: { ask_origin: 0s }, slow_client: { bytes: 1MiB, stall: 30s }";
    let mut pair = Pair::start([slow; 2], COMBINE).await;
    let mut slow = get(ALL).small_receive_buffer().open(pair.relay.address).await;
    let mut other = pair.all().await;
    // Not to be compressed to less than is waited for.
    let mut seed = 1_u64;
    let mut digit = |_| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'!' + (seed >> 58) as u8)
    };
    let large: String = (0..256 * 1024).map(&mut digit).collect();
    for n in 1..=16 {
        pair.a.body(format!("id: {n}\ndata: {large}\n\n")).await;
        pair.b.body(format!("id: {n}\ndata: {n}\n\n")).await;
        let mut ids = [other.next_event().await, other.next_event().await].map(|event| event.data.len());
        ids.sort_unstable();
        assert_eq!(ids[1], large.len());
    }
    let evicted = r#"fanfare_evictions_total{source="/all",reason="bytes"}"#;
    pair.relay.eventually_metric(evicted, 1.0).await;
    while slow.try_next_event().await.is_some() {}
    let mut back = pair.open(&get(ALL).last_event_id(&slow.last_event_id)).await;
    let mut last = 0;
    while last < 16 {
        let event = back.next_event().await;
        assert_ne!(event.event_type, "fanfare.gap");
        last = event.data.parse().unwrap_or(last);
    }
    assert_eq!(
        pair.relay
            .metric(r#"fanfare_resumes_total{source="/all",outcome="exact"}"#),
        1.0
    );
}

#[tokio::test]
async fn more_sets_than_there_may_be_are_refused_until_there_is_room() {
    let combine: String = "  - { path: /all, sources: [a, b] }".to_owned();
    let pair = Pair::start([PASS; 2], &format!("{combine}\nlimits: {{ channels: 2 }}")).await;
    let one = pair.all().await;
    let other = pair.open(&get("/all?source=a")).await;
    let mut more = get("/all?source=b").open(pair.relay.address).await;
    assert_eq!(more.end().await, End::LastChunk);
    assert_eq!(more.retries.len(), 1, "it heals");
    assert_eq!(pair.relay.metric("fanfare_refused_total{reason=\"channels\"}"), 1.0);
    drop(other);
    pair.relay.eventually_clients(1).await;
    pair.open(&get("/all?source=b")).await;
    drop(one);
}
