//! Other sources, and another path, while clients are connected.

use super::{ALL, COMBINE, PASS, Pair, data, yaml};
use crate::support::client::{End, get};
use fanfare::config;
use fanfare::relay::Reloaded;

impl Pair {
    pub(super) fn reload(&self, sources: [&str; 2], combine: &str) {
        let yaml = yaml(&self.origins, sources, combine);
        let loaded = config::read(&yaml, "story.yaml", &|_| None).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let reloaded = self.relay.relay.reloader().apply(loaded.config, Vec::new());
        assert!(matches!(reloaded, Reloaded::Applied { .. }), "{reloaded:?}");
    }
}

#[tokio::test]
async fn clients_stay_where_nothing_concerns_them() {
    let mut pair = Pair::passing().await;
    let mut client = pair.all().await;
    pair.publish(1..=1).await;
    // Other settings of its sources, and a further path.
    let more = format!("{PASS}, heartbeat: {{ every: 5s }}");
    pair.reload([&more, PASS], &format!("{COMBINE}\n  - {{ path: /more, sources: a }}"));
    pair.publish(2..=2).await;
    assert_eq!(data(&mut client, 4).await, ["a1", "b1", "a2", "b2"]);
    let mut other = pair.open(&get("/more?start=earliest")).await;
    assert_eq!(data(&mut other, 2).await, ["a1", "a2"]);
}

#[tokio::test]
async fn other_sources_are_another_stream() {
    let mut pair = Pair::start([PASS; 2], "  - { path: /all, sources: a }").await;
    let mut client = pair.all().await;
    pair.publish(1..=1).await;
    assert_eq!(data(&mut client, 1).await, ["a1"]);
    let id = client.last_event_id.clone();
    assert_eq!(id, b"a:1");
    pair.reload([PASS; 2], COMBINE);
    assert_eq!(client.end().await, End::LastChunk);
    let removed = r#"fanfare_connections_closed_total{source="/all",reason="removed"}"#;
    pair.relay.eventually_metric(removed, 1.0).await;
    // It comes back, and goes on in the one that it had.
    pair.publish(2..=2).await;
    let mut back = pair.open(&get(ALL).last_event_id(&id)).await;
    assert_eq!(data(&mut back, 1).await, ["a2"]);
    pair.publish(3..=3).await;
    assert_eq!(data(&mut back, 2).await, ["a3", "b3"]);
}

#[tokio::test]
async fn a_source_that_is_replaced_ends_what_it_is_part_of() {
    let mut pair = Pair::passing().await;
    let (mut all, mut only_b) = (pair.all().await, pair.open(&get("/all?source=b")).await);
    pair.publish(1..=1).await;
    data(&mut all, 2).await;
    pair.reload(["ids: assign", PASS], COMBINE);
    assert_eq!(all.end().await, End::LastChunk);
    assert_eq!(only_b.end().await, End::LastChunk);
    assert_eq!(only_b.last_event_id, b"b:1");
    let mut a = pair.origins[0].accept().await;
    a.stream_head().await;
    let mut back = pair.open(&get("/all?source=b").last_event_id("b:1")).await;
    pair.b.event("id: 2\ndata: b2").await;
    assert_eq!(data(&mut back, 1).await, ["b2"]);
}

#[tokio::test]
async fn a_path_that_is_gone_is_served_no_longer() {
    let pair = Pair::passing().await;
    let mut client = pair.all().await;
    pair.reload([PASS; 2], "  []");
    assert_eq!(client.end().await, End::LastChunk);
    assert_eq!(get(ALL).answer(pair.relay.address).await.head.status, 404);
    assert_eq!(pair.relay.status().await["combined"], serde_json::json!([]));
}
