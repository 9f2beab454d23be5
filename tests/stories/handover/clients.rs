//! Clients in every state go over: each gets every event once.

use super::House;
use super::numbered::{NumberedOrigin, assert_whole, history, joined, next, number};
use crate::support::client::{TestClient, ask, get};
use crate::support::relay::{PATH, Setup};
use crate::support::wire::Wire;
use rustix::process::Signal;
use std::time::Duration;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

fn house(origin: &NumberedOrigin) -> House {
    House::of(Setup::at(&origin.url).top("drain: { spread: 0s, timeout: 5s }\n"))
}

/// Ten in a row, while events come all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_follow_notice_nothing() {
    let origin = NumberedOrigin::start(50).await;
    let house = house(&origin);
    let mut process = house.start().await;
    origin.connected().await;
    let mut clients = Vec::new();
    for _ in 0..40 {
        clients.push(joined(process.address).await);
    }
    const LAST: u64 = 500;
    let histories: Vec<_> = clients.into_iter().map(|client| history(client, LAST)).collect();
    let publishing = async {
        for _ in 0..LAST {
            tokio::time::sleep(Duration::from_millis(2)).await;
            origin.publish();
        }
    };
    let upgrading = async {
        for _ in 0..10 {
            let new = house.take_over().await;
            assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
            let line = &new.log_lines("taken over")[0];
            assert_eq!(line["clients"], 40, "{line}");
            process = new;
        }
    };
    tokio::join!(publishing, upgrading);
    for history in histories {
        let (client, numbers) = history.await.unwrap();
        assert_whole(&numbers, 1, LAST);
        assert!(client.is_open());
    }
    assert_eq!(origin.connections(), 1, "the origin noticed nothing either");
    assert_eq!(
        process
            .metric("fanfare_handed_over_total{outcome=\"handed_over\"}")
            .await,
        40.0
    );
}

/// One that reads nothing, with an event half sent; and one that comes back from far behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_are_behind_get_all_of_it() {
    let origin = NumberedOrigin::start(100_000).await;
    let setup = Setup::at(&origin.url).source("slow_client: { bytes: 64MiB }");
    let house = House::of(setup.top("drain: { spread: 0s, timeout: 5s }\n"));
    let mut process = house.start().await;
    origin.connected().await;
    let mut stalled = get(PATH).small_receive_buffer().open(process.address).await;
    let mut reads = joined(process.address).await;
    for n in 1..=40 {
        origin.publish();
        assert_eq!(next(&mut reads).await, n);
    }
    for _ in 0..3 {
        let new = house.take_over().await;
        process.exit().await;
        process = new;
        let n = origin.publish();
        assert_eq!(next(&mut reads).await, n);
    }
    let mut numbers = Vec::new();
    while numbers.last() != Some(&43) {
        numbers.push(next(&mut stalled).await);
    }
    assert_whole(&numbers, 1, 43);
}

/// Connections over which no request has come, or a part of one, or which wait for another one.
#[tokio::test]
async fn those_who_are_about_to_ask_are_answered() {
    let origin = NumberedOrigin::start(10).await;
    let house = house(&origin);
    let mut process = house.start().await;
    origin.connected().await;
    let request = String::from_utf8(get(PATH).bytes()).unwrap();
    let (beginning, rest) = request.split_at(request.len() / 2);
    let mut silent = Wire::connect(process.address).await;
    let mut half = Wire::connect(process.address).await;
    half.send(beginning).await;
    let mut idle = Wire::connect(process.address).await;
    idle.send("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let start = idle.start().await;
    assert_eq!(start.status(), 404);
    idle.content(&start).await;
    // What was sent has been read.
    let served = ask("GET", "/nowhere").answer(process.address).await;
    assert_eq!(served.head.status, 404);
    for _ in 0..2 {
        let new = house.take_over().await;
        assert_eq!(process.exit().await.code(), Some(0));
        process = new;
    }
    silent.send(&request).await;
    half.send(rest).await;
    idle.send(&request).await;
    for wire in [&mut silent, &mut half, &mut idle] {
        assert_eq!(wire.start().await.status(), 200);
    }
    process.eventually_clients(3).await;
}

/// A poll is answered at once, with nothing, and comes back to the new process.
#[tokio::test]
async fn polls_are_answered_at_once() {
    let origin = NumberedOrigin::start(10).await;
    let house = house(&origin);
    let mut process = house.start().await;
    origin.connected().await;
    let address = process.address;
    let poll = |last_event_id: String| async move {
        // One that only the new process reads is answered there, in this time.
        ask("GET", &format!("{PATH}?wait=8"))
            .header("Accept", "application/json")
            .last_event_id(last_event_id)
            .answer(address)
            .await
    };
    let waiting = tokio::spawn(poll(String::new()));
    // It has asked, and waits.
    process.eventually_metric("fanfare_connections_opened_total", 1.0).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let new = house.take_over().await;
    let answer = waiting.await.unwrap();
    assert_eq!(answer.head.status, 200);
    assert_eq!(json(&answer.body)["events"], serde_json::json!([]));
    assert_eq!(process.exit().await.code(), Some(0));
    let id = json(&answer.body)["last_event_id"].as_str().unwrap().to_owned();
    let n = origin.publish();
    let answer = poll(id).await;
    assert_eq!(number(json(&answer.body)["events"][0]["data"].as_str().unwrap()), n);
    drop(new);
}

/// The command, the signal behind it, and a program that was replaced meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_upgrades_to_what_stands_at_the_program_s_path() {
    let origin = NumberedOrigin::start(10).await;
    let house = house(&origin);
    let mut process = house.start().await;
    origin.connected().await;
    let mut client: TestClient = joined(process.address).await;
    let mut last = process.id();
    for n in 1..=2 {
        let (code, said) = house.run(&["upgrade"]).await;
        assert_eq!(code, 0, "{said}");
        let id: u32 = said.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(id != last && said.contains("has taken over"), "{said}");
        last = id;
        origin.publish();
        assert_eq!(next(&mut client).await, n);
    }
    assert_eq!(process.exit().await.code(), Some(0));
    // It is no child of the story's.
    let last = rustix::process::Pid::from_raw(i32::try_from(last).unwrap()).unwrap();
    rustix::process::kill_process(last, Signal::KILL).unwrap();
}
