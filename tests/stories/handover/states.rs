//! What a client is goes over with it: how it speaks, how long it may stay, how far behind it is. And
//! what another configuration makes of it.

use super::House;
use super::numbered::{NumberedOrigin, assert_whole, joined, next};
use crate::support::client::{End, TestClient, connect_unix, get};
use crate::support::filler::filler;
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};
use std::time::{Duration, Instant};

const DRAIN: &str = "drain: { spread: 0s, timeout: 5s }\n";

fn setup(origin: &NumberedOrigin) -> Setup {
    Setup::at(&origin.url).top(DRAIN)
}

/// The process that comes after this one, which has ended in order.
async fn successor(house: &House, mut process: TestProcess) -> TestProcess {
    let new = house.take_over().await;
    assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
    new
}

fn clients_of(process: &TestProcess) -> u64 {
    process.log_lines("taken over")[0]["clients"].as_u64().unwrap()
}

#[tokio::test]
async fn clients_go_over_however_they_speak() {
    let origin = NumberedOrigin::start(20).await;
    let socket_of = |house: &House| house.path("clients.sock");
    let house = House::of(setup(&origin));
    let listen = format!("[127.0.0.1:0, \"unix:{}\"]", socket_of(&house).display());
    house.write(&house.setup().listen(&listen).yaml());
    let process = house.start().await;
    origin.connected().await;
    let mut old_version = get(PATH).http10().open(process.address).await;
    old_version.opened().await;
    let ask = get(PATH);
    let mut over_a_file = TestClient::new(Box::new(connect_unix(&socket_of(&house)).await), &ask).await;
    assert_eq!(over_a_file.read_head().await.status, 200);
    over_a_file.opened().await;
    let mut usual = joined(process.address).await;
    let process = successor(&house, process).await;
    let process = successor(&house, process).await;
    assert_eq!(clients_of(&process), 3);
    let n = origin.publish();
    for client in [&mut old_version, &mut over_a_file, &mut usual] {
        assert_eq!(next(client).await, n);
    }
    assert!(usual.is_open() && old_version.is_open());
    process
        .eventually_metric("fanfare_clients{source=\"s\",protocol=\"http/1.0\"}", 1.0)
        .await;
    process
        .eventually_metric("fanfare_clients{source=\"s\",protocol=\"http/1.1\"}", 2.0)
        .await;
}

/// Channels of a template, each with its own place, and the id in force for those who come later.
#[tokio::test]
async fn channels_of_jobs_go_over() {
    let origin = NumberedOrigin::start(20).await;
    let url = format!("{}/{{job}}", origin.url);
    let house = House::of(Setup::at(&url).path("/jobs/{job}").top(DRAIN));
    let process = house.start().await;
    let mut clients = Vec::new();
    for job in ["/jobs/1", "/jobs/b%20b"] {
        let mut client = get(job).open(process.address).await;
        client.opened().await;
        clients.push(client);
    }
    let first = origin.publish();
    for client in &mut clients {
        assert_eq!(next(client).await, first);
    }
    let process = successor(&house, process).await;
    let mut late = get("/jobs/1").open(process.address).await;
    assert_eq!(next(&mut late).await, first, "it gets what the job has had");
    let second = origin.publish();
    for client in clients.iter_mut().chain([&mut late]) {
        assert_eq!(next(client).await, second);
    }
    process.eventually_metric("fanfare_channels{source=\"s\"}", 2.0).await;
}

/// Who is over no limit that there was, and keeps out who comes from then on.
#[tokio::test]
async fn limits_count_those_who_were_taken_over() {
    let origin = NumberedOrigin::start(20).await;
    let house = House::of(setup(&origin));
    let process = house.start().await;
    origin.connected().await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(joined(process.address).await);
    }
    house.write(&house.setup().top("limits: { clients: 100, clients_per_ip: 2 }").yaml());
    let process = successor(&house, process).await;
    let n = origin.publish();
    for client in &mut clients {
        assert_eq!(next(client).await, n);
    }
    let refused = "fanfare_refused_total{reason=\"clients_per_ip\"}";
    let mut fourth = get(PATH).open(process.address).await;
    assert_eq!(fourth.end().await, End::LastChunk);
    process.eventually_metric(refused, 1.0).await;
    clients.truncate(1);
    process.eventually_clients(1).await;
    joined(process.address).await;
}

