//! An instance is upgraded by hand-over: its clients stay on their connections, and get every event once.

use crate::away::copy;
use crate::nats::{Nats, Version};
use crate::support::client::{Event, TestClient, get};
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};
use crate::{Feed, client, leader, member, said, up_to};
use fanfare::handover::{self, Hello, Kind, Link};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

/// An instance's configuration, and where its processes find each other.
struct House(tempfile::TempDir);

impl House {
    fn of(setup: Setup) -> Self {
        let private = std::fs::Permissions::from_mode(0o700);
        let dir = tempfile::Builder::new().permissions(private).tempdir().unwrap();
        let house = Self(dir);
        let socket = house.0.path().join("handover.sock");
        let setup = setup
            .source("filters: 4")
            .top(&format!("handover: {}\n", socket.display()));
        std::fs::write(house.file(), setup.yaml()).unwrap();
        house
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("fanfare.yaml")
    }

    async fn start(&self) -> TestProcess {
        TestProcess::start_with(&self.file()).await
    }

    /// A process that has taken over. The one before has let go of all its clients.
    async fn take_over(&self, before: &mut TestProcess) -> TestProcess {
        let process = TestProcess::start_saying(&self.file(), &["--takeover"]).await;
        process.logged("taken over").await;
        assert!(before.exit().await.success());
        process
    }
}

fn numbers(from: u64, to: u64) -> Vec<String> {
    (from..=to).map(|n| n.to_string()).collect()
}

/// Publishes while something else goes on; the number of the last.
async fn publishing<T>(feed: &Feed, other: impl Future<Output = T>) -> T {
    let publishing = async {
        loop {
            feed.publish(1);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        () = publishing => unreachable!(),
        done = other => done,
    }
}

async fn filtered(process: &TestProcess) -> TestClient {
    let mut client = get(&format!("{PATH}?event=message")).open(process.address).await;
    client.opened().await;
    client
}

/// All of them get exactly these.
async fn all_get(clients: &mut [TestClient], from: u64, to: u64) -> Vec<Event> {
    let mut all = Vec::new();
    for client in clients {
        let history = up_to(client, &to.to_string()).await;
        assert_eq!(said(&history), numbers(from, to));
        all.push(history);
    }
    all.pop().unwrap()
}

/// Of three instances one that follows: nobody there notices anything, whatever comes meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_follows() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(false).await;
    let a = TestProcess::start(&member(&nats.urls(), &feed, "a", 1)).await;
    assert_eq!(leader(&[&a]).await, 0);
    let house = House::of(member(&nats.urls(), &feed, "b", 1));
    let mut b = house.start().await;
    let mut clients = [client(&b, None).await, client(&b, None).await, filtered(&b).await];
    let last = feed.publish(20);
    let begun = all_get(&mut clients, 1, last).await;
    for _ in 0..3 {
        b = publishing(&feed, house.take_over(&mut b)).await;
    }
    let from = last + 1;
    let last = feed.publish(20);
    let rest = all_get(&mut clients, from, last).await;
    assert_eq!(feed.opened(), 1, "the leader's connection");
    // Ids lead on, those of before too.
    let mut late = client(&b, Some(&begun[3].id)).await;
    let history = up_to(&mut late, &last.to_string()).await;
    assert_eq!([&begun[4..], &rest[..]].concat(), history);
}

