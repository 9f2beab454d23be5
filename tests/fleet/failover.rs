//! Another instance leads: after a clean end, a death, a sleep past the lease.

use crate::nats::{Nats, Version};
use crate::support::process::TestProcess;
use crate::{Feed, client, leader, member, said, up_to};
use rustix::process::Signal;
use std::time::{Duration, Instant};

async fn processes(nats: &Nats, feed: &Feed) -> Vec<TestProcess> {
    let mut processes = Vec::new();
    for name in ["a", "b", "c"] {
        processes.push(TestProcess::start(&member(&nats.urls(), feed, name, 1)).await);
    }
    processes
}

/// The two of three that stay.
fn others(processes: &[TestProcess], gone: usize) -> Vec<&TestProcess> {
    let left = processes.iter().enumerate().filter(|(n, _)| *n != gone);
    left.map(|(_, process)| process).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_clean_end_another_leads_within_a_second() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(true).await;
    let mut processes = processes(&nats, &feed).await;
    let first = leader(&processes.iter().collect::<Vec<_>>()).await;
    let mut follower = client(others(&processes, first)[0], None).await;
    let last = feed.publish(10);
    up_to(&mut follower, &last.to_string()).await;

    let began = Instant::now();
    processes[first].terminate();
    let opened = feed.opened();
    while feed.opened() == opened {
        assert!(began.elapsed() < Duration::from_secs(10), "no other leads");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // A second by the lease, and what a busy machine takes.
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let last = feed.publish(10);
    let history = up_to(&mut follower, &last.to_string()).await;
    let wanted: Vec<String> = (11..=20).map(|n| n.to_string()).collect();
    // It went on behind the last id in the log.
    assert_eq!(
        (said(&history), feed.asked().last().unwrap().as_deref()),
        (wanted, Some("10"))
    );
    assert!(processes[first].exit().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_leaders_death_another_leads_and_nothing_is_lost() {
    let nats = Nats::start(Version::V2_9, 1).await;
    let feed = Feed::start(true).await;
    let processes = processes(&nats, &feed).await;
    let first = leader(&processes.iter().collect::<Vec<_>>()).await;
    let left = others(&processes, first);
    let mut follower = client(left[0], None).await;
    let last = feed.publish(200);
    let history = up_to(&mut follower, &last.to_string()).await;
    processes[first].signal(Signal::KILL);
    let last = feed.publish(200);
    let rest = up_to(&mut follower, &last.to_string()).await;
    let wanted: Vec<String> = (1..=400).map(|n| n.to_string()).collect();
    assert_eq!([said(&history), said(&rest)].concat(), wanted);
    // The other has the same, under the same ids.
    let mut other = client(left[1], Some(&history[100].id)).await;
    let again = up_to(&mut other, &last.to_string()).await;
    assert_eq!(again, [&history[101..], &rest[..]].concat());
}

/// An origin without ids: what came between is told, at the same place everywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_origin_without_ids_sent_meanwhile_is_a_gap() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(false).await;
    let processes = processes(&nats, &feed).await;
    let first = leader(&processes.iter().collect::<Vec<_>>()).await;
    let left = others(&processes, first);
    let (mut one, mut two) = (client(left[0], None).await, client(left[1], None).await);
    let last = feed.publish(10).to_string();
    up_to(&mut one, &last).await;
    up_to(&mut two, &last).await;
    processes[first].signal(Signal::KILL);
    let opened = feed.opened();
    while feed.opened() == opened {
        feed.publish(1);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let last = feed.publish(10).to_string();
    let history = up_to(&mut one, &last).await;
    assert_eq!(up_to(&mut two, &last).await, history);
    let said = said(&history);
    assert_eq!(said[0], "gap: upstream_reconnected");
    assert_eq!(said.iter().filter(|said| said.starts_with("gap")).count(), 1);
}

/// A leader that stands still past its lease is another one's follower when it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_slept_follows() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(true).await;
    let processes = processes(&nats, &feed).await;
    let first = leader(&processes.iter().collect::<Vec<_>>()).await;
    let mut sleeper = client(&processes[first], None).await;
    let left = others(&processes, first);
    let mut follower = client(left[0], None).await;
    let last = feed.publish(50).to_string();
    let begun = up_to(&mut follower, &last).await;
    assert_eq!(up_to(&mut sleeper, &last).await, begun);

    processes[first].signal(Signal::STOP);
    let opened = feed.opened();
    feed.publish(50);
    while feed.opened() == opened {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    leader(&left).await;
    processes[first].signal(Signal::CONT);
    let last = feed.publish(50).to_string();
    let history = up_to(&mut follower, &last).await;
    assert_eq!(said(&history), (51..=150).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(
        up_to(&mut sleeper, &last).await,
        history,
        "the same, under the same ids"
    );
    assert_ne!(leader(&processes.iter().collect::<Vec<_>>()).await, first);
    let began = Instant::now();
    while feed.open() != 1 {
        assert!(began.elapsed() < Duration::from_secs(20), "{} connections", feed.open());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
