//! Clients of a combined path stay with the old process, and go on exactly at the new one.

use super::House;
use crate::support::client::{End, get};
use crate::support::origin::TestOrigin;
use crate::support::relay::Setup;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn combined_clients_come_back_to_where_they_were() {
    let (origin, other) = (TestOrigin::start().await, TestOrigin::start().await);
    let beside = format!("b: {{ path: /b, upstream: {{ url: \"{}\" }} }}", other.url("/sse"));
    let setup = Setup::over(&origin)
        .source("ids: pass")
        .beside(&beside)
        .top("drain: { spread: 0s, timeout: 5s }\ncombine: [ { path: /all, sources: [s, b] } ]");
    let house = House::of(setup);
    let mut process = house.start().await;
    let (mut s, mut b) = (origin.accept().await, other.accept().await);
    s.stream_head().await;
    b.stream_head().await;
    let mut client = get("/all").open(process.address).await;
    client.opened().await;
    s.event("id: 1\ndata: s1").await;
    b.event("data: b1").await;
    let mut seen = [client.next_event().await.data, client.next_event().await.data];
    seen.sort();
    assert_eq!(seen, ["b1", "s1"]);
    let new = house.take_over().await;
    assert_eq!(client.end().await, End::LastChunk);
    assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
    s.event("id: 2\ndata: s2").await;
    b.event("data: b2").await;
    let mut back = get("/all").last_event_id(&client.last_event_id).open(new.address).await;
    let mut seen = [back.next_event().await.data, back.next_event().await.data];
    seen.sort();
    assert_eq!(seen, ["b2", "s2"]);
}
