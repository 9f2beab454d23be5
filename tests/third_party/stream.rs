//! Streams that the origin sends in these stories, and what an EventSource makes of them.

use crate::foreign::Foreign;
use crate::support::client::Event;
use crate::support::origin::{Conn, within};
use crate::support::reference::dispatch;
use std::time::Duration;
use tokio::time::timeout;

/// The types that stories listen for.
pub const TYPES: [&str; 2] = ["message", "change"];

/// Everything that the grammar has to offer, ending with an event whose data is `last`.
pub const EVERYTHING: &str = concat!(
    "\u{feff}:an aside\n\n",
    "id: 1\ndata: first\n\n",
    "event: change\nid: 2\ndata: line one\ndata: line two\ndata:\ndata:  indented\n\n",
    "data: inherits its id\n\n",
    "id: a/b c\r\ndata: {\"lines\": \"CR LF\"}\r\n\r\n",
    "id:7\rdata:gr\u{fc}\u{df}e \u{2603} \u{1f49c}\r\r",
    "retry: 86400000\n\n",
    "id: 8\n\n",
    "data: after a block with an id alone\n\n",
    "event: change\nid: 9\nignored: x\ndata\ndata: : \n\n",
    "event: nobody listens\nid: 10\ndata: x\n\n",
    "id\ndata: without an id\n\n",
    "id: 11\ndata: last\n\n",
);

/// The events that listeners for [`TYPES`] see.
pub fn dispatched(stream: &str) -> Vec<Event> {
    let events = dispatch(stream.as_bytes())
        .events
        .into_iter()
        .map(|(event_type, data, id)| Event {
            event_type: String::from_utf8(event_type).unwrap(),
            data: String::from_utf8(data).unwrap(),
            id,
        });
    events.filter(|event| TYPES.contains(&&event.event_type[..])).collect()
}

/// An event that has its number as data and id.
pub async fn publish(conn: &mut Conn, numbers: std::ops::Range<usize>) {
    for n in numbers {
        conn.event(&format!("id: {n}\ndata: {n}")).await;
    }
}

/// Publishes while the client is cut and comes back, until its stream has been opened so often and
/// it has the last event. How many.
pub async fn publish_while_it_is_cut(conn: &mut Conn, client: &mut Foreign, opens: usize) -> usize {
    let mut n = 0;
    within("the client to come back again and again", async {
        while client.count("open") < opens {
            publish(conn, n..n + 1).await;
            n += 1;
            // Some come while it is away, most while it is there.
            let _ = timeout(Duration::from_millis(5), client.says()).await;
        }
    })
    .await;
    publish(conn, n..n + 1).await;
    client.until_data(&n.to_string()).await;
    n + 1
}

/// Asserts that these are all the numbered events up to here, each once and in order.
pub fn assert_numbered(events: &[Event], numbers: std::ops::Range<usize>) {
    let seen: Vec<(&str, &str)> = events.iter().map(|event| (&event.data[..], event.id())).collect();
    let numbers: Vec<String> = numbers.map(|n| n.to_string()).collect();
    let wanted: Vec<(&str, &str)> = numbers.iter().map(|n| (&n[..], &n[..])).collect();
    assert_eq!(seen, wanted);
}