/// It ends when it would have ended.
#[tokio::test]
async fn a_stream_grows_as_old_as_it_may() {
    let origin = NumberedOrigin::start(20).await;
    let house = House::of(setup(&origin).source("max_age: 3s"));
    let process = house.start().await;
    origin.connected().await;
    let began = Instant::now();
    let mut client = joined(process.address).await;
    let process = successor(&house, process).await;
    assert_eq!(client.end().await, End::LastChunk);
    let age = began.elapsed();
    assert!(age >= Duration::from_millis(2600), "{age:?}");
    assert_eq!(client.retries.len(), 2, "with the time after which it may come back");
    let closed = "fanfare_connections_closed_total{source=\"s\",reason=\"max_age\"}";
    process.eventually_metric(closed, 1.0).await;
}

/// One that reads nothing under `skip`, beside one under `pause`: both know all, or what they missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_are_as_slow_as_before() {
    let origin = NumberedOrigin::start(60_000).await;
    let skips = "log: { events: 8 }\nslow_client: { policy: skip }";
    let house = House::of(setup(&origin).source(skips));
    let process = house.start().await;
    origin.connected().await;
    let mut reads = joined(process.address).await;
    let mut stalled = get(PATH).small_receive_buffer().open(process.address).await;
    stalled.opened().await;
    for _ in 0..150 {
        let n = origin.publish();
        assert_eq!(next(&mut reads).await, n);
    }
    let process = successor(&house, process).await;
    let mut last = origin.publish();
    assert_eq!(next(&mut reads).await, last);
    let (mut before, mut gaps) = (0, 0);
    while before != last {
        let event = stalled.next_event().await;
        match event.gap() {
            Some(reason) => {
                assert_eq!(reason, "skipped");
                gaps += 1;
            }
            None => {
                let number = super::numbered::number(&event.data);
                assert!(number == before + 1 || gaps > 0, "{number} after {before}");
                before = number;
            }
        }
        if gaps > 0 && before != last {
            // What it missed it has been told; the next event is the last one, or comes now.
            last = origin.publish();
            next(&mut reads).await;
        }
    }
    assert_eq!(gaps, 1, "it was behind by far more than the log");
    drop(process);
}

/// What is held back goes out before; clients whose turn has not come have it after.
#[tokio::test]
async fn events_that_wait_are_not_lost() {
    let origin = NumberedOrigin::start(20).await;
    let house = House::of(setup(&origin).source("coalesce: 1h"));
    let process = house.start().await;
    origin.connected().await;
    let mut client = joined(process.address).await;
    origin.publish();
    origin.publish();
    let received = "fanfare_events_received_total{source=\"s\"}";
    process.eventually_metric(received, 2.0).await;
    house.write(
        &house
            .setup()
            .source("coalesce: 0s")
            .yaml()
            .replace("    coalesce: 1h\n", ""),
    );
    let process = successor(&house, process).await;
    let n = origin.publish();
    let mut numbers = Vec::new();
    while numbers.last() != Some(&n) {
        numbers.push(next(&mut client).await);
    }
    assert_whole(&numbers, 1, n);

    house.write(
        &house
            .setup()
            .source("stagger: 2s")
            .yaml()
            .replace("    coalesce: 1h\n", ""),
    );
    let process = successor(&house, process).await;
    let mut crowd = Vec::new();
    for _ in 0..10 {
        crowd.push(joined(process.address).await);
    }
    let began = Instant::now();
    let n = origin.publish();
    process.eventually_metric(received, 1.0).await;
    let process = successor(&house, process).await;
    for client in &mut crowd {
        assert_eq!(next(client).await, n);
    }
    assert_eq!(next(&mut client).await, n);
    assert!(began.elapsed() < Duration::from_secs(15));
    process.eventually_clients(11).await;
}

