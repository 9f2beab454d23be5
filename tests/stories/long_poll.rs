//! Clients that can't hold a stream ask again and again: each answer is what is new, and nothing is
//! lost in between.

use crate::support::client::{Answer, Ask, ask};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay};
use serde_json::{Value, json};

async fn relayed(source: &str) -> (TestRelay, TestOrigin, Conn) {
    let origin = TestOrigin::start().await;
    let (relay, conn) = Setup::over(&origin).source(source).start_with(&origin).await;
    (relay, origin, conn)
}

fn poll(query: &str) -> Ask {
    ask("GET", &format!("{PATH}{query}")).header("Accept", "application/json")
}

async fn answered(relay: &TestRelay, request: &Ask) -> Value {
    json_of(&request.answer(relay.address).await)
}

fn json_of(answer: &Answer) -> Value {
    assert_eq!(answer.head.status, 200, "{answer:?}");
    assert_eq!(answer.head.header("content-type"), Some("application/json"));
    assert_eq!(answer.head.header("cache-control"), Some("no-store"));
    serde_json::from_str(&answer.body).unwrap()
}

fn data(news: &Value) -> Vec<&str> {
    let events = news["events"].as_array().unwrap();
    events.iter().map(|event| event["data"].as_str().unwrap()).collect()
}

fn id(news: &Value) -> &str {
    news["last_event_id"].as_str().unwrap()
}

#[tokio::test]
async fn what_is_there_comes_at_once_and_what_is_not_as_soon_as_it_is() {
    let (relay, _origin, mut conn) = relayed("start: earliest").await;
    conn.body("id: 1\nevent: a\ndata: x\ndata: y\n\nid: 2\ndata: z\n\n")
        .await;
    relay.received(2).await;
    let news = answered(&relay, &poll("")).await;
    assert_eq!(
        news,
        json!({
            "events": [{"id": "1", "event": "a", "data": "x\ny"}, {"id": "2", "event": "message", "data": "z"}],
            "last_event_id": "2",
        })
    );
    assert_eq!(data(&answered(&relay, &poll("").last_event_id("1")).await), ["z"]);
    // Nothing more yet: it waits.
    let waiting = tokio::spawn({
        let (request, address) = (poll("?lastEventId=2&wait=60"), relay.address);
        async move { request.answer(address).await }
    });
    relay.eventually_clients(1).await;
    conn.event("id: 3\ndata: new").await;
    let news = json_of(&waiting.await.unwrap());
    assert_eq!((data(&news), id(&news)), (vec!["new"], "3"));
    relay.eventually_clients(0).await;
}

#[tokio::test]
async fn an_empty_list_after_the_wait() {
    let (relay, _origin, _conn) = relayed("").await;
    let first = answered(&relay, &poll("?wait=0.05")).await;
    assert_eq!(data(&first), [""; 0]);
    // The answer names the place all the same.
    let again = answered(&relay, &poll("?wait=0s").last_event_id(id(&first))).await;
    assert_eq!(again, first);
    poll("?wait=soon").answer(relay.address).await.assert_problem(400);
}

#[tokio::test]
async fn a_place_has_the_origins_id_where_that_names_it() {
    let (relay, _origin, mut conn) = relayed("").await;
    conn.body("id: 1\ndata: a\n\nid: 2\ndata: b\n\n").await;
    relay.received(2).await;
    // Nothing new, and the next poll may come to a sibling of this relay.
    let news = answered(&relay, &poll("?wait=0")).await;
    assert_eq!((data(&news), id(&news)), (vec![], "2"));
    // An id that several share names the first of them only.
    conn.event("data: c").await;
    relay.received(3).await;
    let news = answered(&relay, &poll("?wait=0")).await;
    assert_ne!(id(&news), "2");
}

#[tokio::test]
async fn head_answers_the_head_at_once() {
    let (relay, _origin, _conn) = relayed("").await;
    let head = ask("HEAD", PATH).header("Accept", "application/json");
    let answer = head.answer(relay.address).await;
    assert_eq!((answer.head.status, answer.body.as_str()), (200, ""));
    assert_eq!(answer.head.header("content-type"), Some("application/json"));
    assert_eq!(answer.head.header("cache-control"), Some("no-store"));
    // RFC 9110, 9.3.2: what GET would say; the length is that of news which are not there yet.
    assert_eq!(answer.head.header("content-length"), None, "{answer:?}");
}

