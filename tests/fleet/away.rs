//! The engine is away, or one instance is cut off from it.

use crate::nats::{Nats, Version};
use crate::proxy::Wire;
use crate::support::relay::TestRelay;
use crate::{Feed, member, said, up_to};
use std::time::{Duration, Instant};

async fn live(relays: &[&TestRelay]) {
    for relay in relays {
        relay.eventually_status("/sources/0/state", "live").await;
    }
}

/// Clients keep their streams, and get all of it when the engine is back.
async fn engine_restarts(version: Version) {
    let mut nats = Nats::start(version, 1).await;
    let feed = Feed::start(false).await;
    let a = member(&nats.urls(), &feed, "a", 1).start();
    live(&[&a]).await;
    let b = member(&nats.urls(), &feed, "b", 1).start();
    live(&[&b]).await;
    let (mut one, mut two) = (a.client().await, b.client().await);
    let last = feed.publish(20).to_string();
    up_to(&mut one, &last).await;
    up_to(&mut two, &last).await;

    nats.kill(0);
    feed.publish(300);
    a.eventually_metric(r#"fanfare_fleet_buffered_events{source="s"}"#, 300.0)
        .await;
    assert!(
        one.events_so_far().is_empty(),
        "nothing that the log has not acknowledged"
    );
    nats.run(0).await;
    let last = feed.publish(20).to_string();
    let history = up_to(&mut one, &last).await;
    let ids: Vec<String> = history
        .iter()
        .map(|event| format!("{} {}", event.id(), event.data))
        .collect();
    assert_eq!(
        said(&history),
        (21..=340).map(|n| n.to_string()).collect::<Vec<_>>(),
        "{ids:?}"
    );
    assert_eq!(up_to(&mut two, &last).await, history);
    assert_eq!(feed.opened(), 1, "the leader has read on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_engine_restarts() {
    engine_restarts(Version::V2_9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_engine_restarts() {
    engine_restarts(Version::V2_15).await;
}

/// What the leader can't keep is told, with how many events it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_the_leader_can_keep_is_a_gap() {
    let mut nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(false).await;
    let fleet = format!(
        "fleet: {{ nats: [{}], instance: a, replicas: 1, append_timeout: 1s, buffer: 64KiB }}",
        nats.urls()
    );
    let setup = crate::Setup::at(&feed.url()).top(&fleet).source("fleet: true");
    let relay = setup.start();
    live(&[&relay]).await;
    let mut client = relay.client().await;
    let last = feed.publish(1).to_string();
    up_to(&mut client, &last).await;
    nats.kill(0);
    // Some 12 bytes each.
    feed.publish(20_000);
    let full = || relay.metric("fanfare_fleet_buffered_events{source=\"s\"}") > 4000.0;
    crate::support::relay::eventually("the buffer to be full", full).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    nats.run(0).await;
    let began = Instant::now();
    let mut history = Vec::new();
    loop {
        let event = client.next_event().await;
        let is_gap = event.gap().is_some();
        history.push(event);
        if is_gap {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30));
    }
    let last = feed.publish(5).to_string();
    history.extend(up_to(&mut client, &last).await);
    let gaps: Vec<_> = history.iter().filter(|event| event.gap().is_some()).collect();
    let skipped: u64 = gaps.iter().map(|gap| gap.json()["events"].as_u64().unwrap()).sum();
    assert!(gaps.iter().all(|gap| gap.gap().unwrap() == "skipped"), "{gaps:?}");
    let got = history.len() as u64 - gaps.len() as u64;
    assert_eq!(got + skipped, 20_005, "each is delivered, or counted");
}

/// The leader alone is cut off: another leads, and what the first one still has counts for nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_cut_off_is_followed_by_another() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let wire = Wire::to(nats.address(0)).await;
    let feed = Feed::start(true).await;
    let first = member(&format!("\"nats://{}\"", wire.address), &feed, "first", 1).start();
    live(&[&first]).await;
    first.eventually_status("/sources/0/fleet/is_leader", true).await;
    let second = member(&nats.urls(), &feed, "second", 1).start();
    live(&[&second]).await;
    let (mut one, mut two) = (first.client().await, second.client().await);
    let last = feed.publish(50).to_string();
    let begun = up_to(&mut two, &last).await;
    assert_eq!(up_to(&mut one, &last).await, begun);

    wire.cut();
    let last = feed.publish(50).to_string();
    let meanwhile = up_to(&mut two, &last).await;
    assert_eq!(said(&meanwhile), (51..=100).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(one.events_so_far().is_empty());
    let readyz = Instant::now();
    while first.readyz().await.0 == 200 {
        assert!(
            readyz.elapsed() < Duration::from_secs(25),
            "new clients should go elsewhere"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    wire.mend();
    let last = feed.publish(50).to_string();
    let history = up_to(&mut one, &last).await;
    assert_eq!(history[..50], meanwhile);
    assert_eq!(up_to(&mut two, &last).await, history[50..]);
    first.eventually_status("/sources/0/fleet/is_leader", false).await;
    first.eventually_status("/sources/0/fleet/leader", "second").await;
}

pub fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

/// The engine comes back with less than it had acknowledged: everybody is told, and no id is given
/// twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_has_lost_events_is_told() {
    let mut nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(false).await;
    let a = member(&nats.urls(), &feed, "a", 1).start();
    live(&[&a]).await;
    let b = member(&nats.urls(), &feed, "b", 1).source("filters: 1").start();
    live(&[&b]).await;
    let (mut one, mut two) = (a.client().await, b.client().await);
    let filter = crate::support::client::get(&format!("{}?event=message", crate::PATH));
    let mut filtered = b.open(&filter).await;
    let last = feed.publish(10).to_string();
    let before = up_to(&mut one, &last).await;
    up_to(&mut two, &last).await;
    nats.kill(0);
    let saved = tempfile::tempdir().unwrap();
    copy(&nats.store(0), saved.path());
    nats.run(0).await;
    let last = feed.publish(40).to_string();
    let lost = up_to(&mut one, &last).await;
    up_to(&mut two, &last).await;
    up_to(&mut filtered, &last).await;
    nats.kill(0);
    std::fs::remove_dir_all(nats.store(0)).unwrap();
    copy(saved.path(), &nats.store(0));
    nats.run(0).await;
    // What comes while a new leader is not connected yet is lost to an origin without ids.
    let publishing = async {
        loop {
            feed.publish(1);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let reading = async {
        for client in [&mut one, &mut two, &mut filtered] {
            assert_eq!(client.next_event().await.gap().as_deref(), Some("log_lost"));
            let earlier: Vec<_> = before.iter().chain(&lost).map(|event| event.id.clone()).collect();
            for _ in 0..20 {
                let event = client.next_event().await;
                assert!(event.gap().is_some() || !earlier.contains(&event.id), "{event:?}");
            }
        }
    };
    tokio::select! {
        () = publishing => {}
        () = reading => {}
    }
    assert!(a.metric(r#"fanfare_gaps_total{source="s",reason="log_lost"}"#) > 0.0);
}
