//! A combined stream ends when all its sources have.

use super::{ALL, COMBINE, Pair, data};
use crate::support::client::{End, get};

const ENDING: &str =
    "ids: pass, log: { ask_origin: 0s }, end_when: { event: done }, end_event: end, retry_ended_after: 100ms";

#[tokio::test]
async fn with_the_last_of_its_sources() {
    let mut pair = Pair::start([ENDING; 2], COMBINE).await;
    let mut client = pair.all().await;
    pair.publish(1..=1).await;
    pair.a.event("id: 2\nevent: done\ndata: a is over").await;
    assert_eq!(data(&mut client, 3).await, ["a1", "b1", "a is over"]);
    // The other goes on, and so does the stream.
    pair.b.event("id: 2\ndata: b2").await;
    assert_eq!(data(&mut client, 1).await, ["b2"]);
    let mut half = pair.open(&get(ALL).last_event_id("a:2,b:1")).await;
    assert_eq!(data(&mut half, 1).await, ["b2"]);
    pair.b.event("id: 3\nevent: done\ndata: b is over").await;
    for client in [&mut client, &mut half] {
        assert_eq!(client.end().await, End::LastChunk);
        let last: Vec<_> = client.events_so_far().into_iter().map(|event| event.data).collect();
        assert_eq!(last, ["b is over", r#"{"reason":"ended"}"#]);
    }
    let done = get(ALL).last_event_id("a:2,b:3").answer(pair.relay.address).await;
    assert_eq!(done.head.status, 204);
    // One that has not had all gets the rest, then the end.
    let mut late = pair.open(&get(ALL).last_event_id("a:1,b:3")).await;
    assert_eq!(late.end().await, End::LastChunk);
    assert_eq!(late.events_so_far()[0].data, "a is over");
    let mut new = pair.open(&get("/all?start=earliest")).await;
    assert_eq!(new.end().await, End::LastChunk);
    assert_eq!(new.events_so_far().len(), 6);
}

#[tokio::test]
async fn an_origin_that_has_no_more_and_goes_on_after_all() {
    let mut pair = Pair::start([ENDING; 2], COMBINE).await;
    let mut client = pair.all().await;
    pair.publish(1..=1).await;
    data(&mut client, 2).await;
    pair.b.event("id: 2\nevent: done\ndata: b is over").await;
    assert_eq!(data(&mut client, 1).await, ["b is over"]);
    let Pair {
        relay,
        origins,
        a,
        b: _b,
    } = pair;
    a.close().await;
    origins[0].answer("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(client.end().await, End::LastChunk);
    let over = get(ALL).last_event_id("a:1,b:2").answer(relay.address).await;
    assert_eq!(over.head.status, 204);
    let mut a = origins[0].accept().await;
    a.stream_head().await;
    a.event("id: 2\ndata: a2").await;
    relay
        .eventually_metric("fanfare_events_received_total{source=\"a\"}", 2.0)
        .await;
    let mut back = relay.open(&get(ALL).last_event_id("a:1,b:2")).await;
    assert_eq!(
        back.until_data("a2")
            .await
            .last()
            .map(|event| event.id.clone())
            .unwrap(),
        b"a:2,b:2"[..]
    );
}
