//! One numbering, one connection to the origin, and clients that go from one instance to another.

use crate::nats::{Nats, Version};
use crate::support::client::{TestClient, get};
use crate::support::relay::{PATH, TestRelay};
use crate::{Feed, member, said, up_to};
use std::net::SocketAddr;
use std::time::Duration;

/// Three relays over an origin; all of them serve.
async fn fleet(nats: &Nats, feed: &Feed, replicas: usize) -> Vec<TestRelay> {
    let relays: Vec<TestRelay> = ["a", "b", "c"]
        .iter()
        .map(|name| member(&nats.urls(), feed, name, replicas).start())
        .collect();
    for relay in &relays {
        relay.eventually_status("/sources/0/state", "live").await;
    }
    relays
}

async fn one_numbering(version: Version, servers: usize) {
    let nats = Nats::start(version, servers).await;
    let feed = Feed::start(false).await;
    let relays = fleet(&nats, &feed, servers).await;
    assert_eq!(feed.open(), 1, "one connection for all of them");

    let mut clients = Vec::new();
    for relay in &relays {
        clients.push(relay.client().await);
    }
    let last = feed.publish(500);
    let mut histories = Vec::new();
    for client in &mut clients {
        histories.push(up_to(client, &last.to_string()).await);
    }
    let wanted: Vec<String> = (1..=500).map(|n| n.to_string()).collect();
    for history in &histories {
        assert_eq!(said(history), wanted);
        assert_eq!(history, &histories[0], "the same ids everywhere");
    }
    // Another instance goes on where one was.
    let middle = &histories[0][249];
    let mut client = relays[1].resume(&middle.id).await;
    assert_eq!(up_to(&mut client, &last.to_string()).await, histories[2][250..]);
    assert_eq!(feed.opened(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_numbering_on_the_oldest_engine() {
    one_numbering(Version::V2_9, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_numbering_on_the_newest_engine() {
    one_numbering(Version::V2_15, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_numbering_on_three_replicas() {
    one_numbering(Version::V2_15, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_numbering_on_three_old_replicas() {
    one_numbering(Version::V2_9, 3).await;
}

/// What the origin's ids are is what clients see, on every instance.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_origins_ids_pass() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(true).await;
    let a = member(&nats.urls(), &feed, "a", 1).source("ids: pass").start();
    let b = member(&nats.urls(), &feed, "b", 1).source("ids: pass").start();
    for relay in [&a, &b] {
        relay.eventually_status("/sources/0/state", "live").await;
    }
    let mut client = a.client().await;
    let last = feed.publish(20);
    let history = up_to(&mut client, &last.to_string()).await;
    assert!(history.iter().all(|event| event.id() == event.data));
    let mut client = b.resume("7").await;
    assert_eq!(up_to(&mut client, &last.to_string()).await, history[7..]);
}

const HOPPERS: usize = 30;
const HOPPED_EVENTS: u64 = 3000;

/// Follows the stream for some events at one instance, then at the next.
async fn hop(addresses: Vec<SocketAddr>, n: usize) -> Vec<String> {
    let mut client: TestClient = get(PATH).open(addresses[n % addresses.len()]).await;
    client.opened().await;
    let (mut history, mut at, mut id) = (Vec::new(), n, Vec::new());
    loop {
        for _ in 0..fastrand::usize(1..80) {
            let event = client.next_event().await;
            let is_last = event.data == HOPPED_EVENTS.to_string();
            if event.gap().is_none() {
                id = event.id.clone();
            }
            history.push(event);
            if is_last {
                return said(&history);
            }
        }
        at += 1;
        let ask = get(PATH).last_event_id(&id);
        client = ask.open(addresses[at % addresses.len()]).await;
        client.opened().await;
    }
}

/// Each of them gets every event, once and in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_hop_get_every_event_once() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(false).await;
    let relays = fleet(&nats, &feed, 1).await;
    let addresses: Vec<SocketAddr> = relays.iter().map(|relay| relay.address).collect();
    let hopping: Vec<_> = (0..HOPPERS).map(|n| tokio::spawn(hop(addresses.clone(), n))).collect();
    let all_in = || relays.iter().map(TestRelay::clients).sum::<f64>() == HOPPERS as f64;
    crate::support::relay::eventually("all to be in", all_in).await;
    while feed.publish(25) < HOPPED_EVENTS {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let wanted: Vec<String> = (1..=HOPPED_EVENTS).map(|n| n.to_string()).collect();
    for history in hopping {
        let history = history.await.unwrap();
        let differs = history.iter().zip(&wanted).position(|(got, wanted)| got != wanted);
        assert_eq!(
            differs.map(|at| &history[at.saturating_sub(3)..(at + 3).min(history.len())]),
            None
        );
        assert_eq!(history.len(), wanted.len());
    }
    assert_eq!(feed.opened(), 1);
}
