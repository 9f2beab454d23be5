//! `when_away: local`: instances go on without the engine, and come back to one log.

use crate::nats::{Nats, Version};
use crate::proxy::Wire;
use crate::support::client::{Event, TestClient, get};
use crate::support::relay::{PATH, Setup, TestRelay, eventually};
use crate::{Feed, said, up_to};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Silence of the engine after which an instance goes on alone, and what a busy machine takes.
const GOES_ON_WITHIN: Duration = Duration::from_secs(12);

fn local(nats: &str, feed: &Feed, instance: &str) -> Setup {
    let fleet =
        format!("fleet: {{ nats: [{nats}], instance: {instance}, replicas: 1, append_timeout: 1s, when_away: local }}");
    Setup::at(&feed.url())
        .top(&fleet)
        .top("drain: { spread: 0s }")
        .source("fleet: true")
}

async fn live(setup: &Setup) -> TestRelay {
    let relay = setup.start();
    relay.eventually_status("/sources/0/state", "live").await;
    relay
}

async fn is_local(relay: &TestRelay, is: bool) {
    relay.eventually_status("/sources/0/fleet/is_local", is).await;
}

fn numbers(first: u64, last: u64) -> Vec<String> {
    (first..=last).map(|n| n.to_string()).collect()
}

/// What a client got: each number once and in order, but for what a gap tells.
fn check(history: &[String]) {
    let (mut last, mut is_told) = (None, true);
    for said in history {
        match said.parse::<u64>() {
            Err(_) => is_told = true,
            Ok(number) => {
                let follows = last.is_none_or(|last| number == last + 1);
                assert!(follows || is_told, "{number} after {last:?}: {history:?}");
                (last, is_told) = (Some(number), false);
            }
        }
    }
}

fn epoch(event: &Event) -> String {
    event.id().split('.').next().unwrap_or_default().to_owned()
}

