//! Clients choose what of a stream they get; those who choose the same share it.

use crate::support::client::{End, Event, TestClient, ask, get};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay};

async fn relayed(source: &str) -> (TestRelay, Conn) {
    let origin = TestOrigin::start().await;
    let source = format!("filters: 4\n{source}");
    Setup::over(&origin).source(&source).start_with(&origin).await
}

fn filtered(query: &str) -> crate::support::client::Ask {
    get(&format!("{PATH}?{query}"))
}

/// Three kinds of events, in turn, with their numbers.
async fn publish(conn: &mut Conn, numbers: std::ops::RangeInclusive<u32>) {
    let event = |n: u32| {
        let kind = ["a", "b", "c"][n as usize % 3];
        format!(
            "id: {n}\nevent: {kind}\ndata: {{\"n\":{n},\"odd\":{},\"kind\":\"{kind}\"}}\n\n",
            n % 2 == 1
        )
    };
    conn.body(numbers.map(event).collect::<String>()).await;
}

fn number(event: &Event) -> u64 {
    event.json()["n"].as_u64().unwrap()
}

async fn next(client: &mut TestClient, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        let event = client.next_event().await;
        assert_eq!(event.id(), number(&event).to_string(), "ids are the whole stream's");
        numbers.push(number(&event));
    }
    numbers
}

#[tokio::test]
async fn a_client_gets_what_it_asks_for() {
    let (relay, mut conn) = relayed("ids: pass\nstart: earliest").await;
    publish(&mut conn, 1..=12).await;
    relay.received(12).await;
    for (query, expected) in [
        ("event=a", vec![3, 6, 9, 12]),
        ("event=a,b", vec![1, 3, 4, 6, 7, 9, 10, 12]),
        ("event=b&event=a", vec![1, 3, 4, 6, 7, 9, 10, 12]),
        ("match=/kind:c", vec![2, 5, 8, 11]),
        ("match=/odd:true", vec![1, 3, 5, 7, 9, 11]),
        ("match=/n:7.0", vec![7]),
        ("event=a&match=/odd:true", vec![3, 9]),
        ("match=/odd:true&match=/kind:b", vec![1, 7]),
    ] {
        let mut client = relay.open(&filtered(query)).await;
        assert_eq!(next(&mut client, expected.len()).await, expected, "{query}");
        drop(client);
    }
    // What comes is looked at in the same way.
    let mut client = relay.open(&filtered("start=live&event=b&match=/odd:true")).await;
    let mut all = relay.open(&filtered("start=live")).await;
    publish(&mut conn, 13..=24).await;
    assert_eq!(next(&mut client, 2).await, [13, 19]);
    assert_eq!(next(&mut all, 12).await, (13..=24).collect::<Vec<_>>());
}

#[tokio::test]
async fn those_who_ask_for_the_same_share_it() {
    let (relay, _conn) = relayed("").await;
    let mut clients = Vec::new();
    for query in ["event=a,b", "event=b,a", "event=a&event=b&event=a", "x=y&event=b%2Ca"] {
        clients.push(relay.open(&filtered(query)).await);
    }
    relay.eventually_clients(4).await;
    assert_eq!(relay.metric("fanfare_derived_channels{source=\"s\"}"), 1.0);
    assert_eq!(relay.metric("fanfare_channels{source=\"s\"}"), 1.0);
    assert_eq!(relay.status().await["sources"][0]["derived_channels"], 1);
}

