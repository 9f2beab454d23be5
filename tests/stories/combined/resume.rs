//! Clients that come back with the id of a place in several sources.

use super::{ALL, COMBINE, PASS, Pair, data, data_and_id, gap_of, yaml};
use crate::support::client::get;
use crate::support::relay::TestRelay;

#[tokio::test]
async fn a_client_goes_on_in_every_source() {
    for ids in ["pass", "assign", "auto"] {
        let source = format!("ids: {ids}, log: {{ ask_origin: 0s }}");
        let mut pair = Pair::start([&source; 2], COMBINE).await;
        let mut client = pair.all().await;
        pair.publish(1..=5).await;
        let mut ids = Vec::new();
        for _ in 0..10 {
            ids.push(client.next_event().await.id);
        }
        let all = ["a1", "b1", "a2", "b2", "a3", "b3", "a4", "b4", "a5", "b5"];
        for (n, id) in ids.iter().enumerate() {
            let mut back = pair.open(&get(ALL).last_event_id(id)).await;
            assert_eq!(data(&mut back, 9 - n).await, all[n + 1..]);
        }
        let gaps = pair
            .relay
            .metric(r#"fanfare_resumes_total{source="/all",outcome="gap"}"#);
        assert_eq!(gaps, 0.0);
    }
}

/// It is put together anew from the sources' logs, and clients go on all the same.
#[tokio::test]
async fn after_its_channel_was_let_go() {
    let mut pair = Pair::passing().await;
    let mut client = pair.all().await;
    pair.publish(1..=3).await;
    let (_, id) = data_and_id(&mut client, 3).await;
    drop(client);
    pair.relay.eventually_clients(0).await;
    pair.relay
        .eventually_metric("fanfare_derived_channels{source=\"/all\"}", 0.0)
        .await;
    pair.publish(4..=4).await;
    let mut back = pair.open(&get(ALL).last_event_id(&id)).await;
    assert_eq!(data(&mut back, 5).await, ["b2", "a3", "b3", "a4", "b4"]);
}

#[tokio::test]
async fn a_client_may_change_its_sources() {
    let mut pair = Pair::passing().await;
    let mut client = pair.all().await;
    pair.publish(1..=4).await;
    let (_, id) = data_and_id(&mut client, 4).await;
    assert_eq!(id, b"a:2,b:2");
    let mut fewer = pair.open(&get("/all?source=b").last_event_id(&id)).await;
    assert_eq!(data(&mut fewer, 2).await, ["b3", "b4"]);
    // Of one that it has not had, it gets what comes from now on; of the other, all that it missed.
    let mut more = pair.open(&get(ALL).last_event_id("b:2")).await;
    pair.publish(5..=5).await;
    assert_eq!(data(&mut more, 4).await, ["b3", "b4", "a5", "b5"]);
    assert_eq!(more.last_event_id, b"a:5,b:5");
}

/// The events stand in another order where it comes from.
#[tokio::test]
async fn at_a_sibling_nothing_is_lost_or_doubled() {
    let mut pair = Pair::passing().await;
    let sibling = TestRelay::read(&yaml(&pair.origins, [PASS; 2], COMBINE));
    let (mut a, mut b) = (pair.origins[0].accept().await, pair.origins[1].accept().await);
    a.stream_head().await;
    b.stream_head().await;
    sibling.upstream_connected().await;
    pair.publish(1..=3).await;
    for n in 1..=3 {
        b.event(&format!("id: {n}\ndata: b{n}")).await;
    }
    sibling
        .eventually_metric("fanfare_events_received_total{source=\"b\"}", 3.0)
        .await;
    for n in 1..=3 {
        a.event(&format!("id: {n}\ndata: a{n}")).await;
    }
    sibling
        .eventually_metric("fanfare_events_received_total{source=\"a\"}", 3.0)
        .await;
    // There, all of `b` came before `a`.
    let mut all = sibling.open(&get("/all?start=earliest")).await;
    assert_eq!(data(&mut all, 6).await, ["b1", "b2", "b3", "a1", "a2", "a3"]);
    let mut n = 3;
    for (id, expected) in [
        ("a:1,b:1", vec!["b2", "b3", "a2", "a3"]),
        ("a:3,b:1", vec!["b2", "b3"]),
        ("a:1,b:3", vec!["a2", "a3"]),
        ("b:2,a:3", vec!["b3"]),
    ] {
        let mut client = sibling.open(&get(ALL).last_event_id(id)).await;
        n += 1;
        let end = format!("end {n}");
        b.event(&format!("id: {n}\ndata: {end}")).await;
        let events = client.until_data(&end).await;
        let got: Vec<&str> = events.iter().map(|event| &*event.data).collect();
        let is_end = |data: &&str| data.starts_with("end");
        assert_eq!(
            got.iter().copied().filter(|data| !is_end(data)).collect::<Vec<_>>(),
            expected,
            "{id}"
        );
        assert_eq!(got.iter().filter(|data| is_end(data)).count(), n - 3);
        assert_eq!(client.last_event_id, format!("a:3,b:{n}").as_bytes());
    }
}

#[tokio::test]
async fn each_source_that_has_a_gap_says_so() {
    let mut pair = Pair::start(["ids: pass, log: { ask_origin: 0s, events: 2 }", PASS], COMBINE).await;
    pair.publish(1..=5).await;
    let mut client = pair.open(&get(ALL).last_event_id("a:1,b:3")).await;
    assert_eq!(
        gap_of(&client.next_event().await),
        ("evicted".to_owned(), "a".to_owned())
    );
    let mut rest = data(&mut client, 4).await;
    rest.sort();
    assert_eq!(rest, ["a4", "a5", "b4", "b5"]);
    // An id that names no place at all is a gap in each.
    let mut client = pair.open(&get(ALL).last_event_id("nonsense")).await;
    let gaps = [gap_of(&client.next_event().await), gap_of(&client.next_event().await)];
    assert_eq!(
        gaps.map(|(reason, source)| reason + &source),
        ["unknown_ida", "unknown_idb"]
    );
    let mut rest = data(&mut client, 7).await;
    rest.sort();
    assert_eq!(rest, ["a4", "a5", "b1", "b2", "b3", "b4", "b5"]);
    let gap = r#"fanfare_gaps_total{source="/all",reason="unknown_id"}"#;
    assert_eq!(pair.relay.metric(gap), 2.0);
}

#[tokio::test]
async fn an_upstream_that_could_not_resume_is_told_by_its_name() {
    let mut pair = Pair::start(["ids: assign", PASS], COMBINE).await;
    let mut client = pair.all().await;
    pair.publish(1..=1).await;
    assert_eq!(data(&mut client, 2).await, ["a1", "b1"]);
    let Pair {
        relay: _relay,
        origins,
        a,
        b: _b,
    } = pair;
    a.close().await;
    let mut a = origins[0].accept().await;
    a.stream_head().await;
    a.event("data: later").await;
    let gap = client.next_event().await;
    if gap.event_type == "fanfare.gap" {
        assert_eq!(gap_of(&gap), ("upstream_reconnected".to_owned(), "a".to_owned()));
        assert_eq!(client.next_event().await.data, "later");
    }
}

/// No request could bring back an id that is this long.
#[tokio::test]
async fn a_long_id_has_a_short_name() {
    let mut pair = Pair::passing().await;
    let mut client = pair.all().await;
    let long = |n: u32| format!("{n}{}", "x".repeat(600));
    for n in 1..=3 {
        for (conn, name) in [(&mut pair.a, "a"), (&mut pair.b, "b")] {
            conn.event(&format!("id: {}\ndata: {name}{n}", long(n))).await;
            let series = format!("fanfare_events_received_total{{source=\"{name}\"}}");
            pair.relay.eventually_metric(&series, f64::from(n)).await;
        }
    }
    let (first, id) = data_and_id(&mut client, 3).await;
    assert_eq!(first, ["a1", "b1", "a2"]);
    assert!(id.len() < 100 && id.starts_with(b"~"), "{}", id.escape_ascii());
    let mut back = pair.open(&get(ALL).last_event_id(&id)).await;
    assert_eq!(data(&mut back, 3).await, ["b2", "a3", "b3"]);
    // Also once the channel was put together anew.
    drop((client, back));
    pair.relay.eventually_clients(0).await;
    pair.relay
        .eventually_metric("fanfare_derived_channels{source=\"/all\"}", 0.0)
        .await;
    let mut back = pair.open(&get(ALL).last_event_id(&id)).await;
    assert_eq!(data(&mut back, 3).await, ["b2", "a3", "b3"]);
}
