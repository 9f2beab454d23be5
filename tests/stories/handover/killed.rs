//! Either process is killed, at any moment of a hand-over: clients go on, or their connections end,
//! and they resume. None of them gets an event twice, or a part of one, or misses one before its end.

use super::House;
use super::numbered::{NumberedOrigin, joined, number};
use crate::support::process::TestProcess;
use crate::support::relay::Setup;
use rustix::process::Signal;
use std::time::Duration;

const CLIENTS: usize = 8;
const LAST: u64 = 150;
/// From the new process's start to the end of a hand-over, and beyond.
const MOMENTS_MS: [u64; 8] = [2, 5, 8, 11, 15, 20, 30, 60];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Old,
    New,
}

/// What a client got: every number until its end.
async fn histories(origin: &NumberedOrigin, house: &House, victim: Victim, after: Duration) -> Vec<Vec<u64>> {
    let old = house.start().await;
    origin.connected().await;
    let mut reading = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = joined(old.address).await;
        reading.push(tokio::spawn(async move {
            let mut numbers = Vec::new();
            while numbers.last() != Some(&LAST) {
                match client.try_next_event().await {
                    Some(event) => numbers.push(number(&event.data)),
                    None => break,
                }
            }
            numbers
        }));
    }
    let killing = async {
        let new = TestProcess::begin(&house.file(), &["--takeover"]);
        tokio::time::sleep(after).await;
        match victim {
            Victim::Old => old.signal(Signal::KILL),
            Victim::New => new.signal(Signal::KILL),
        }
        new
    };
    let publishing = async {
        for _ in 0..LAST {
            tokio::time::sleep(Duration::from_millis(1)).await;
            origin.publish();
        }
    };
    let (new, ()) = tokio::join!(killing, publishing);
    let mut histories = Vec::new();
    for client in reading {
        histories.push(client.await.unwrap());
    }
    drop((old, new));
    histories
}

async fn every_moment(victim: Victim) -> (usize, usize) {
    let (mut went_on, mut cut) = (0, 0);
    for after in MOMENTS_MS {
        let origin = NumberedOrigin::start(2_000).await;
        let house = House::of(Setup::at(&origin.url).top("drain: { spread: 0s, timeout: 2s }\n"));
        let histories = histories(&origin, &house, victim, Duration::from_millis(after)).await;
        for history in histories {
            let whole: Vec<u64> = (1..=history.len() as u64).collect();
            assert_eq!(history, whole, "{victim:?} after {after} ms");
            match history.last() {
                Some(&LAST) => went_on += 1,
                _ => cut += 1,
            }
        }
    }
    (went_on, cut)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_process_is_killed_at_any_moment() {
    let (went_on, cut) = every_moment(Victim::Old).await;
    // At the first moment nothing can have gone over.
    assert!(cut > 0, "{went_on} went on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_new_process_is_killed_at_any_moment() {
    let (went_on, cut) = every_moment(Victim::New).await;
    // At the first moment the old process has everything.
    assert!(went_on > 0, "{cut} were cut");
}
