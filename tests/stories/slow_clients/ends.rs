//! How the stream of one that was too slow ends.

use super::{evictions, flood, relayed, stalled};
use crate::support::client::End;
use crate::support::filler::filler;

#[tokio::test]
async fn a_client_that_reads_again_in_time_gets_its_event_and_an_end_in_order() {
    let (relay, mut conn) = relayed("slow_client: { bytes: 256KiB }").await;
    let mut slow = stalled(&relay).await;
    let evicted = || relay.metric(&evictions("bytes")) == 1.0;
    flood(&mut conn, &mut [], evicted).await;
    // The rest of the event under way, the reconnection time, the last chunk.
    assert_eq!(slow.end().await, End::LastChunk);
    assert_eq!(slow.incomplete(), b"");
    assert_eq!(slow.retries.len(), 2, "one at the start, one at the end");
    let events = slow.events_so_far();
    let next = events.len();
    assert!(
        events
            .iter()
            .enumerate()
            .all(|(n, event)| event.event_type == n.to_string())
    );
    let mut back = relay.resume(&slow.last_event_id).await;
    assert_eq!(back.next_event().await.event_type, next.to_string());
}

#[tokio::test]
async fn who_stands_in_an_event_that_the_log_lets_go_gets_the_rest_of_it() {
    let (relay, mut conn) = relayed("log: { events: 3 }\nevent_bytes_max: 4MiB\nslow_client: { bytes: 64MiB }").await;
    let mut slow = stalled(&relay).await;
    let mut good = relay.client().await;
    let data = filler(3 << 20);
    conn.event(&format!("data: {data}")).await;
    good.next_event().await;
    for n in 0..10 {
        conn.event(&format!("data: {n}")).await;
        good.next_event().await;
    }
    let event = slow.next_event().await;
    assert!(event.data == data, "{} bytes", event.data.len());
    // What followed is gone: an end in order, and the resume says so.
    assert_eq!(slow.end().await, End::LastChunk);
    assert_eq!(relay.metric(&evictions("log")), 1.0);
    let mut back = relay.resume(&slow.last_event_id).await;
    assert_eq!(back.next_event().await.gap().as_deref(), Some("evicted"));
    assert_eq!(back.next_event().await.data, "7");
}