/// The leader itself, which leads again or follows another: from an origin with ids nothing is missing.
async fn one_that_leads(version: Version, others: usize) {
    let nats = Nats::start(version, 1).await;
    let feed = Feed::start(true).await;
    let house = House::of(member(&nats.urls(), &feed, "a", 1));
    let mut a = house.start().await;
    assert_eq!(leader(&[&a]).await, 0);
    let mut others_too = Vec::new();
    for n in 0..others {
        let process = TestProcess::start(&member(&nats.urls(), &feed, &format!("other-{n}"), 1)).await;
        others_too.push(process);
    }
    let mut clients = vec![client(&a, None).await, filtered(&a).await];
    for process in &others_too {
        clients.push(client(process, None).await);
    }
    let last = feed.publish(20);
    all_get(&mut clients, 1, last).await;
    for _ in 0..2 {
        a = publishing(&feed, house.take_over(&mut a)).await;
    }
    let from = last + 1;
    let last = feed.publish(20);
    all_get(&mut clients, from, last).await;
    let all: Vec<&TestProcess> = std::iter::once(&a).chain(&others_too).collect();
    leader(&all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_one_on_the_oldest_engine() {
    one_that_leads(Version::V2_9, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_among_others() {
    one_that_leads(Version::V2_15, 2).await;
}

/// A leader goes on in the other process with its connection to the origin, which sees no other: nothing
/// is missing where the origin gives no ids.
async fn a_leader_without_ids_of_the_origin(others: usize) {
    let nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(false).await;
    let house = House::of(member(&nats.urls(), &feed, "a", 1));
    let mut a = house.start().await;
    assert_eq!(leader(&[&a]).await, 0);
    let mut others_too = Vec::new();
    for n in 0..others {
        others_too.push(TestProcess::start(&member(&nats.urls(), &feed, &format!("other-{n}"), 1)).await);
    }
    let mut clients = vec![client(&a, None).await, filtered(&a).await];
    for process in &others_too {
        clients.push(client(process, None).await);
    }
    let last = feed.publish(20);
    all_get(&mut clients, 1, last).await;
    for _ in 0..4 {
        a = publishing(&feed, house.take_over(&mut a)).await;
    }
    let from = last + 1;
    let last = feed.publish(20);
    all_get(&mut clients, from, last).await;
    assert_eq!(feed.opened(), 1, "the first connection goes on");
    let all: Vec<&TestProcess> = std::iter::once(&a).chain(&others_too).collect();
    assert_eq!(leader(&all).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_one_without_ids_of_the_origin() {
    a_leader_without_ids_of_the_origin(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_among_others_without_ids_of_the_origin() {
    a_leader_without_ids_of_the_origin(2).await;
}

/// The engine is away all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_engine_is_away() {
    let mut nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(false).await;
    let house = House::of(member(&nats.urls(), &feed, "a", 1));
    let mut a = house.start().await;
    assert_eq!(leader(&[&a]).await, 0);
    let mut clients = [client(&a, None).await, client(&a, None).await];
    let last = feed.publish(20);
    all_get(&mut clients, 1, last).await;
    nats.kill(0);
    feed.publish(20);
    a.eventually_metric("fanfare_fleet_buffered_events{source=\"s\"}", 20.0)
        .await;
    let mut a = house.take_over(&mut a).await;
    feed.publish(20);
    let _a = house.take_over(&mut a).await;
    nats.run(0).await;
    let last = feed.publish(20);
    all_get(&mut clients, 21, last).await;
    assert_eq!(feed.opened(), 1);
}

/// The engine comes back with less than it had, in the hands of another process: its clients are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_engine_loses_events() {
    let mut nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(true).await;
    let house = House::of(member(&nats.urls(), &feed, "a", 1));
    let mut a = house.start().await;
    assert_eq!(leader(&[&a]).await, 0);
    let mut clients = [client(&a, None).await, filtered(&a).await];
    let last = feed.publish(10);
    all_get(&mut clients, 1, last).await;
    nats.kill(0);
    let saved = tempfile::tempdir().unwrap();
    copy(&nats.store(0), saved.path());
    nats.run(0).await;
    let last = feed.publish(40);
    let lost = all_get(&mut clients, 11, last).await;
    nats.kill(0);
    std::fs::remove_dir_all(nats.store(0)).unwrap();
    copy(saved.path(), &nats.store(0));
    let a = house.take_over(&mut a).await;
    nats.run(0).await;
    for client in &mut clients {
        assert_eq!(client.next_event().await.gap().as_deref(), Some("log_lost"));
    }
    let last = feed.publish(20);
    for client in &mut clients {
        let history = up_to(client, &last.to_string()).await;
        let ends = said(&history);
        assert!(ends.ends_with(&numbers(51, last)), "{ends:?}");
        assert!(history.iter().all(|event| lost.iter().all(|lost| lost.id != event.id)));
    }
    // What was delivered of the log that is no more leads on.
    let mut late = client(&a, Some(&lost[20].id)).await;
    let history = up_to(&mut late, &last.to_string()).await;
    assert_eq!(
        said(&history)[..20],
        numbers(32, 51)[..19]
            .iter()
            .cloned()
            .chain(["gap: log_lost".to_owned()])
            .collect::<Vec<_>>()
    );
}

/// Gets all that a process gives that takes over, and ends.
fn takes_all_and_ends(house: &House, upstream: &str) {
    let link = Link::connect(&house.0.path().join("handover.sock")).unwrap();
    link.set_patience(Some(Duration::from_secs(20))).unwrap();
    let hello = Hello::new(handover::FORMATS, "9.9.9", 1 << 20);
    link.send_bytes(Kind::TakeOver, &hello.bytes().unwrap(), &[]).unwrap();
    link.expect(Kind::Welcome, "a welcome").unwrap();
    link.expect(Kind::Listeners, "listeners").unwrap();
    let (is_templated, assigned, is_shared) = (false, 2_u8, true);
    let sources = vec![("s", vec![PATH], is_templated, assigned, is_shared, vec![upstream])];
    let listeners: Vec<u32> = vec![0, 1, 2];
    let ready = handover::encode(&(listeners, sources)).unwrap();
    link.send_bytes(Kind::Ready, &ready, &[]).unwrap();
    let mut channels = 0;
    loop {
        match link.receive().unwrap().kind {
            Kind::Channel => channels += 1,
            Kind::End => break,
            _ => {}
        }
    }
    assert_eq!(channels, 2, "the channel, and what a filter lets through of it");
}

/// Another process gets everything, and dies of it: this one takes part in the fleet again, as if nothing
/// had been.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_that_dies_changes_nothing() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(true).await;
    let house = House::of(member(&nats.urls(), &feed, "a", 1));
    let mut a = house.start().await;
    assert_eq!(leader(&[&a]).await, 0);
    let mut clients = [client(&a, None).await, filtered(&a).await];
    let last = feed.publish(20);
    all_get(&mut clients, 1, last).await;
    let status = a.status().await;
    let upstream = status["sources"][0]["upstreams"][0]["name"].as_str().unwrap();
    for failures in 1..=3 {
        publishing(&feed, async {
            tokio::task::block_in_place(|| takes_all_and_ends(&house, upstream));
            let series = "fanfare_handed_over_total{outcome=\"failed\"}";
            a.eventually_metric(series, f64::from(failures)).await;
        })
        .await;
    }
    let _a = publishing(&feed, house.take_over(&mut a)).await;
    let from = last + 1;
    let last = feed.publish(20);
    all_get(&mut clients, from, last).await;
}

/// An instance that serves alone: its clients stay, and what is missing in the other process is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_serves_alone() {
    let mut nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(true).await;
    let fleet = format!(
        "fleet: {{ nats: [{}], instance: a, replicas: 1, append_timeout: 2s, when_away: local }}",
        nats.urls()
    );
    let setup = Setup::at(&feed.url()).top(&fleet).source("fleet: true");
    let house = House::of(setup.top("drain: { spread: 0s }"));
    let mut a = house.start().await;
    assert_eq!(leader(&[&a]).await, 0);
    let mut clients = [client(&a, None).await];
    let last = feed.publish(20);
    all_get(&mut clients, 1, last).await;
    let alone = "fanfare_fleet_local{source=\"s\"}";
    nats.kill(0);
    a.eventually_metric(alone, 1.0).await;
    let last = feed.publish(20);
    all_get(&mut clients, 21, last).await;
    let a = house.take_over(&mut a).await;
    a.eventually_metric(alone, 1.0).await;
    feed.publish(20);
    nats.run(0).await;
    a.eventually_metric(alone, 0.0).await;
    assert_eq!(leader(&[&a]).await, 0);
    let last = feed.publish(20);
    let [client] = &mut clients;
    let history = up_to(client, &last.to_string()).await;
    let mut expected = Some(41);
    for event in &history {
        match (event.gap(), expected) {
            (Some(_), _) => expected = None,
            (None, Some(number)) => {
                assert_eq!(event.data, number.to_string(), "{:?}", said(&history));
                expected = Some(number + 1);
            }
            (None, None) => expected = Some(event.data.parse::<u64>().unwrap() + 1),
        }
    }
}