#[tokio::test]
async fn more_filters_than_there_may_be_are_refused_until_there_is_room() {
    let (relay, mut conn) = relayed("").await;
    let mut clients = Vec::new();
    for n in 0..4 {
        clients.push(relay.open(&filtered(&format!("event={n}"))).await);
    }
    let more = filtered("event=more");
    let mut refused = more.open(relay.address).await;
    assert_eq!(refused.end().await, End::LastChunk);
    assert_eq!(refused.retries.len(), 1, "it heals");
    let poll = ask("GET", &format!("{PATH}?event=more")).header("Accept", "application/json");
    poll.answer(relay.address).await.assert_problem(503);
    // Those that there are still take others in.
    let same = relay.open(&filtered("event=3")).await;
    assert_eq!(relay.metric("fanfare_refused_total{reason=\"filters\"}"), 2.0);
    drop((clients.pop(), same));
    relay.eventually_clients(3).await;
    // One that has just left may still have its hand on the door.
    loop {
        let mut client = more.open(relay.address).await;
        conn.event("event: more\ndata: x").await;
        if let Some(event) = client.try_next_event().await {
            break assert_eq!(event.data, "x");
        }
    }
}

#[tokio::test]
async fn what_is_no_filter_is_said() {
    let (relay, _conn) = relayed("").await;
    for query in [
        "event=",
        "event=a,",
        "match=",
        "match=state:x",
        "match=/a",
        "match=/a~2:x",
    ] {
        filtered(query).answer(relay.address).await.assert_problem(400);
    }
    let origin = TestOrigin::start().await;
    let (relay, mut conn) = Setup::over(&origin).source("ids: pass").start_with(&origin).await;
    let mut client = relay.open(&filtered("event=nothing&match=x")).await;
    publish(&mut conn, 1..=3).await;
    assert_eq!(next(&mut client, 3).await, [1, 2, 3], "the source has no filters");
}

