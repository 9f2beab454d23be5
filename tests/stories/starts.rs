//! Where a stream starts, if the client says so, and what it is told when it has caught up and when
//! it ends.

use crate::support::client::{End, Event, TestClient, ask, get};
use crate::support::filler::filler;
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay};

const NAMED: &str = "ids: pass\nlive_event: live\nend_event: end";

async fn relayed(source: &str) -> (TestRelay, Conn) {
    let origin = TestOrigin::start().await;
    Setup::over(&origin).source(source).start_with(&origin).await
}

/// Events with their numbers as id and data.
async fn publish(conn: &mut Conn, numbers: std::ops::RangeInclusive<u32>) {
    let events: String = numbers.map(|n| format!("id: {n}\ndata: {n}\n\n")).collect();
    conn.body(events).await;
}

/// What comes up to the word that the client has caught up: the gap, and the events.
async fn replay(client: &mut TestClient) -> (Option<String>, Vec<String>) {
    let (mut gap, mut data) = (None, Vec::new());
    loop {
        let event = client.next_event().await;
        match event.event_type.as_str() {
            "live" => {
                assert_eq!(event.json(), serde_json::json!({ "source": "s" }));
                return (gap, data);
            }
            "fanfare.gap" => gap = event.gap(),
            _ => data.push(event.data),
        }
    }
}

fn numbers(from: u32, to: u32) -> Vec<String> {
    (from..=to).map(|n| n.to_string()).collect()
}

async fn started(relay: &TestRelay, query: &str) -> (Option<String>, Vec<String>) {
    replay(&mut relay.open(&get(&format!("{PATH}?{query}"))).await).await
}

