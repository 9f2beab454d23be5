//! After a start the log is empty, and clients come back with ids that the origin gave before: it
//! is asked what came after them, on a second connection.

use crate::support::client::{TestClient, ask, get};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay};
use std::time::Duration;

const GAP: &str = "fanfare.gap";

/// A relay that has just been started in front of an origin with ids.
async fn restarted(source: &str) -> (TestRelay, TestOrigin, Conn) {
    let origin = TestOrigin::start().await;
    let source = match source.contains("ask_origin") {
        true => source.to_owned(),
        false => format!("{source}\nlog: {{ ask_origin: 30s }}"),
    };
    let (relay, conn) = Setup::over(&origin).source(&source).start_with(&origin).await;
    assert_eq!(conn.request().header("last-event-id"), None);
    (relay, origin, conn)
}

async fn publish(conn: &mut Conn, numbers: std::ops::RangeInclusive<u32>) {
    for n in numbers {
        conn.event(&format!("id: {n}\ndata: {n}")).await;
    }
}

/// Comes back; the answer may take until the origin has been asked.
fn back(relay: &TestRelay, id: &str) -> tokio::task::JoinHandle<TestClient> {
    let (address, request) = (relay.address, get(PATH).last_event_id(id));
    tokio::spawn(async move { request.open(address).await })
}

async fn asked(origin: &TestOrigin, id: &str) -> Conn {
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().header("last-event-id"), Some(id));
    conn.stream_head().await;
    conn
}

async fn expect(client: &mut TestClient, numbers: std::ops::RangeInclusive<u32>) {
    for n in numbers {
        let event = client.next_event().await;
        assert_eq!((&*event.event_type, event.data.as_str()), ("message", &*n.to_string()));
        assert_eq!(event.id(), n.to_string());
    }
}