#[tokio::test]
async fn between_two_polls_nothing_is_lost_with_or_without_ids() {
    for ids in ["auto", "pass", "assign"] {
        let (relay, _origin, mut conn) = relayed(&format!("ids: {ids}")).await;
        let first = answered(&relay, &poll("?wait=0")).await;
        // An id that all share: a place in it can't be named by it.
        conn.body("data: a\n\nid: 7\ndata: b\n\ndata: c\n\ndata: d\n\n").await;
        relay.received(4).await;
        let news = answered(&relay, &poll("?wait=0").last_event_id(id(&first))).await;
        assert_eq!(data(&news), ["a", "b", "c", "d"], "{ids}");
        let nothing = answered(&relay, &poll("?wait=0").last_event_id(id(&news))).await;
        assert_eq!(data(&nothing), [""; 0], "{ids}: {news}");
        conn.event("data: e").await;
        relay.received(5).await;
        let news = answered(&relay, &poll("?wait=0").last_event_id(id(&nothing))).await;
        assert_eq!(data(&news), ["e"], "{ids}");
    }
}

#[tokio::test]
async fn a_gap_is_said() {
    let (relay, origin, mut conn) = relayed("start: earliest").await;
    conn.event("data: a").await;
    relay.received(1).await;
    let news = answered(&relay, &poll("").last_event_id("stranger")).await;
    assert_eq!((&news["gap"]["reason"], data(&news)), (&"unknown_id".into(), vec!["a"]));
    // One in the middle: what came before it first.
    conn.close().await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn.event("data: b").await;
    relay.received(2).await;
    let before = answered(&relay, &poll("")).await;
    assert_eq!((before.get("gap"), data(&before)), (None, vec!["a"]));
    let after = answered(&relay, &poll("").last_event_id(id(&before))).await;
    assert_eq!(
        (&after["gap"]["reason"], data(&after)),
        (&"upstream_reconnected".into(), vec!["b"])
    );
}

#[tokio::test]
async fn a_long_history_comes_in_parts() {
    let (relay, _origin, mut conn) = relayed("start: earliest").await;
    let wanted: Vec<String> = (0..2500).map(|n| n.to_string()).collect();
    conn.body(wanted.iter().map(|n| format!("data: {n}\n\n")).collect::<String>())
        .await;
    relay.received(2500).await;
    let (mut seen, mut place) = (Vec::new(), String::new());
    while seen.len() < wanted.len() {
        let news = answered(&relay, &poll("").last_event_id(&place)).await;
        let part = data(&news);
        assert!((1..=1000).contains(&part.len()), "{}", part.len());
        seen.extend(part.into_iter().map(str::to_owned));
        place = id(&news).to_owned();
    }
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn after_the_end_there_is_no_content() {
    let (relay, _origin, mut conn) = relayed("end_when: { event: end }\nids: pass").await;
    let waiting = tokio::spawn({
        let (request, address) = (poll("?wait=60"), relay.address);
        async move { request.answer(address).await }
    });
    relay.eventually_clients(1).await;
    conn.event("event: end\ndata: done").await;
    let news = json_of(&waiting.await.unwrap());
    assert_eq!(data(&news), ["done"]);
    let after = poll("").last_event_id(id(&news)).answer(relay.address).await;
    assert_eq!((after.head.status, after.body.as_str()), (204, ""));
    // Who comes late learns it too.
    assert_eq!(data(&answered(&relay, &poll("")).await), ["done"]);
}

#[tokio::test]
async fn a_relay_that_leaves_answers_what_it_has() {
    let (relay, _origin, _conn) = relayed("").await;
    let address = relay.address;
    let waiting = tokio::spawn(async move { poll("?wait=60").answer(address).await });
    relay.eventually_clients(1).await;
    assert!(relay.relay.drain().await);
    assert_eq!(data(&json_of(&waiting.await.unwrap())), [""; 0]);
}

#[tokio::test]
async fn a_poll_takes_a_place_while_it_waits() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).top("limits: { clients: 1 }");
    let (relay, _conn) = setup.start_with(&origin).await;
    let _inside = relay.client().await;
    let answer = poll("").answer(relay.address).await;
    answer.assert_problem(503);
    assert!(answer.head.header("retry-after").is_some());
}
