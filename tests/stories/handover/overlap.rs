//! Streams over TLS and HTTP/2 without ids: the next process reads them through the one before, until it
//! has joined a connection of its own to that.

use super::House;
use super::shared::{Manners, SharedOrigin, Speaks};
use crate::support::client::{TestClient, get};
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;

const JOINED: &str = "the connections of both processes to the origin are joined";
const APART: &str = "events of the origin may be missing: the connections of both processes could not be joined";
const BOTH: [Speaks; 2] = [Speaks::Tls, Speaks::Http2];

fn house(origin: &SharedOrigin, timeout: &str) -> House {
    let setup = Setup::at(origin.url()).upstream(&origin.keys());
    House::of(setup.top(&format!("drain: {{ spread: 0s, timeout: {timeout} }}\n")))
}

/// A client of a process that follows the origin.
async fn joined(process: &TestProcess) -> TestClient {
    crate::support::origin::within("a connection to the origin", async {
        while process.status().await["sources"][0]["upstreams"][0]["state"] != "connected" {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let mut client = get(PATH).open(process.address).await;
    client.opened().await;
    client
}

/// What a client got until "end": events by their data, gaps by their reasons in brackets.
fn history(mut client: TestClient) -> JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let mut history = Vec::new();
        loop {
            let event = client.next_event().await;
            match event.gap() {
                Some(reason) => history.push(format!("<{reason}>")),
                None if event.data == "end" => return history,
                None => history.push(event.data),
            }
        }
    })
}

fn numbers(count: u32) -> Vec<String> {
    (1..=count).map(|n| n.to_string()).collect()
}

/// Events flow all the time; three upgrades in a row: each is joined, nothing is lost or doubled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_without_ids_goes_on_without_a_gap() {
    for speaks in BOTH {
        let origin = SharedOrigin::start(speaks, Manners::default()).await;
        let house = house(&origin, "20s");
        let mut process = house.start().await;
        origin.has_open(1).await;
        let history = history(joined(&process).await);
        let mut sent = 0;
        let flowing = async {
            loop {
                sent += 1;
                origin.publish(&sent.to_string());
                sleep(Duration::from_millis(5)).await;
            }
        };
        let upgrading = async {
            for _ in 0..3 {
                let new = house.take_over().await;
                new.logged(JOINED).await;
                assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
                origin.has_open(1).await;
                process = new;
            }
        };
        tokio::select! {
            () = flowing => {}
            () = upgrading => {}
        }
        origin.publish("end");
        assert_eq!(history.await.unwrap(), numbers(sent), "{speaks:?}");
        assert_eq!((origin.asked(), origin.most()), ((4, 0), 2), "{speaks:?}");
    }
}

/// Bursts of one event, and a greeting on each connection, of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bursts_of_one_event_and_greetings_are_told_apart() {
    for speaks in BOTH {
        let manners = Manners {
            opening: Some(|n| format!("retry: 1000\n\nevent: greeting\ndata: {n}\n\ndata: same\n\n")),
            ..Manners::default()
        };
        let origin = SharedOrigin::start(speaks, manners).await;
        let house = house(&origin, "20s");
        let mut process = house.start().await;
        origin.has_open(1).await;
        let client = joined(&process).await;
        // The greeting of the first connection is in the log before, or comes now.
        let history = history(client);
        let mut sent: Vec<String> = Vec::new();
        let flowing = async {
            for burst in 0.. {
                for _ in 0..1 + fastrand::usize(..60) {
                    sent.push(format!("burst {}", burst % 3));
                    origin.publish(sent.last().unwrap());
                }
                sleep(Duration::from_millis(fastrand::u64(..200))).await;
            }
        };
        let upgrading = async {
            for _ in 0..2 {
                let new = house.take_over().await;
                new.logged(JOINED).await;
                assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
                process = new;
            }
        };
        tokio::select! {
            () = flowing => {}
            () = upgrading => {}
        }
        origin.publish("end");
        let mut told = history.await.unwrap();
        told.retain(|data| data.starts_with("burst"));
        assert_eq!(told, sent, "{speaks:?}");
    }
}

