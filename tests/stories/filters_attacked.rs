//! What clients can do with filters that was not meant.

use crate::support::client::{Ask, End, ask, get};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay};

const DERIVED: &str = "fanfare_derived_channels{source=\"s\"}";

async fn relayed(source: &str) -> (TestRelay, Conn) {
    let origin = TestOrigin::start().await;
    let source = format!("filters: 4\nids: pass\n{source}");
    Setup::over(&origin).source(&source).start_with(&origin).await
}

fn filtered(query: &str) -> Ask {
    get(&format!("{PATH}?{query}"))
}

#[tokio::test]
async fn a_value_is_as_long_as_a_request_may_be() {
    let (relay, mut conn) = relayed("").await;
    let long = "x".repeat(12_000);
    let mut client = relay.open(&filtered(&format!("match=/v:{long}"))).await;
    conn.event(&format!("id: 1\ndata: {{\"v\":\"{long}y\"}}")).await;
    conn.event(&format!("id: 2\ndata: {{\"v\":\"{long}\"}}")).await;
    assert_eq!(client.next_event().await.id(), "2");
    let refused = filtered(&format!("match=/v:{}", "x".repeat(20_000)));
    let status = refused.answer(relay.address).await.head.status;
    assert!([414, 431].contains(&status), "{status}");
}

#[tokio::test]
async fn the_same_a_thousand_times_is_one_filter() {
    let (relay, mut conn) = relayed("").await;
    let mut client = relay.open(&filtered(&"event=a&".repeat(1_000))).await;
    let mut other = relay.open(&filtered(&"match=/n:1&".repeat(1_000))).await;
    conn.event("id: 1\nevent: a\ndata: {\"n\":1}").await;
    assert_eq!(client.next_event().await.id(), "1");
    assert_eq!(other.next_event().await.id(), "1");
    assert_eq!(relay.metric(DERIVED), 2.0);
    let types: String = (0..65).map(|n| format!("event={n}&")).collect();
    let values: String = (0..17).map(|n| format!("match=/n:{n}&")).collect();
    for too_many in [types, values] {
        filtered(&too_many).answer(relay.address).await.assert_problem(400);
    }
}

#[tokio::test]
async fn however_it_is_written_it_is_the_same_filter() {
    let (relay, mut conn) = relayed("").await;
    let mut clients = Vec::new();
    for query in [
        "event=a,b&match=/k:v",
        "event=b%2Ca&match=%2fk%3Av",
        "%65vent=%61&ev%65nt=b&m%61tch=/k%3a%76",
        "&&match=/k:v&x&event=a&event=b,a&=&",
    ] {
        clients.push(relay.open(&filtered(query)).await);
    }
    assert_eq!(relay.metric(DERIVED), 1.0);
    conn.event("id: 1\nevent: a\ndata: {\"k\":\"w\"}").await;
    conn.event("id: 2\nevent: b\ndata: {\"k\":\"v\"}").await;
    for client in &mut clients {
        assert_eq!(client.next_event().await.id(), "2");
    }
}

/// A parameter that is there and says nothing is no filter, and not none either.
#[tokio::test]
async fn a_parameter_without_a_value_is_told() {
    let (relay, _conn) = relayed("").await;
    for query in [
        "event",
        "match",
        "event&event=a",
        "ev%65nt=",
        "match=%ff:x",
        "event=%ff",
    ] {
        filtered(query).answer(relay.address).await.assert_problem(400);
        let head = ask("HEAD", &format!("{PATH}?{query}")).answer(relay.address).await;
        assert_eq!(head.head.status, 400, "{query}");
        let poll = ask("GET", &format!("{PATH}?{query}")).header("Accept", "application/json");
        poll.answer(relay.address).await.assert_problem(400);
    }
    // A head opens nothing.
    let head = ask("HEAD", &format!("{PATH}?event=a")).answer(relay.address).await;
    assert_eq!((head.head.status, relay.metric(DERIVED)), (200, 0.0));
}

#[tokio::test]
async fn hundreds_of_filters_at_once_disturb_no_one() {
    let (relay, mut conn) = relayed("").await;
    let mut clients = Vec::new();
    for n in 0..4 {
        clients.push(relay.open(&filtered(&format!("event={n}"))).await);
    }
    let attacks = (0..300).map(|n| {
        let address = relay.address;
        tokio::spawn(async move { filtered(&format!("event=x{n}")).open(address).await.end().await })
    });
    let attacks: Vec<_> = attacks.collect();
    for (n, client) in clients.iter_mut().enumerate() {
        conn.event(&format!("id: {n}\nevent: {n}\ndata: x")).await;
        assert_eq!(client.next_event().await.id(), n.to_string());
    }
    for attack in attacks {
        assert_eq!(attack.await.unwrap(), End::LastChunk);
    }
    assert_eq!(relay.metric("fanfare_refused_total{reason=\"filters\"}"), 300.0);
    assert_eq!(relay.metric(DERIVED), 4.0);
    clients.clear();
    relay.eventually_metric(DERIVED, 0.0).await;
}

/// Each of them takes the place of one that has no client.
#[tokio::test]
async fn one_filter_after_the_other_leaves_none_behind() {
    let (relay, mut conn) = relayed("start: earliest").await;
    conn.event("id: 1\nevent: a\ndata: x").await;
    relay.received(1).await;
    let mut stays = relay.open(&filtered("event=a")).await;
    stays.next_event().await;
    for n in 0..100 {
        let one = filtered(&format!("event=a&event=x{n}"));
        while one.open(relay.address).await.try_next_event().await.is_none() {}
        assert!(relay.metric(DERIVED) <= 4.0);
    }
    conn.event("id: 2\nevent: a\ndata: y").await;
    assert_eq!(stays.next_event().await.id(), "2");
}

/// JSON within JSON, deeper than any stack.
#[tokio::test]
async fn data_and_values_may_be_as_deep_as_they_like() {
    let (relay, mut conn) = relayed("").await;
    let mut client = relay.open(&filtered("match=/a:1")).await;
    let mut deep = relay.open(&filtered(&format!("match=/a:{}", "[".repeat(10_000)))).await;
    for (id, open, close) in [(1, "[", "]"), (2, "{\"a\":", "}")] {
        let nested = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        for data in [
            nested.clone(),
            format!("{{\"b\":{nested},\"c\":1}}"),
            format!("{{\"a\":{nested}}}"),
        ] {
            conn.event(&format!("id: {id}\ndata: {data}")).await;
        }
        conn.event(&format!("id: {id}\ndata: {}", open.repeat(200_000))).await;
    }
    conn.event("id: 3\ndata: {\"a\":1}").await;
    assert_eq!(client.next_event().await.id(), "3");
    conn.event(&format!("id: 4\ndata: {{\"a\":\"{}\"}}", "[".repeat(10_000)))
        .await;
    assert_eq!(deep.next_event().await.id(), "4");
}