#[tokio::test]
async fn a_client_changes_its_filter_and_goes_on() {
    for ids in ["pass", "assign", "auto"] {
        let (relay, mut conn) = relayed(&format!("ids: {ids}\nstart: earliest")).await;
        publish(&mut conn, 1..=9).await;
        relay.received(9).await;
        let mut first = relay.open(&filtered("event=a")).await;
        let events = [first.next_event().await, first.next_event().await];
        assert_eq!(events.each_ref().map(number), [3, 6]);
        let id = &events[1].id;
        for (query, expected) in [
            ("", vec![7, 8, 9]),
            ("event=a", vec![9]),
            ("event=b", vec![7]),
            ("event=b,c", vec![7, 8]),
            ("match=/odd:true", vec![7, 9]),
        ] {
            let mut back = relay.open(&filtered(query).last_event_id(id)).await;
            let mut numbers = Vec::new();
            for _ in &expected {
                numbers.push(number(&back.next_event().await));
            }
            assert_eq!(numbers, expected, "{ids}: {query}");
        }
        assert_eq!(relay.metric(r#"fanfare_resumes_total{source="s",outcome="gap"}"#), 0.0);
    }
}

/// The log has long let go of the event that came last for it: it has missed nothing all the same.
#[tokio::test]
async fn a_client_for_whom_nothing_comes_is_not_forgotten() {
    let (relay, mut conn) = relayed("ids: pass\nlog: { events: 12 }\nlive_event: live").await;
    let mut client = relay.open(&filtered("event=a&match=/n:3")).await;
    client.next_event().await;
    for at in (1..=199).step_by(3) {
        publish(&mut conn, at..=at + 2).await;
        relay.received(u64::from(at) + 2).await;
    }
    assert_eq!(number(&client.next_event().await), 3);
    while client.last_event_id != b"199" && client.last_event_id != b"198" && client.last_event_id != b"201" {
        let seen = client.last_event_id.clone();
        let seen: u32 = String::from_utf8(seen).unwrap().parse().unwrap();
        if seen >= 190 {
            break;
        }
        assert!(client.read_more().await);
        client.events_so_far();
    }
    let id = client.last_event_id.clone();
    let mut back = relay.open(&filtered("event=a&match=/n:3").last_event_id(&id)).await;
    assert_eq!(back.next_event().await.event_type, "live", "no gap");
    // One that comes back after a while without its channel, too; it is told the newest id.
    drop((client, back));
    relay.eventually_clients(0).await;
    let back = relay.open(&filtered("match=/n:3").last_event_id(&id)).await;
    assert_eq!(back.last_event_id, b"201");
    // What really is gone is said.
    let mut late = relay.open(&filtered("event=b").last_event_id("150")).await;
    assert_eq!(late.next_event().await.gap().as_deref(), Some("evicted"));
    assert_eq!(number(&late.next_event().await), 190);
}

#[tokio::test]
async fn an_id_that_is_reset_in_between_is_reset_for_all() {
    let (relay, mut conn) = relayed("ids: pass").await;
    conn.body("id: 1\nevent: b\ndata: 0\n\n").await;
    relay.received(1).await;
    let mut live = relay.open(&filtered("event=a").last_event_id("1")).await;
    conn.body("id\nevent: b\ndata: 1\n\nevent: a\ndata: 2\n\n").await;
    relay.received(3).await;
    // Another filter is computed from what the log holds.
    let mut late = relay.open(&filtered("event=a,c").last_event_id("1")).await;
    for client in [&mut live, &mut late] {
        assert_eq!(client.next_event().await.data, "2");
        assert_eq!(client.last_event_id, b"", "it has none to come back with");
    }
}

#[tokio::test]
async fn gaps_and_ends_are_for_everyone() {
    let source = "ids: pass\nend_when: { event: done }\nlive_event: live\nend_event: end\nevent_bytes_max: 1KiB";
    let (relay, mut conn) = relayed(source).await;
    let mut client = relay.open(&filtered("event=a")).await;
    assert_eq!(client.next_event().await.event_type, "live");
    conn.body(format!("id: 1\nevent: b\ndata: {}\n\n", "x".repeat(2000)))
        .await;
    assert_eq!(client.next_event().await.gap().as_deref(), Some("oversized_event"));
    conn.body("id: 2\nevent: b\ndata: 1\n\nid: 3\nevent: a\ndata: 2\n\nid: 4\nevent: done\ndata: 3\n\n")
        .await;
    assert_eq!(client.end().await, End::LastChunk);
    let told: Vec<_> = client
        .events_so_far()
        .into_iter()
        .map(|event| event.event_type)
        .collect();
    assert_eq!(told, ["a", "done", "end"]);
    let mut late = relay.open(&filtered("event=a&start=earliest")).await;
    assert_eq!(late.end().await, End::LastChunk);
    let told: Vec<_> = late.events_so_far().into_iter().map(|event| event.event_type).collect();
    assert_eq!(told, ["fanfare.gap", "a", "done", "live", "end"]);
    let done = filtered("event=a").last_event_id("4").answer(relay.address).await;
    assert_eq!(done.head.status, 204);
}

#[tokio::test]
async fn an_origin_that_has_no_more_ends_what_is_filtered() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source("ids: pass\nfilters: 4\nretry_ended_after: 100ms");
    let (relay, mut conn) = setup.start_with(&origin).await;
    let mut client = relay.open(&filtered("event=a")).await;
    publish(&mut conn, 1..=4).await;
    assert_eq!(next(&mut client, 1).await, [3]);
    conn.close().await;
    origin.answer("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(client.end().await, End::LastChunk);
    let over = filtered("event=a").last_event_id("4").answer(relay.address).await;
    assert_eq!(over.head.status, 204);
    // It goes on after all.
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    publish(&mut conn, 5..=6).await;
    relay.received(6).await;
    let mut back = relay.open(&filtered("event=a").last_event_id("4")).await;
    assert_eq!(back.next_event().await.gap().as_deref(), Some("upstream_reconnected"));
    assert_eq!(next(&mut back, 1).await, [6]);
}

#[tokio::test]
async fn polls_choose_too() {
    let (relay, mut conn) = relayed("ids: pass\nlog: { events: 12 }").await;
    let poll = |query: &str| ask("GET", &format!("{PATH}?wait=0&{query}")).header("Accept", "application/json");
    publish(&mut conn, 1..=7).await;
    relay.received(7).await;
    let answer = poll("start=earliest&event=a").answer(relay.address).await.json();
    let numbers: Vec<&str> = answer["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["id"].as_str().unwrap())
        .collect();
    assert_eq!(numbers, ["3", "6"]);
    assert_eq!(answer["last_event_id"], "6");
    // A client that polls is brought forward, though nothing comes for it.
    let mut id = "6".to_owned();
    for round in 0..20_u32 {
        publish(&mut conn, 8 + 3 * round..=10 + 3 * round).await;
        relay.received(u64::from(10 + 3 * round)).await;
        let answer = poll(&format!("match=/n:0&lastEventId={id}"))
            .answer(relay.address)
            .await
            .json();
        assert!(answer["gap"].is_null(), "{answer}");
        assert_eq!(answer["events"], serde_json::json!([]));
        id = answer["last_event_id"].as_str().unwrap().to_owned();
    }
}

#[tokio::test]
async fn jobs_are_filtered_each_for_itself() {
    let origin = TestOrigin::start().await;
    let relay = Setup::over(&origin)
        .path("/jobs/{job}")
        .source("ids: pass\nfilters: 1\nidle_timeout: 100ms")
        .start();
    let mut conns = Vec::new();
    let mut clients = Vec::new();
    for job in ["a", "b"] {
        let asked = get(&format!("/jobs/{job}?event=b"));
        let (client, conn) = tokio::join!(relay.open(&asked), async {
            let mut conn = origin.accept().await;
            conn.stream_head().await;
            publish(&mut conn, 1..=6).await;
            conn
        });
        clients.push(client);
        conns.push(conn);
    }
    for client in &mut clients {
        assert_eq!(next(client, 2).await, [1, 4]);
    }
    let mut refused = get("/jobs/a?event=c").open(relay.address).await;
    assert_eq!(refused.end().await, End::LastChunk);
    // A client with a filter is one for whom the job is kept open.
    publish(&mut conns[0], 7..=7).await;
    assert_eq!(next(&mut clients[0], 1).await, [7]);
    assert_eq!(relay.metric("fanfare_derived_channels{source=\"s\"}"), 2.0);
    clients.clear();
    for mut conn in conns {
        conn.closed().await;
    }
    relay.eventually_metric("fanfare_channels{source=\"s\"}", 0.0).await;
    relay
        .eventually_metric("fanfare_derived_channels{source=\"s\"}", 0.0)
        .await;
}

#[tokio::test]
async fn a_slow_client_is_slow_by_what_it_gets() {
    let source = "ids: pass\nslow_client: { bytes: 1MiB, stall: 30s }";
    let (relay, mut conn) = relayed(source).await;
    let mut slow = filtered("event=a").small_receive_buffer().open(relay.address).await;
    let mut other = relay.open(&filtered("event=b")).await;
    let large = "x".repeat(256 * 1024);
    // What is not for it does not make it slow.
    for n in 1..=8 {
        conn.body(format!("id: {n}\nevent: b\ndata: {large}\n\n")).await;
        assert_eq!(other.next_event().await.id(), n.to_string());
    }
    conn.body("id: 9\nevent: a\ndata: small\n\n").await;
    assert_eq!(slow.next_event().await.id(), "9");
    assert_eq!(
        relay.metric(r#"fanfare_evictions_total{source="s",reason="bytes"}"#),
        0.0
    );
    for n in 10..=29 {
        conn.body(format!("id: {n}\nevent: a\ndata: {large}\n\n")).await;
    }
    let evicted = r#"fanfare_evictions_total{source="s",reason="bytes"}"#;
    relay.eventually_metric(evicted, 1.0).await;
    // It goes on where it was, as far as it came.
    let seen = loop {
        match slow.try_next_event().await {
            Some(_) => {}
            None => break slow.last_event_id.clone(),
        }
    };
    let mut back = relay.open(&filtered("event=a").last_event_id(&seen)).await;
    let first: u32 = std::str::from_utf8(&seen).unwrap().parse().unwrap();
    assert_eq!(back.next_event().await.id(), (first + 1).to_string());
}