/// What can't be told apart is told as a gap: nothing is doubled or lost in silence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_nothing_but_the_same_is_a_gap() {
    let origin = SharedOrigin::start(Speaks::Http2, Manners::default()).await;
    let house = house(&origin, "4s");
    let mut process = house.start().await;
    origin.has_open(1).await;
    let history = history(joined(&process).await);
    let flowing = async {
        loop {
            origin.publish("same");
            sleep(Duration::from_millis(5)).await;
        }
    };
    let upgrading = async {
        let new = house.take_over().await;
        new.logged(APART).await;
        assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
        process = new;
    };
    tokio::select! {
        () = flowing => {}
        () = upgrading => {}
    }
    origin.publish("end");
    let told = history.await.unwrap();
    let gaps = told.iter().filter(|event| *event == "<upstream_reconnected>").count();
    assert_eq!(gaps, 1, "{told:?}");
    assert_eq!(origin.most(), 2);
}

/// An origin with room for one: the stream goes on through the old process for as long as that may stay,
/// and is then made anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_without_room_for_a_second_is_followed_over_the_old_one() {
    for speaks in BOTH {
        let manners = Manners {
            room: Some(1),
            ..Manners::default()
        };
        let origin = SharedOrigin::start(speaks, manners).await;
        let house = house(&origin, "2s");
        let mut process = house.start().await;
        origin.has_open(1).await;
        let mut client = joined(&process).await;
        let new = house.take_over().await;
        for n in 1..=3 {
            origin.publish(&n.to_string());
            assert_eq!(client.next_event().await.data, n.to_string());
        }
        assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
        assert!(origin.asked().1 > 0, "{:?}", origin.asked());
        assert_eq!(client.next_event().await.gap().as_deref(), Some("upstream_reconnected"));
        origin.has_open(1).await;
        origin.publish("4");
        assert_eq!(client.next_event().await.data, "4");
        process = new;
        drop(process);
    }
}

/// It refuses at first, and has room later: then the two are joined.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_refuses_the_second_for_a_while_is_asked_again() {
    let manners = Manners {
        room: Some(1),
        ..Manners::default()
    };
    let origin = SharedOrigin::start(Speaks::Tls, manners).await;
    let house = house(&origin, "20s");
    let mut process = house.start().await;
    origin.has_open(1).await;
    let history = history(joined(&process).await);
    let mut sent = 0;
    let flowing = async {
        loop {
            sent += 1;
            origin.publish(&sent.to_string());
            sleep(Duration::from_millis(20)).await;
        }
    };
    let upgrading = async {
        let new = house.take_over().await;
        crate::support::origin::within("a refusal", async {
            while origin.asked().1 == 0 {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        origin.change(|manners| manners.room = None);
        new.logged(JOINED).await;
        assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
        process = new;
    };
    tokio::select! {
        () = flowing => {}
        () = upgrading => {}
    }
    origin.publish("end");
    assert_eq!(history.await.unwrap(), numbers(sent));
}

/// A new connection ends the one before: what came in both joins them all the same, or it is a gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_ends_the_first_for_the_second_is_a_gap() {
    let manners = Manners {
        ends_others: true,
        ..Manners::default()
    };
    let origin = SharedOrigin::start(Speaks::Http2, manners).await;
    let house = house(&origin, "20s");
    let mut process = house.start().await;
    origin.has_open(1).await;
    let mut client = joined(&process).await;
    origin.publish("1");
    assert_eq!(client.next_event().await.data, "1");
    let new = house.take_over().await;
    assert_eq!(client.next_event().await.gap().as_deref(), Some("upstream_reconnected"));
    assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
    origin.publish("2");
    assert_eq!(client.next_event().await.data, "2");
    assert_eq!(origin.asked().0, 2);
    process = new;
    drop(process);
}

/// The old process is killed while the two overlap: what came in both joins them, and nothing is lost in
/// silence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_while_it_passes_on_is_a_gap_or_nothing() {
    for (n, speaks) in BOTH.into_iter().chain(BOTH).enumerate() {
        let origin = SharedOrigin::start(speaks, Manners::default()).await;
        let house = house(&origin, "20s");
        let mut process = house.start().await;
        origin.has_open(1).await;
        let history = history(joined(&process).await);
        let mut sent = 0;
        let flowing = async {
            loop {
                sent += 1;
                origin.publish(&sent.to_string());
                sleep(Duration::from_millis(5)).await;
            }
        };
        let upgrading = async {
            let new = house.take_over().await;
            sleep(Duration::from_millis(400 * n as u64)).await;
            let old = Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap();
            kill_process(old, Signal::KILL).unwrap();
            process.exit().await;
            origin.has_open(1).await;
            // Whatever it came to has been decided by then.
            sleep(Duration::from_millis(2500)).await;
            process = new;
        };
        tokio::select! {
            () = flowing => {}
            () = upgrading => {}
        }
        origin.publish("end");
        let told = history.await.unwrap();
        let gaps = told.iter().filter(|event| event.starts_with('<')).count();
        let events: Vec<_> = told.into_iter().filter(|event| !event.starts_with('<')).collect();
        if gaps == 0 {
            assert_eq!(events, numbers(sent), "{n}");
        }
        let mut once = events.clone();
        once.dedup();
        assert_eq!(events, once, "{n}: none came twice");
        drop(process);
    }
}

