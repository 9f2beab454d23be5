//! Ids over 1,024 bytes: no client could bring them back, so none is given them, and each resumes
//! at the last id before.

use crate::support::client::{End, TestClient, ask, get};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay};

/// So long that servers answer 431 to it.
const LONG_BYTES: usize = 70_000;

fn long() -> String {
    "x".repeat(LONG_BYTES)
}

async fn relayed(source: &str) -> (TestRelay, TestOrigin, Conn) {
    let origin = TestOrigin::start().await;
    let (relay, conn) = Setup::over(&origin).source(source).start_with(&origin).await;
    (relay, origin, conn)
}

/// Data and id of the next events.
async fn next(client: &mut TestClient, events: usize) -> Vec<(String, String)> {
    let mut next = Vec::new();
    for _ in 0..events {
        let event = client.next_event().await;
        next.push((event.data.clone(), event.id().to_owned()));
    }
    next
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(data, id)| ((*data).into(), (*id).into())).collect()
}

#[tokio::test]
async fn what_is_under_one_goes_out_without_it() {
    for source in ["ids: pass", "ids: auto", "ids: auto\ncoalesce: 20ms"] {
        let (relay, _origin, mut conn) = relayed(source).await;
        let mut client = relay.client().await;
        conn.event("id: a\ndata: 1").await;
        conn.event(&format!("data: 2\nid: {}\nevent: named", long())).await;
        conn.event("data: 3").await;
        conn.event(&format!("id: {}", long())).await;
        conn.event(&format!("id: {}\ndata: 4", "y".repeat(1024))).await;
        conn.event("id: b\ndata: 5").await;
        let seen = next(&mut client, 5).await;
        let y = "y".repeat(1024);
        assert_eq!(
            seen,
            pairs(&[("1", "a"), ("2", "a"), ("3", "a"), ("4", &y), ("5", "b")]),
            "{source}"
        );
        assert!(client.body.len() < 10_000, "{source}: {} bytes", client.body.len());
        // Repeating is better than losing.
        let mut back = relay.resume("a").await;
        let data: Vec<String> = next(&mut back, 4).await.into_iter().map(|(data, _)| data).collect();
        assert_eq!(data, ["2", "3", "4", "5"], "{source}");
        // A client that never saw another one is told the id before it.
        let fresh = relay.client().await;
        assert_eq!(fresh.last_event_id, b"b");
    }
}

#[tokio::test]
async fn a_client_that_joins_under_one_is_given_the_id_before_it() {
    let (relay, mut origin, mut conn) = relayed("ids: pass").await;
    conn.event("id: a\ndata: 1").await;
    conn.event(&format!("id: {}\ndata: 2", long())).await;
    relay.received(2).await;
    let mut client = relay.client().await;
    assert_eq!(client.seen_id.as_deref(), Some(&b"a"[..]));
    // To the origin it goes back, who knows it.
    let address = origin.address();
    drop(origin);
    conn.reset();
    origin = TestOrigin::start_at(address).await;
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().header("last-event-id").map(str::len), Some(LONG_BYTES));
    conn.stream_head().await;
    conn.event("data: 3").await;
    assert_eq!(next(&mut client, 1).await, pairs(&[("3", "a")]));
}

/// Passing only such ids on would leave clients no id at all.
#[tokio::test]
async fn an_origin_that_has_no_others_is_numbered_by_the_relay() {
    let (relay, _origin, mut conn) = relayed("ids: auto").await;
    let mut client = relay.client().await;
    for n in 1..=2 {
        conn.event(&format!("id: {}\ndata: {n}", long())).await;
        let event = client.next_event().await;
        assert!(event.id().ends_with(&format!(".{n}")), "{}", event.id());
    }
    let first = client.seen_id.clone().unwrap();
    conn.event("id: a\ndata: 3").await;
    assert_eq!(next(&mut client, 1).await, pairs(&[("3", "a")]));
    let mut back = relay.resume(&first).await;
    assert_eq!(next(&mut back, 1).await, pairs(&[("3", "a")]));
}

