//! Polls of several sources.

use super::{ALL, COMBINE, PASS, Pair};
use crate::support::client::{Ask, ask};

fn poll(query: &str) -> Ask {
    ask("GET", &format!("{ALL}?wait=0&{query}")).header("Accept", "application/json")
}

/// What an answer has, and where its client goes on, as in a query.
async fn answer(pair: &Pair, query: &str) -> (Vec<String>, String, serde_json::Value) {
    let answer = poll(query).answer(pair.relay.address).await.json();
    let events = answer["events"].as_array().unwrap().iter();
    let data = events.map(|event| event["data"].as_str().unwrap().to_owned()).collect();
    (
        data,
        answer["last_event_id"].as_str().unwrap().to_owned(),
        answer["gap"].clone(),
    )
}

#[tokio::test]
async fn a_poll_goes_on_where_the_last_one_ended() {
    for ids in ["pass", "assign"] {
        let source = format!("ids: {ids}, log: {{ ask_origin: 0s }}");
        let mut pair = Pair::start([&source; 2], COMBINE).await;
        let (events, id, _) = answer(&pair, "").await;
        assert!(events.is_empty());
        pair.publish(1..=2).await;
        let (events, id, gap) = answer(&pair, &format!("lastEventId={id}")).await;
        assert_eq!(events, ["a1", "b1", "a2", "b2"]);
        assert!(gap.is_null());
        let (events, id, _) = answer(&pair, &format!("lastEventId={id}")).await;
        assert!(events.is_empty());
        pair.publish(3..=3).await;
        assert_eq!(answer(&pair, &format!("lastEventId={id}")).await.0, ["a3", "b3"]);
    }
}

#[tokio::test]
async fn a_poll_is_told_which_source_has_a_gap_once() {
    let mut pair = Pair::start(["ids: pass, log: { ask_origin: 0s, events: 2 }", PASS], COMBINE).await;
    pair.publish(1..=4).await;
    let (events, id, gap) = answer(&pair, "lastEventId=a:1,b:4").await;
    assert_eq!(
        (events, gap["reason"].as_str(), gap["source"].as_str()),
        (vec!["a3".into(), "a4".into()], Some("evicted"), Some("a"))
    );
    let (events, _, gap) = answer(&pair, &format!("lastEventId={id}")).await;
    assert!(events.is_empty() && gap.is_null());
    let (_, _, gap) = answer(&pair, "lastEventId=x").await;
    assert_eq!(gap["all"].as_array().unwrap().len(), 2);
}

/// An event that is too large is a gap with no event behind it.
#[tokio::test]
async fn a_gap_at_the_head_is_said_once() {
    for ids in ["pass", "assign"] {
        let source = format!("ids: {ids}, log: {{ ask_origin: 0s }}, event_bytes_max: 1KiB");
        let mut pair = Pair::start([&source; 2], COMBINE).await;
        pair.publish(1..=1).await;
        let (_, id, _) = answer(&pair, "start=earliest").await;
        pair.a.body(format!("data: {}\n\n", "x".repeat(2000))).await;
        let gaps = r#"fanfare_gaps_total{source="a",reason="oversized_event"}"#;
        pair.relay.eventually_metric(gaps, 1.0).await;
        let (events, id, gap) = answer(&pair, &format!("lastEventId={id}")).await;
        assert!(events.is_empty() && gap["source"] == "a", "{gap}");
        let (events, _, gap) = answer(&pair, &format!("lastEventId={id}")).await;
        assert!(events.is_empty() && gap.is_null(), "{ids}: {gap}");
    }
}