#[tokio::test]
async fn a_client_says_where_it_starts() {
    let (relay, mut conn) = relayed(&format!("{NAMED}\nlog: {{ events: 5 }}")).await;
    publish(&mut conn, 1..=3).await;
    relay.received(3).await;
    for (query, expected) in [
        ("", vec![]),
        ("start=live", vec![]),
        ("start=latest", numbers(3, 3)),
        ("start=earliest", numbers(1, 3)),
        ("last=2", numbers(2, 3)),
        ("last=0", vec![]),
        // There was no more: nothing is missing.
        ("last=7", numbers(1, 3)),
        ("since=1h", numbers(1, 3)),
        ("since=0s", vec![]),
        ("since=2020-01-01T00:00:00%2B01:00", numbers(1, 3)),
        ("since=2999-01-01T00:00:00Z", vec![]),
        ("starting=never", vec![]),
    ] {
        assert_eq!(started(&relay, query).await, (None, expected), "{query}");
    }
    publish(&mut conn, 4..=8).await;
    relay.received(8).await;
    let evicted = || Some("evicted".to_owned());
    for (query, expected) in [
        ("start=earliest", (None, numbers(4, 8))),
        ("last=5", (None, numbers(4, 8))),
        ("last=6", (evicted(), numbers(4, 8))),
        ("last=18446744073709551616", (evicted(), numbers(4, 8))),
        ("since=1h", (evicted(), numbers(4, 8))),
    ] {
        assert_eq!(started(&relay, query).await, expected, "{query}");
    }
    assert_eq!(relay.metric(r#"fanfare_gaps_total{source="s",reason="evicted"}"#), 3.0);
    assert_eq!(relay.metric(r#"fanfare_resumes_total{source="s",outcome="gap"}"#), 0.0);
}

#[tokio::test]
async fn a_last_event_id_goes_before() {
    let (relay, mut conn) = relayed(NAMED).await;
    publish(&mut conn, 1..=5).await;
    relay.received(5).await;
    for query in ["start=earliest", "start=live", "last=1", "last=0", "since=1h"] {
        let mut client = relay.open(&get(&format!("{PATH}?{query}")).last_event_id("3")).await;
        assert_eq!(replay(&mut client).await, (None, numbers(4, 5)), "{query}");
        let by_query = started(&relay, &format!("{query}&lastEventId=3")).await;
        assert_eq!(by_query, (None, numbers(4, 5)), "{query}");
    }
    // An empty one is none.
    let mut client = relay.open(&get(&format!("{PATH}?last=1")).last_event_id("")).await;
    assert_eq!(replay(&mut client).await, (None, numbers(5, 5)));
}

#[tokio::test]
async fn what_can_t_be_understood_is_said() {
    let (relay, _conn) = relayed(NAMED).await;
    for query in [
        "start=now",
        "start=",
        "last=-1",
        "last=x",
        "last=",
        "since=10",
        "since=yesterday",
        "since=2026-02-30T00:00:00Z",
        "last=1&since=1m",
        "start=live&last=1",
    ] {
        for accept in ["text/event-stream", "application/json"] {
            let ask = ask("GET", &format!("{PATH}?{query}")).header("Accept", accept);
            // Also beside an id, which would go before it.
            for ask in [ask.clone(), ask.last_event_id("1")] {
                ask.answer(relay.address).await.assert_problem(400);
            }
        }
    }
    assert_eq!(relay.metric(r#"fanfare_refused_total{reason="bad_request"}"#), 40.0);
}

#[tokio::test]
async fn a_source_may_decide_for_itself() {
    let (relay, mut conn) = relayed(&format!("{NAMED}\nclient_start: false\nstart: latest")).await;
    publish(&mut conn, 1..=3).await;
    relay.received(3).await;
    for query in ["start=earliest", "last=2", "since=nonsense"] {
        assert_eq!(started(&relay, query).await, (None, numbers(3, 3)), "{query}");
    }
}

#[tokio::test]
async fn a_poll_starts_where_it_says() {
    let (relay, mut conn) = relayed("ids: pass\nlog: { events: 3 }").await;
    publish(&mut conn, 1..=5).await;
    relay.received(5).await;
    let poll = |query: &str| ask("GET", &format!("{PATH}?{query}&wait=0")).header("Accept", "application/json");
    let answer = poll("last=2").answer(relay.address).await.json();
    assert_eq!(answer["events"][0]["data"], "4");
    assert_eq!(
        (&answer["last_event_id"], &answer["gap"]),
        (&"5".into(), &serde_json::Value::Null)
    );
    let answer = poll("since=1h").answer(relay.address).await.json();
    assert_eq!(
        (&answer["gap"]["reason"], &answer["events"][0]["data"]),
        (&"evicted".into(), &"3".into())
    );
    let answer = poll("last=2&lastEventId=4").answer(relay.address).await.json();
    assert_eq!(answer["events"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_client_is_told_once_that_it_has_caught_up() {
    let (relay, mut conn) = relayed(NAMED).await;
    let mut live = relay.client().await;
    assert_eq!(replay(&mut live).await, (None, vec![]), "at once: there was nothing");
    publish(&mut conn, 1..=3).await;
    assert_eq!(live.until_data("3").await.len(), 3);
    let mut back = relay.resume("1").await;
    assert_eq!(replay(&mut back).await, (None, numbers(2, 3)));
    assert_eq!(back.last_event_id, b"3", "it moves no place");
    publish(&mut conn, 4..=4).await;
    for client in [&mut live, &mut back] {
        let event = client.next_event().await;
        assert_eq!((event.event_type.as_str(), event.data.as_str()), ("message", "4"));
    }
    let mut stranger = relay.resume("x").await;
    assert_eq!(
        replay(&mut stranger).await,
        (Some("unknown_id".to_owned()), numbers(1, 4))
    );
}

/// All that the log holds by the time of the word has come before it, on whichever shard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_there_comes_before_the_word() {
    let (relay, mut conn) = relayed(NAMED).await;
    let mut followers = Vec::new();
    for _ in 0..8 {
        followers.push(relay.client().await);
    }
    for round in 0..40_u32 {
        publish(&mut conn, 10 * round + 1..=10 * round + 10).await;
        let last = 10 * round + 10;
        relay.received(last.into()).await;
        let joining = (0..4).map(|_| async {
            let mut client = relay.open(&get(&format!("{PATH}?last=3"))).await;
            let (gap, data) = replay(&mut client).await;
            assert_eq!((gap, data), (None, numbers(last - 2, last)));
        });
        for client in joining {
            client.await;
        }
    }
}

#[tokio::test]
async fn settings_that_are_replaced_hold_for_whoever_catches_up_then() {
    let (relay, mut conn) = relayed("ids: pass").await;
    let mut before = relay.client().await;
    before.opened().await;
    // Its shard answers behind the turn in which it took the client in: the client is live by then.
    relay.status().await;
    let config = Setup::at("http://127.0.0.1:1/")
        .source(&format!("{NAMED}\nmax_age: 100ms"))
        .config();
    relay.relay.settings("s").unwrap().replace(config.sources[0].clone());
    let mut after = relay.client().await;
    assert_eq!(replay(&mut after).await, (None, vec![]));
    publish(&mut conn, 1..=1).await;
    // One that is live is so without a word.
    assert_eq!(before.next_event().await.data, "1");
    assert_eq!(after.next_event().await.data, "1");
    assert_eq!(ended(&mut after).await, "max_age");
}

/// The reason that a stream's last event says, behind which nothing comes but the end.
async fn ended(client: &mut TestClient) -> String {
    client.end().await;
    let last: Event = client.events_so_far().pop().expect("a last event");
    assert_eq!(last.event_type, "end", "{last:?}");
    last.json()["reason"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_terminal_event_and_then_why() {
    let (relay, mut conn) = relayed(&format!("{NAMED}\nend_when: {{ data: done }}")).await;
    let mut live = relay.client().await;
    assert_eq!(replay(&mut live).await, (None, vec![]));
    conn.body("id: 1\ndata: a\n\nid: 2\ndata: done\n\n").await;
    let events = live.until_data("done").await;
    assert_eq!(events.len(), 2);
    assert_eq!(ended(&mut live).await, "ended");
    let mut late = relay.open(&get(&format!("{PATH}?start=earliest"))).await;
    assert_eq!(replay(&mut late).await, (None, vec!["a".to_owned(), "done".to_owned()]));
    assert_eq!(ended(&mut late).await, "ended");
    // The end is for everyone, wherever they start.
    let mut late = relay.open(&get(&format!("{PATH}?last=0"))).await;
    assert_eq!(replay(&mut late).await, (None, vec!["done".to_owned()]));
    let done = get(PATH).last_event_id("2").answer(relay.address).await;
    assert_eq!(done.head.status, 204);
}

#[tokio::test]
async fn a_drain_says_so_in_every_framing() {
    let (relay, _conn) = relayed(NAMED).await;
    let mut clients = vec![relay.client().await, get(PATH).http10().open(relay.address).await];
    for client in &mut clients {
        assert_eq!(replay(client).await, (None, vec![]));
    }
    let drained = tokio::spawn(async move { relay.relay.drain().await });
    for client in &mut clients {
        assert_eq!(ended(client).await, "drain");
        assert_eq!(client.retries.len(), 2, "and when to come back");
    }
    drained.await.unwrap();
}

#[tokio::test]
async fn a_slow_client_learns_it_if_its_socket_takes_it() {
    let source = format!("{NAMED}\nslow_client: {{ bytes: 64KiB, stall: 200ms }}");
    let (relay, mut conn) = relayed(&source).await;
    let mut slow = get(PATH).small_receive_buffer().open(relay.address).await;
    assert_eq!(replay(&mut slow).await, (None, vec![]));
    let large = filler(256 * 1024);
    for n in 1..=8 {
        conn.body(format!("id: {n}\ndata: {large}\n\n")).await;
    }
    relay
        .eventually_metric(r#"fanfare_evictions_total{source="s",reason="bytes"}"#, 1.0)
        .await;
    // It reads again within the grace that is left to it.
    if slow.end().await == End::LastChunk {
        assert_eq!(slow.events_so_far().pop().unwrap().json()["reason"], "slow");
    }
}

#[tokio::test]
async fn templated_streams_start_where_they_are_asked_to() {
    let origin = TestOrigin::start().await;
    let relay = Setup::over(&origin).path("/jobs/{job}").source(NAMED).start();
    let ask = get("/jobs/a?last=1");
    let first = relay.open(&ask);
    let answering = async {
        let mut conn = origin.accept().await;
        conn.stream_head().await;
        publish(&mut conn, 1..=3).await;
        conn
    };
    let (mut first, mut conn) = tokio::join!(first, answering);
    // Who opens the channel gets its first events.
    let events = first.until_data("3").await;
    assert_eq!(events.iter().filter(|event| event.event_type == "message").count(), 3);
    let started = |query: &'static str| async { replay(&mut relay.open(&get(query)).await).await };
    assert_eq!(started("/jobs/a?last=1").await, (None, numbers(3, 3)));
    assert_eq!(started("/jobs/a?start=live").await, (None, vec![]));
    assert_eq!(started("/jobs/a").await, (None, numbers(1, 3)), "as its kind does");
    get("/jobs/b?last=x").answer(relay.address).await.assert_problem(400);
    publish(&mut conn, 4..=4).await;
    first.until_data("4").await;
}
