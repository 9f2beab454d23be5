//! A relay over a relay's combined path.

use super::{Pair, data};
use crate::support::relay::Setup;

#[tokio::test]
async fn a_leaf_resumes_at_the_trunk() {
    let mut pair = Pair::passing().await;
    let all = format!("http://{}/all", pair.relay.address);
    let leaf = Setup::at(&all).start();
    leaf.upstream_connected().await;
    let mut far = leaf.client().await;
    pair.publish(1..=2).await;
    assert_eq!(data(&mut far, 4).await, ["a1", "b1", "a2", "b2"]);
    let id = far.last_event_id.clone();
    assert_eq!(id, b"a:2,b:2");
    drop((far, leaf));
    // Another leaf, which is at the trunk by what it is given.
    pair.publish(3..=3).await;
    let mut near = pair.open(&crate::support::client::get("/all").last_event_id(&id)).await;
    assert_eq!(data(&mut near, 2).await, ["a3", "b3"]);
    let leaf = Setup::at(&all).source("start: earliest").start();
    leaf.upstream_connected().await;
    let mut far = leaf.client().await;
    pair.publish(4..=4).await;
    assert_eq!(data(&mut far, 2).await, ["a4", "b4"]);
    let mut back = leaf.resume("a:4,b:3").await;
    assert_eq!(data(&mut back, 1).await, ["b4"]);
}