async fn down_and_back(version: Version, has_ids: bool) {
    let mut nats = Nats::start(version, 1).await;
    let feed = Feed::start(has_ids).await;
    let a = live(&local(&nats.urls(), &feed, "a")).await;
    a.eventually_status("/sources/0/fleet/is_leader", true).await;
    let b = live(&local(&nats.urls(), &feed, "b")).await;
    let (mut one, mut two) = (a.client().await, b.client().await);
    let last = feed.publish(20).to_string();
    let mut first = up_to(&mut one, &last).await;
    let mut second = up_to(&mut two, &last).await;
    assert_eq!(first, second);

    nats.kill(0);
    let began = Instant::now();
    let last = feed.publish(20).to_string();
    // The leader has had them, and its clients get them all.
    first.extend(up_to(&mut one, &last).await);
    assert!(began.elapsed() < GOES_ON_WITHIN, "{:?}", began.elapsed());
    is_local(&a, true).await;
    is_local(&b, true).await;
    eventually("a connection of each", || feed.open() == 2).await;
    assert_eq!(b.readyz().await.0, 200, "it serves");
    let last = feed.publish(20).to_string();
    first.extend(up_to(&mut one, &last).await);
    second.extend(up_to(&mut two, &last).await);
    assert_eq!(said(&first), numbers(1, 60));
    assert_ne!(
        epoch(&first[59]),
        epoch(second.last().unwrap()),
        "each numbers for itself"
    );
    assert_ne!(epoch(&first[59]), epoch(&first[0]));
    // Another instance does not know what this one has given, and says so.
    let mut hopper = b.resume(&first[59].id).await;
    assert_eq!(hopper.next_event().await.gap().as_deref(), Some("unknown_id"));
    // This one does.
    let mut back = a.resume(&first[10].id).await;
    assert_eq!(up_to(&mut back, &last).await, first[11..]);

    nats.run(0).await;
    is_local(&a, false).await;
    is_local(&b, false).await;
    eventually("one connection", || feed.open() == 1).await;
    let last = feed.publish(20).to_string();
    first.extend(up_to(&mut one, &last).await);
    second.extend(up_to(&mut two, &last).await);
    assert_eq!(said(&first), numbers(1, 80), "the leader's clients miss nothing");
    check(&said(&second));
    let newest = [first.last().unwrap(), second.last().unwrap()];
    assert_eq!(newest[0].id, newest[1].id, "one log again");
    assert_eq!(epoch(newest[0]), epoch(&first[0]));
    if has_ids {
        assert_eq!(said(&second), numbers(1, 80), "the origin's ids name the place");
    }
    // The log has it all, and ids of before lead on.
    let mut client = a.resume(&first[10].id).await;
    assert_eq!(said(&up_to(&mut client, &last).await), numbers(12, 80));
    let mut client = a.resume(&first[50].id).await;
    assert_eq!(said(&up_to(&mut client, &last).await), numbers(52, 80));
    let c = live(&local(&nats.urls(), &feed, "c")).await;
    let mut client = c.resume(&first[10].id).await;
    assert_eq!(said(&up_to(&mut client, &last).await), numbers(12, 80));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_engine_is_away_for_a_while() {
    down_and_back(Version::V2_9, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_engine_is_away_for_a_while() {
    down_and_back(Version::V2_15, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_is_away_and_the_origin_has_no_ids() {
    down_and_back(Version::V2_15, false).await;
}

/// One alone is cut off: the others go on with the log, and so does it when it can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_cut_off_goes_on_alone() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let wire = Wire::to(nats.address(0)).await;
    let feed = Feed::start(true).await;
    let first = live(&local(&format!("\"nats://{}\"", wire.address), &feed, "first")).await;
    first.eventually_status("/sources/0/fleet/is_leader", true).await;
    let second = live(&local(&nats.urls(), &feed, "second")).await;
    let (mut one, mut two) = (first.client().await, second.client().await);
    let last = feed.publish(50).to_string();
    up_to(&mut one, &last).await;
    up_to(&mut two, &last).await;

    wire.cut();
    let last = feed.publish(50).to_string();
    let alone = up_to(&mut one, &last).await;
    assert_eq!(said(&alone), numbers(51, 100));
    assert_eq!(said(&up_to(&mut two, &last).await), numbers(51, 100));
    assert_eq!(feed.open(), 2);
    second.eventually_status("/sources/0/fleet/is_local", false).await;
    assert_eq!(second.metric(r#"fanfare_fleet_gone_local_total{source="s"}"#), 0.0);

    wire.mend();
    is_local(&first, false).await;
    let last = feed.publish(50).to_string();
    let history = up_to(&mut one, &last).await;
    assert_eq!(said(&history), numbers(101, 150));
    assert_eq!(up_to(&mut two, &last).await, history);
    first.eventually_status("/sources/0/fleet/leader", "second").await;
    eventually("one connection", || feed.open() == 1).await;
}

/// An engine that is back at once is none that was away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moment_is_nothing() {
    let mut nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(false).await;
    let a = live(&local(&nats.urls(), &feed, "a")).await;
    let mut client = a.client().await;
    let last = feed.publish(5).to_string();
    up_to(&mut client, &last).await;
    nats.kill(0);
    nats.run(0).await;
    let last = feed.publish(5).to_string();
    assert_eq!(said(&up_to(&mut client, &last).await), numbers(6, 10));
    assert_eq!(a.metric(r#"fanfare_fleet_gone_local_total{source="s"}"#), 0.0);
    assert_eq!(feed.opened(), 1);
}

/// It knows neither the log nor its name, and serves all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_starts_without_an_engine() {
    for has_ids in [true, false] {
        let mut nats = Nats::start(Version::V2_15, 1).await;
        let feed = Feed::start(has_ids).await;
        let before = live(&local(&nats.urls(), &feed, "before")).await;
        let mut client = before.client().await;
        let last = feed.publish(10).to_string();
        let history = up_to(&mut client, &last).await;
        drop(before);
        nats.kill(0);

        let a = local(&nats.urls(), &feed, "a").start();
        is_local(&a, true).await;
        eventually("the origin to be connected", || feed.open() == 1).await;
        let mut client = a.client().await;
        let last = feed.publish(10).to_string();
        let mut got = up_to(&mut client, &last).await;
        assert_eq!(said(&got), numbers(11, 20));
        let mut hopper = a.resume(&history[5].id).await;
        assert_eq!(hopper.next_event().await.gap().as_deref(), Some("unknown_id"));

        nats.run(0).await;
        a.eventually_status("/sources/0/fleet/is_leader", true).await;
        is_local(&a, false).await;
        let connected = if has_ids { 3 } else { 2 };
        eventually("the origin to be connected", || {
            feed.opened() >= connected && feed.open() == 1
        })
        .await;
        let last = feed.publish(10).to_string();
        got.extend(up_to(&mut client, &last).await);
        check(&said(&got));
        if has_ids {
            assert_eq!(said(&got), numbers(11, 30));
        }
        assert_eq!(epoch(got.last().unwrap()), epoch(&history[0]));
    }
}

/// Follows the stream for some events at one instance, then at the next, until it is over.
async fn hop(addresses: Vec<SocketAddr>, n: usize, is_over: Arc<AtomicBool>) -> Vec<String> {
    let (mut history, mut at, mut id) = (Vec::new(), n, None::<Vec<u8>>);
    while !is_over.load(Ordering::SeqCst) {
        let ask = match &id {
            Some(id) => get(PATH).last_event_id(id),
            None => get(PATH),
        };
        let mut client: TestClient = ask.open(addresses[at % addresses.len()]).await;
        client.opened().await;
        let until = Instant::now() + Duration::from_millis(fastrand::u64(200..1500));
        while let Ok(Some(event)) = tokio::time::timeout_at(until.into(), client.try_next_event()).await {
            if !event.id().is_empty() {
                id = Some(event.id.clone());
            }
            history.push(event);
        }
        at += 1;
    }
    said(&history)
}

/// The engine comes and goes: what clients that hop miss, or get again, is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_hop_are_told() {
    for has_ids in [true, false] {
        let mut nats = Nats::start(Version::V2_15, 1).await;
        let feed = Feed::start(has_ids).await;
        let mut relays = Vec::new();
        for name in ["a", "b", "c"] {
            relays.push(live(&local(&nats.urls(), &feed, name)).await);
        }
        let addresses: Vec<SocketAddr> = relays.iter().map(|relay| relay.address).collect();
        let is_over = Arc::new(AtomicBool::new(false));
        let hopping: Vec<_> = (0..12)
            .map(|n| tokio::spawn(hop(addresses.clone(), n, is_over.clone())))
            .collect();
        let publishing = async {
            loop {
                feed.publish(1);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let engine = async {
            for away in [3, 6] {
                tokio::time::sleep(Duration::from_secs(2)).await;
                nats.kill(0);
                tokio::time::sleep(Duration::from_secs(away)).await;
                nats.run(0).await;
                for relay in &relays {
                    is_local(relay, false).await;
                }
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        };
        tokio::select! {
            () = publishing => {}
            () = engine => {}
        }
        let gone: f64 = relays
            .iter()
            .map(|relay| relay.metric(r#"fanfare_fleet_gone_local_total{source="s"}"#))
            .sum();
        assert!(gone >= 3.0, "{gone}");
        is_over.store(true, Ordering::SeqCst);
        for history in hopping {
            let history = history.await.unwrap();
            assert!(history.len() > 100, "{}", history.len());
            check(&history);
        }
    }
}
