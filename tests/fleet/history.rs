//! What the ring has let go, and the log in the engine has not.

use crate::nats::{Nats, Version};
use crate::support::client::{Event, ask, get};
use crate::support::relay::{PATH, Setup, TestRelay};
use crate::{Feed, member, said, up_to};
use std::time::{Duration, Instant};

/// One whose ring holds little, and whose log holds more.
fn with_history(nats: &str, feed: &Feed, instance: &str, history: &str) -> Setup {
    let log = format!("log: {{ events: 20, history: {history} }}");
    member(nats, feed, instance, 1).source(&log).source("filters: 1")
}

const MUCH: &str = "{ events: 1000000, age: 7d }";

async fn live(setup: &Setup) -> TestRelay {
    let relay = setup.start();
    relay.eventually_status("/sources/0/state", "live").await;
    relay
}

fn numbers(first: u64, last: u64) -> Vec<String> {
    (first..=last).map(|n| n.to_string()).collect()
}

fn reads(relay: &TestRelay) -> f64 {
    relay.metric(r#"fanfare_fleet_history_reads_total{source="s"}"#)
}

async fn a_client_that_was_away_for_long(version: Version) {
    let nats = Nats::start(version, 1).await;
    let feed = Feed::start(false).await;
    let a = live(&with_history(&nats.urls(), &feed, "a", MUCH)).await;
    let mut client = a.client().await;
    feed.publish(5);
    let seen = up_to(&mut client, "5").await;
    let mut history = seen.clone();
    // No more at one time than the ring holds.
    for last in (15..=1005).step_by(10) {
        feed.publish(10);
        history.extend(up_to(&mut client, &last.to_string()).await);
    }
    assert_eq!(said(&history), numbers(1, 1005));
    let b = live(&with_history(&nats.urls(), &feed, "b", MUCH)).await;
    for relay in [&a, &b] {
        for from in [0, 4, 500, 984] {
            let mut client = relay.resume(&history[from].id).await;
            let got = up_to(&mut client, "1005").await;
            assert_eq!(got, history[from + 1..], "from {from}");
        }
        assert!(reads(relay) >= 3.0);
        assert_eq!(relay.metric(r#"fanfare_gaps_total{source="s",reason="evicted"}"#), 0.0);
    }
    // It goes on with what comes, without a seam.
    let mut client = b.resume(&seen[4].id).await;
    assert_eq!(said(&up_to(&mut client, "1005").await), numbers(6, 1005));
    for last in (1015..=1055).step_by(10) {
        feed.publish(10);
        assert_eq!(
            said(&up_to(&mut client, &last.to_string()).await),
            numbers(last - 9, last)
        );
    }
    // Uncompressed or not.
    let gzip = get(PATH).header("Accept-Encoding", "gzip").last_event_id(&seen[4].id);
    assert_eq!(said(&up_to(&mut b.open(&gzip).await, "1055").await), numbers(6, 1055));
    // Who polls gets it in answers.
    let (mut id, mut polled) = (seen[4].id().to_owned(), Vec::new());
    while polled.last().is_none_or(|last| last != "1055") {
        let poll = ask("GET", PATH).header("Accept", "application/json").last_event_id(&id);
        let answer = poll.answer(a.address).await.json();
        assert!(answer.get("gap").is_none(), "{answer}");
        id = answer["last_event_id"].as_str().unwrap().to_owned();
        let events = answer["events"].as_array().unwrap();
        polled.extend(events.iter().map(|event| event["data"].as_str().unwrap().to_owned()));
    }
    assert_eq!(polled, numbers(6, 1055));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_engine_has_what_a_client_has_missed() {
    a_client_that_was_away_for_long(Version::V2_9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_engine_has_what_a_client_has_missed() {
    a_client_that_was_away_for_long(Version::V2_15).await;
}

/// Comes back as an EventSource does, until it has this.
async fn in_parts(relay: &TestRelay, mut id: Vec<u8>, last: &str) -> (Vec<Event>, usize) {
    let (mut history, mut streams) = (Vec::new(), 0);
    loop {
        let mut client = relay.resume(&id).await;
        streams += 1;
        while let Some(event) = client.try_next_event().await {
            id.clone_from(&event.id);
            let is_last = event.data == last;
            history.push(event);
            if is_last {
                return (history, streams);
            }
        }
    }
}

/// An instance that so many events have come to, all in the log, and the first of them as a client got it that has gone
/// since.
async fn gone_after_the_first(nats: &Nats, feed: &Feed, events: u64) -> (TestRelay, Event) {
    let relay = live(&with_history(&nats.urls(), feed, "a", MUCH)).await;
    let mut client = relay.client().await;
    feed.publish(1);
    let first = client.next_event().await;
    drop(client);
    feed.publish(events - 1);
    relay
        .eventually_metric(r#"fanfare_events_received_total{source="s"}"#, events as f64)
        .await;
    relay
        .eventually_metric(r#"fanfare_fleet_buffered_events{source="s"}"#, 0.0)
        .await;
    (relay, first)
}

/// More than may be in memory for one client comes in parts, while more is published.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn much_comes_in_parts() {
    const EVENTS: u64 = 100_000;
    let nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(false).await;
    let (a, first) = gone_after_the_first(&nats, &feed, EVENTS).await;
    let publishing = async {
        for _ in 0..100 {
            feed.publish(10);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        std::future::pending::<()>().await;
    };
    let last = (EVENTS + 1000).to_string();
    let (history, streams) = tokio::select! {
        read = in_parts(&a, first.id, &last) => read,
        () = publishing => unreachable!(),
    };
    let got = said(&history);
    let wanted = numbers(2, EVENTS + 1000);
    let differs = got.iter().zip(&wanted).position(|(got, wanted)| got != wanted);
    assert_eq!(differs.map(|at| (&got[at], &wanted[at])), None);
    assert_eq!(got.len(), wanted.len());
    assert!((3..20).contains(&streams), "{streams}");
}

/// Behind what the log in the engine holds, there is a gap; and while the engine is away, clients are told
/// to come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_log_does_not_hold_is_a_gap() {
    let mut nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(false).await;
    let a = live(&with_history(&nats.urls(), &feed, "a", "{ events: 100, age: 1h }")).await;
    let mut client = a.client().await;
    let mut history = Vec::new();
    // One by one, so that each is a message.
    for _ in 0..200 {
        let last = feed.publish(1).to_string();
        history.extend(up_to(&mut client, &last).await);
    }
    let mut client = a.resume(&history[10].id).await;
    let got = up_to(&mut client, "200").await;
    assert_eq!(got[0].gap().as_deref(), Some("evicted"));
    assert_eq!(got[1..], history[200 - (got.len() - 1)..]);
    let mut client = a.resume(&history[120].id).await;
    assert_eq!(up_to(&mut client, "200").await, history[121..]);
    // With a filter there is no more than the ring.
    let filtered = get(&format!("{PATH}?event=message")).last_event_id(&history[120].id);
    assert_eq!(
        a.open(&filtered).await.next_event().await.gap().as_deref(),
        Some("evicted")
    );

    nats.kill(0);
    let began = Instant::now();
    let answer = get(PATH).last_event_id(&history[120].id).answer(a.address).await;
    assert!(began.elapsed() < Duration::from_secs(16));
    assert!(
        answer.body.contains("retry: ") && !answer.body.contains("data"),
        "{}",
        answer.body
    );
    assert_eq!(a.metric(r#"fanfare_refused_total{reason="log"}"#), 1.0);
    nats.run(0).await;
    a.eventually_status("/sources/0/fleet/is_leader", true).await;
    let mut client = a.resume(&history[120].id).await;
    assert_eq!(up_to(&mut client, "200").await, history[121..]);
}

/// What was a gap then is one in what is read later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gaps_are_a_part_of_it() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(false).await;
    let a = with_history(&nats.urls(), &feed, "a", MUCH).start();
    a.eventually_status("/sources/0/fleet/is_leader", true).await;
    let b = live(&with_history(&nats.urls(), &feed, "b", MUCH)).await;
    let mut client = b.client().await;
    let mut history = Vec::new();
    for _ in 0..5 {
        let last = feed.publish(10).to_string();
        history.extend(up_to(&mut client, &last).await);
    }
    drop(a);
    b.eventually_status("/sources/0/fleet/is_leader", true).await;
    crate::support::relay::eventually("the origin to be connected", || feed.opened() == 2).await;
    for _ in 0..5 {
        let last = feed.publish(10).to_string();
        history.extend(up_to(&mut client, &last).await);
    }
    let gaps: Vec<_> = history.iter().filter_map(Event::gap).collect();
    assert_eq!(gaps, ["upstream_reconnected"]);
    let mut client = b.resume(&history[3].id).await;
    assert_eq!(up_to(&mut client, "100").await, history[4..]);
    // An answer ends before the gap, the next one begins with it.
    let mut id = history[3].id().to_owned();
    let mut polled = Vec::new();
    while polled.last().is_none_or(|last| last != "100") {
        let poll = ask("GET", PATH).header("Accept", "application/json").last_event_id(&id);
        let answer = poll.answer(b.address).await.json();
        id = answer["last_event_id"].as_str().unwrap().to_owned();
        if let Some(gap) = answer.get("gap") {
            polled.push(format!("gap: {}", gap["reason"].as_str().unwrap()));
        }
        let events = answer["events"].as_array().unwrap();
        polled.extend(events.iter().map(|event| event["data"].as_str().unwrap().to_owned()));
    }
    assert_eq!(polled, said(&history[4..]));
}

/// All come back at one time: they wait for each other, or come back again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_was_away() {
    const CROWD: usize = 100;
    let nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(false).await;
    let (a, first) = gone_after_the_first(&nats, &feed, 500).await;
    let crowd = (0..CROWD).map(|_| in_parts(&a, first.id.clone(), "500"));
    let wanted = numbers(2, 500);
    for (history, _) in futures_util::future::join_all(crowd).await {
        assert_eq!(said(&history), wanted);
    }
    assert!(reads(&a) >= CROWD as f64);
}