fn gaps(relay: &TestRelay) -> f64 {
    relay.metric(r#"fanfare_resumes_total{source="s",outcome="gap"}"#)
}

#[tokio::test]
async fn what_came_before_the_log_comes_from_the_origin() {
    for ids in ["ids: auto", "ids: pass"] {
        let (relay, origin, mut main) = restarted(ids).await;
        publish(&mut main, 10..=11).await;
        relay.received(2).await;
        let client = back(&relay, "5");
        let mut second = asked(&origin, "5").await;
        publish(&mut second, 6..=11).await;
        second.closed().await;
        let mut client = client.await.unwrap();
        expect(&mut client, 6..=11).await;
        publish(&mut main, 12..=12).await;
        expect(&mut client, 12..=12).await;
        // Who comes later, with an id that was among it, gets the rest without another question.
        for from in [5, 7, 9] {
            let mut client = relay.resume(from.to_string()).await;
            assert_eq!(client.seen_id.as_deref(), Some(from.to_string().as_bytes()));
            expect(&mut client, from + 1..=12).await;
        }
        assert_eq!(gaps(&relay), 0.0);
        assert!(!origin.is_called_within(Duration::from_millis(500)).await);
    }
}

#[tokio::test]
async fn a_log_that_is_still_empty_goes_on_behind_it() {
    let (relay, origin, mut main) = restarted("ids: auto").await;
    let client = back(&relay, "5");
    let mut second = asked(&origin, "5").await;
    publish(&mut second, 6..=8).await;
    let mut client = client.await.unwrap();
    expect(&mut client, 6..=8).await;
    publish(&mut main, 9..=10).await;
    expect(&mut client, 9..=10).await;
    assert_eq!(gaps(&relay), 0.0);
}

#[tokio::test]
async fn what_comes_to_both_connections_comes_once() {
    let (relay, origin, mut main) = restarted("ids: pass").await;
    let client = back(&relay, "5");
    let mut second = asked(&origin, "5").await;
    // The second connection is ahead of the first.
    publish(&mut second, 6..=9).await;
    publish(&mut main, 8..=9).await;
    let mut client = client.await.unwrap();
    expect(&mut client, 6..=9).await;
    publish(&mut main, 10..=10).await;
    expect(&mut client, 10..=10).await;
}

#[tokio::test]
async fn those_who_come_together_are_asked_for_with_the_oldest() {
    let (relay, origin, mut main) = restarted("ids: pass").await;
    publish(&mut main, 100..=100).await;
    relay.received(1).await;
    let clients: Vec<_> = [97, 9, 50, 99].map(|id| (id, back(&relay, &id.to_string()))).into();
    let mut second = asked(&origin, "9").await;
    publish(&mut second, 10..=100).await;
    for (id, client) in clients {
        expect(&mut client.await.unwrap(), id + 1..=100).await;
    }
    assert_eq!(gaps(&relay), 0.0);
    assert!(!origin.is_called_within(Duration::from_millis(500)).await);
}

/// What the origin makes of the question, if it is nothing.
enum Refusal {
    Status(&'static str),
    /// It goes on with what is new.
    Live,
    Silence,
}

#[tokio::test]
async fn what_the_origin_does_not_return_is_a_gap_and_not_asked_for_again() {
    for refusal in [
        Refusal::Status("404 Not Found"),
        Refusal::Status("204 No Content"),
        Refusal::Status("500 Internal Server Error"),
        Refusal::Live,
        Refusal::Silence,
    ] {
        let (relay, origin, mut main) = restarted("ids: pass").await;
        publish(&mut main, 10..=11).await;
        relay.received(2).await;
        let client = back(&relay, "5");
        let mut second = origin.accept().await;
        match refusal {
            Refusal::Status(status) => {
                second
                    .send(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n"))
                    .await;
            }
            Refusal::Live => {
                second.stream_head().await;
                publish(&mut second, 11..=11).await;
            }
            Refusal::Silence => second.stream_head().await,
        }
        for mut client in [client.await.unwrap(), relay.resume("5").await] {
            let gap = client.next_event().await;
            assert_eq!((&*gap.event_type, gap.gap().as_deref()), (GAP, Some("unknown_id")));
            expect(&mut client, 10..=11).await;
        }
        // It concerns those clients alone.
        let mut live = relay.client().await;
        publish(&mut main, 12..=12).await;
        expect(&mut live, 12..=12).await;
    }
}

#[tokio::test]
async fn ids_that_are_invented_cost_the_origin_a_bounded_number_of_questions() {
    let (relay, origin, mut main) = restarted("ids: pass").await;
    publish(&mut main, 10..=10).await;
    relay.received(1).await;
    let clients: Vec<_> = (0..40).map(|n| back(&relay, &format!("invented-{n}"))).collect();
    let mut questions = 0;
    let answering = async {
        loop {
            let mut conn = origin.accept_request().await;
            conn.send("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
            questions += 1;
        }
    };
    let all = async {
        for client in clients {
            assert!(client.await.unwrap().next_event().await.gap().is_some());
        }
    };
    tokio::select! {
        () = answering => {}
        () = all => {}
    }
    assert!((1..=8).contains(&questions), "{questions}");
    assert!(!origin.is_called_within(Duration::from_millis(500)).await);
}

#[tokio::test]
async fn what_can_only_be_the_relays_own_is_not_asked_for() {
    for (source, id) in [
        ("ids: assign", "5"),
        ("ids: auto", "0123456789bc.7"),
        ("ids: pass\nlog: { ask_origin: 0s }", "5"),
    ] {
        let (relay, origin, mut main) = restarted(source).await;
        publish(&mut main, 10..=10).await;
        relay.received(1).await;
        let mut client = relay.resume(id).await;
        assert_eq!(client.next_event().await.event_type, GAP, "{source}");
        assert!(!origin.is_called_within(Duration::from_millis(400)).await, "{source}");
    }
}

#[tokio::test]
async fn it_is_asked_only_for_a_while() {
    let (relay, origin, mut main) = restarted("ids: pass\nlog: { ask_origin: 300ms }").await;
    publish(&mut main, 10..=10).await;
    // Nothing says that the time is over but an id that isn't asked for.
    loop {
        let client = back(&relay, "5");
        tokio::select! {
            conn = origin.accept_request() => {
                let mut conn = conn;
                conn.send("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
            }
            client = client => {
                assert!(client.unwrap().next_event().await.gap().is_some());
                break;
            }
        }
    }
    assert!(!origin.is_called_within(Duration::from_millis(500)).await);
}

#[tokio::test]
async fn polls_and_old_clients_get_it_too() {
    let (relay, origin, mut main) = restarted("ids: pass").await;
    publish(&mut main, 10..=10).await;
    relay.received(1).await;
    let poll = ask("GET", PATH).header("Accept", "application/json").last_event_id("5");
    let address = relay.address;
    let first = {
        let poll = ask("GET", PATH).header("Accept", "application/json").last_event_id("5");
        tokio::spawn(async move { poll.answer(address).await })
    };
    let mut second = asked(&origin, "5").await;
    publish(&mut second, 6..=10).await;
    for answer in [first.await.unwrap(), poll.answer(address).await] {
        let news: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let data: Vec<_> = news["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| &event["data"])
            .collect();
        assert_eq!(data, ["6", "7", "8", "9", "10"], "{news}");
        assert_eq!((&news["last_event_id"], news.get("gap")), (&"10".into(), None));
    }
    let mut old = relay.open(&get(PATH).last_event_id("8").http10()).await;
    expect(&mut old, 9..=10).await;
}

#[tokio::test]
async fn a_large_history_reaches_a_client_that_reads_slowly() {
    let (relay, origin, mut main) = restarted("ids: pass").await;
    let event = |n: u32| format!("id: {n}\ndata: {n} {}", "x".repeat(10_000));
    main.event(&event(700)).await;
    relay.received(1).await;
    let request = get(PATH).last_event_id("99").small_receive_buffer();
    let address = relay.address;
    let client = tokio::spawn(async move { request.open(address).await });
    let mut second = asked(&origin, "99").await;
    for n in 100..=700 {
        second.event(&event(n)).await;
    }
    let mut client = client.await.unwrap();
    main.event(&event(701)).await;
    for n in 100..=701 {
        assert_eq!(client.next_event().await.id(), n.to_string());
    }
}