/// Another upgrade while the stream still goes on over the process before last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_process_but_one_goes_on_over_the_first() {
    let manners = Manners {
        room: Some(1),
        ..Manners::default()
    };
    let origin = SharedOrigin::start(Speaks::Tls, manners).await;
    let house = house(&origin, "20s");
    let mut first = house.start().await;
    origin.has_open(1).await;
    let history = history(joined(&first).await);
    let mut sent = 0;
    let mut publish = |count: u32| {
        for _ in 0..count {
            sent += 1;
            origin.publish(&sent.to_string());
        }
    };
    let mut second = house.take_over().await;
    publish(10);
    let third = house.take_over().await;
    assert_eq!(second.exit().await.code(), Some(0), "{}", second.whole_log());
    publish(10);
    origin.change(|manners| manners.room = None);
    origin.has_open(2).await;
    for _ in 0..30 {
        publish(3);
        sleep(Duration::from_millis(100)).await;
    }
    third.logged(JOINED).await;
    assert_eq!(first.exit().await.code(), Some(0), "{}", first.whole_log());
    publish(10);
    origin.publish("end");
    assert_eq!(history.await.unwrap(), numbers(sent));
}

/// Many streams: no more than 16 have two connections at one time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_sixteen_overlap_at_one_time() {
    const JOBS: usize = 24;
    let origin = SharedOrigin::start(Speaks::Http2, Manners::default()).await;
    let setup = Setup::at(&format!("{}/{{job}}", origin.url())).path("/jobs/{job}");
    let setup = setup.upstream(&origin.keys()).source("idle_timeout: 60s");
    let house = House::of(setup.top("drain: { spread: 0s, timeout: 20s }\n"));
    let mut process = house.start().await;
    let mut histories = Vec::new();
    for job in 0..JOBS {
        let mut client = get(&format!("/jobs/{job}")).open(process.address).await;
        client.opened().await;
        histories.push(history(client));
    }
    origin.has_open(JOBS).await;
    // A stream goes on over its old connection until the new one is answered.
    origin.change(|manners| manners.silent = true);
    let mut sent = 0;
    let flowing = async {
        origin.has_open(JOBS + 16).await;
        for _ in 0..50 {
            sleep(Duration::from_millis(10)).await;
            assert_eq!(origin.open(), JOBS + 16);
        }
        origin.change(|manners| manners.silent = false);
        loop {
            sent += 1;
            origin.publish(&sent.to_string());
            sleep(Duration::from_millis(20)).await;
        }
    };
    let upgrading = async {
        let new = house.take_over().await;
        assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
        process = new;
    };
    tokio::select! {
        () = flowing => {}
        () = upgrading => {}
    }
    origin.publish("end");
    for history in histories {
        assert_eq!(history.await.unwrap(), numbers(sent));
    }
    assert_eq!(origin.asked(), (2 * JOBS, 0));
    drop(process);
}
