//! The process is killed at random moments under load, and started again: every client's history is
//! checked.

use super::reader::{Got, Reader};
use super::recorded_origin::{Ids, RecordedOrigin};
use super::{Scene, kill};
use std::collections::HashSet;
use std::time::Duration;

/// Clients, each with a history of its own.
const CLIENTS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_kills_under_load() {
    let seen = kills(10, Ids::Given, "ids: pass", "sync: interval").await;
    seen.iter().for_each(is_exact);
    let seen = kills(10, Ids::None, "ids: assign", "sync: interval").await;
    seen.iter().for_each(is_told);
}

/// `scripts/long kills`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn a_hundred_kills_under_load() {
    for sync in ["sync: none", "sync: interval", "sync: always"] {
        let seen = kills(100, Ids::Given, "ids: pass", sync).await;
        seen.iter().for_each(is_exact);
        say(&format!("ids of the origin, {sync}"), &seen);
        let seen = kills(100, Ids::None, "ids: assign", sync).await;
        seen.iter().for_each(is_told);
        say(&format!("ids of the relay, {sync}"), &seen);
    }
}

/// Kills the process so often at random moments, while events come. Returns what each client saw.
async fn kills(times: u32, ids: Ids, source: &str, sync: &str) -> Vec<Vec<Got>> {
    let scene = Scene::new(RecordedOrigin::start(ids).await, source, sync).await;
    let mut process = scene.start().await;
    scene.origin.until_asked(1).await;
    let readers: Vec<Reader> = (0..CLIENTS).map(|_| scene.reader()).collect();
    for reader in &readers {
        reader.opened().await;
    }
    // From here on each has an id to come back with.
    scene.origin.publish(1);
    for reader in &readers {
        reader.until(1).await;
    }
    for _ in 0..times {
        // Bursts and single events, for as long as a kill is away.
        for _ in 0..fastrand::u32(1..60) {
            scene.origin.publish(fastrand::u64(0..4).pow(2));
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..4))).await;
        }
        kill(process).await;
        scene.origin.publish(fastrand::u64(0..3));
        process = scene.start().await;
    }
    // Until all of them have come back, one that follows or waits gets what comes.
    for reader in &readers {
        let before = scene.origin.newest();
        while reader.events().last().is_none_or(|seen| *seen <= before) {
            scene.origin.publish(1);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    scene.origin.publish(1);
    let last = scene.origin.newest();
    for reader in &readers {
        reader.until(last).await;
    }
    let seen = readers.iter().map(Reader::got).collect();
    kill(process).await;
    seen
}

/// Every event came, once, in order, and no gap was told.
fn is_exact(seen: &Vec<Got>) {
    let mut expected = 1;
    for got in seen {
        match got {
            Got::Event(number) => {
                assert_eq!(*number, expected, "{}", around(seen, got));
                expected += 1;
            }
            Got::Gap(_) => panic!("{}", around(seen, got)),
            Got::Opened(_) => {}
        }
    }
}

/// What came, came once and in order; before whatever is missing a gap was told.
fn is_told(seen: &Vec<Got>) {
    let (mut last, mut is_gap) = (0, false);
    let mut once = HashSet::new();
    for got in seen {
        match got {
            Got::Event(number) => {
                assert!(once.insert(*number) && *number > last, "doubled: {}", around(seen, got));
                assert!(*number == last + 1 || is_gap, "lost in silence: {}", around(seen, got));
                (last, is_gap) = (*number, false);
            }
            Got::Gap(_) => is_gap = true,
            Got::Opened(_) => {}
        }
    }
}

fn around(seen: &[Got], at: &Got) -> String {
    let at = seen.iter().position(|got| std::ptr::eq(got, at)).unwrap();
    format!("{:?}", &seen[at.saturating_sub(12)..(at + 6).min(seen.len())])
}

#[allow(clippy::print_stdout, reason = "it is a measurement too")]
fn say(what: &str, seen: &[Vec<Got>]) {
    let count = |is: fn(&Got) -> bool| seen.iter().flatten().filter(|got| is(got)).count();
    println!(
        "{what}: {} clients, {} events, {} times back, {} gaps told, 0 lost in silence, 0 doubled",
        seen.len(),
        count(|got| matches!(got, Got::Event(_))),
        count(|got| matches!(got, Got::Opened(_))) - seen.len(),
        count(|got| matches!(got, Got::Gap(_))),
    );
}