#[tokio::test]
async fn a_terminal_event_under_one_ends_the_stream_once() {
    let (relay, _origin, mut conn) = relayed("ids: pass\nend_when: { event: done }").await;
    let mut client = relay.client().await;
    conn.event("id: a\ndata: 1").await;
    conn.event(&format!("event: done\nid: {}\ndata: 2", long())).await;
    assert_eq!(next(&mut client, 2).await, pairs(&[("1", "a"), ("2", "a")]));
    assert_eq!(client.end().await, End::LastChunk);
    let back = get(PATH).last_event_id(&client.last_event_id);
    assert_eq!(back.answer(relay.address).await.head.status, 204);
}

#[tokio::test]
async fn gaps_and_polls_name_places_that_can_come_back() {
    let (relay, _origin, mut conn) = relayed("ids: pass\nevent_bytes_max: 100KiB").await;
    let mut client = relay.client().await;
    conn.event("id: a\ndata: 1").await;
    conn.event(&format!("id: {}\ndata: {}", long(), "x".repeat(100 * 1024)))
        .await;
    conn.event("data: 2").await;
    assert_eq!(next(&mut client, 1).await, pairs(&[("1", "a")]));
    assert_eq!(client.next_event().await.gap().as_deref(), Some("oversized_event"));
    assert_eq!(next(&mut client, 1).await, pairs(&[("2", "a")]));
    conn.event(&format!("id: {}\ndata: 3", long())).await;
    relay.received(3).await;
    let mut id = "a".to_owned();
    let mut polled = Vec::new();
    while polled.last().is_none_or(|data| data != "3") {
        let poll = ask("GET", PATH).header("Accept", "application/json").last_event_id(&id);
        let answer: serde_json::Value = serde_json::from_str(&poll.answer(relay.address).await.body).unwrap();
        for event in answer["events"].as_array().unwrap() {
            assert_eq!(event["id"], "a");
            polled.push(event["data"].as_str().unwrap().to_owned());
        }
        id = answer["last_event_id"].as_str().unwrap().to_owned();
        assert!(id.len() < 100, "{} bytes", id.len());
    }
    assert_eq!(polled, ["2", "3"]);
}

#[tokio::test]
async fn of_merged_upstreams_the_others_keep_theirs() {
    let (one, two) = (TestOrigin::start().await, TestOrigin::start().await);
    let relay = TestRelay::read(&format!(
        "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nworkers: 2\nsources:\n  s:\n    path: {PATH}\n    ids: pass\n    \
         upstream: [ \"{}\", \"{}\" ]\n",
        one.url("/sse"),
        two.url("/sse"),
    ));
    let (mut one, mut two) = (one.accept().await, two.accept().await);
    one.stream_head().await;
    two.stream_head().await;
    relay.upstream_connected().await;
    let mut client = relay.client().await;
    for (upstream, event, seen) in [
        (1, "id: a\ndata: 1".to_owned(), ("1", "a")),
        (2, format!("id: {}\ndata: 2", long()), ("2", "a")),
        (1, "id: b\ndata: 3".to_owned(), ("3", "b")),
        (2, "data: 4".to_owned(), ("4", "b")),
        (1, "data: 5".to_owned(), ("5", "b")),
        (2, "id: c\ndata: 6".to_owned(), ("6", "c")),
        (1, "data: 7".to_owned(), ("7", "b")),
    ] {
        match upstream {
            1 => one.event(&event).await,
            _ => two.event(&event).await,
        }
        assert_eq!(next(&mut client, 1).await, pairs(&[seen]));
    }
}

#[tokio::test]
async fn nor_does_a_tree_of_relays_pass_it_on() {
    let (root, _origin, mut conn) = relayed("ids: pass").await;
    let leaf = Setup::at(&format!("http://{}{PATH}", root.address))
        .source("ids: pass")
        .start();
    leaf.upstream_connected().await;
    let mut client = leaf.client().await;
    conn.event("id: a\ndata: 1").await;
    conn.event(&format!("id: {}\ndata: 2", long())).await;
    assert_eq!(next(&mut client, 2).await, pairs(&[("1", "a"), ("2", "a")]));
}
