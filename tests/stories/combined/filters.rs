//! Filters over several sources.

use super::{COMBINE, Pair, data};
use crate::support::client::get;

const FILTERS: &str = "ids: pass, log: { ask_origin: 0s }, filters: 4";

async fn publish(pair: &mut Pair, n: u64) {
    for (conn, name) in [(&mut pair.a, "a"), (&mut pair.b, "b")] {
        let kind = if n.is_multiple_of(2) { "even" } else { "odd" };
        conn.event(&format!("id: {n}\nevent: {kind}\ndata: {{\"is\":\"{name}{n}\"}}"))
            .await;
        let series = format!("fanfare_events_received_total{{source=\"{name}\"}}");
        pair.relay.eventually_metric(&series, n as f64).await;
    }
}

#[tokio::test]
async fn a_client_filters_what_is_combined() {
    let mut pair = Pair::start([FILTERS; 2], COMBINE).await;
    let mut odd = pair.open(&get("/all?event=odd")).await;
    let mut one = pair.open(&get("/all?match=/is:b2")).await;
    for n in 1..=3 {
        publish(&mut pair, n).await;
    }
    let is = |data: Vec<String>| data.join(" ");
    let odd_data = r#"{"is":"a1"} {"is":"b1"} {"is":"a3"} {"is":"b3"}"#;
    assert_eq!(is(data(&mut odd, 4).await), odd_data);
    assert_eq!(odd.last_event_id, b"a:3,b:3");
    let event = one.next_event().await;
    assert_eq!((event.id(), &*event.data), ("a:2,b:2", r#"{"is":"b2"}"#));
    // It drops its filter, or takes another, and goes on.
    let mut back = pair.open(&get("/all").last_event_id("a:2,b:2")).await;
    assert_eq!(is(data(&mut back, 2).await), r#"{"is":"a3"} {"is":"b3"}"#);
    let mut back = pair.open(&get("/all?event=even").last_event_id("a:1,b:1")).await;
    assert_eq!(is(data(&mut back, 2).await), r#"{"is":"a2"} {"is":"b2"}"#);
    // Of what comes before the log for it alone it gets what it asks for, too.
    let mut back = pair.open(&get("/all?event=odd").last_event_id("a:0,b:3,c:1")).await;
    assert_eq!(back.next_event().await.event_type, "fanfare.gap");
    let mut back = pair.open(&get("/all?event=odd").last_event_id("a:1,b:3")).await;
    assert_eq!(is(data(&mut back, 1).await), r#"{"is":"a3"}"#);
}

/// Every source has to let clients choose.
#[tokio::test]
async fn no_filters_where_a_source_has_none() {
    let mut pair = Pair::start([FILTERS, "ids: pass, log: { ask_origin: 0s }"], COMBINE).await;
    let mut client = pair.open(&get("/all?event=even")).await;
    publish(&mut pair, 1).await;
    assert_eq!(data(&mut client, 2).await.len(), 2);
}