#[tokio::test]
async fn a_stream_that_has_ended_stays_for_those_who_come_late() {
    let origin = NumberedOrigin::start(20).await;
    let house = House::of(setup(&origin).source(&format!("end_when: {{ data: '2 {}' }}", filler(20))));
    let process = house.start().await;
    origin.connected().await;
    let mut client = joined(process.address).await;
    let [_, last] = [origin.publish(), origin.publish()];
    assert_eq!([next(&mut client).await, next(&mut client).await], [1, 2]);
    assert_eq!(client.end().await, End::LastChunk);
    let process = successor(&house, process).await;
    let mut late = get(PATH).last_event_id("1").open(process.address).await;
    assert_eq!(next(&mut late).await, last);
    assert_eq!(late.end().await, End::LastChunk);
    let has_all = get(PATH).last_event_id("2").answer(process.address).await;
    assert_eq!(has_all.head.status, 204);
    assert_eq!(origin.connections(), 1, "nothing more is asked for");
}

/// A source that is gone, one whose ids are others, one that stays, and one that is new.
#[tokio::test]
async fn sources_are_those_of_the_new_configuration() {
    let origin = NumberedOrigin::start(20).await;
    let beside = |name: &str, keys: &str| format!("{name}: {{ path: /{name}, upstream: \"{}\"{keys} }}", origin.url);
    let house = House::of(setup(&origin));
    let before = house.setup().beside(&beside("gone", "")).beside(&beside("other", ""));
    house.write(&before.yaml());
    let mut process = house.start().await;
    let mut clients = Vec::new();
    for path in [PATH, "/gone", "/other"] {
        let mut client = get(path).open(process.address).await;
        client.opened().await;
        clients.push(client);
    }
    while origin.connections() < 3 {
        tokio::task::yield_now().await;
    }
    let after = house
        .setup()
        .beside(&beside("other", ", ids: assign"))
        .beside(&beside("new", ""));
    house.write(&after.yaml());
    let new = house.take_over().await;
    let [mut stays, mut gone, mut other] = <[TestClient; 3]>::try_from(clients).unwrap_or_else(|_| panic!("three"));
    for client in [&mut gone, &mut other] {
        assert_eq!(client.end().await, End::LastChunk);
        assert_eq!(client.retries.len(), 2, "with the time after which it may come back");
    }
    assert_eq!(process.exit().await.code(), Some(0));
    assert_eq!(clients_of(&new), 1);
    let n = origin.publish();
    assert_eq!(next(&mut stays).await, n);
    let again = get("/gone").answer(new.address).await;
    assert_eq!(again.head.status, 404);
    for path in ["/other", "/new"] {
        let mut client = get(path).open(new.address).await;
        client.opened().await;
    }
}

/// What the new log does not keep is a gap for those who come back, and for none who is in.
#[tokio::test]
async fn a_smaller_log_keeps_the_newest() {
    let origin = NumberedOrigin::start(20).await;
    let house = House::of(setup(&origin));
    let process = house.start().await;
    origin.connected().await;
    let mut client = joined(process.address).await;
    for _ in 0..10 {
        let n = origin.publish();
        assert_eq!(next(&mut client).await, n);
    }
    house.write(&house.setup().source("log: { events: 3 }").yaml());
    let process = successor(&house, process).await;
    let mut far = get(PATH).last_event_id("4").open(process.address).await;
    assert_eq!(far.next_event().await.gap().as_deref(), Some("evicted"));
    assert_eq!(next(&mut far).await, 8);
    let mut near = get(PATH).last_event_id("7").open(process.address).await;
    assert_eq!(next(&mut near).await, 8);
    let n = origin.publish();
    assert_eq!(next(&mut client).await, n);
}
