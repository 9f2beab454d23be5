//! Sources with parameters: a stream per job, which ends.

use crate::jobs_origin::Jobs;
use crate::nats::{Nats, Version};
use crate::said;
use crate::support::client::{Event, TestClient, get};
use crate::support::process::TestProcess;
use crate::support::relay::{Setup, TestRelay, eventually};
use async_nats::jetstream;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio_stream::StreamExt as _;

/// A relay of a fleet over these jobs.
fn member(nats: &Nats, jobs: &Jobs, instance: &str, replicas: usize) -> Setup {
    let urls = nats.urls();
    let fleet = format!("fleet: {{ nats: [{urls}], instance: {instance}, replicas: {replicas}, append_timeout: 2s }}");
    Setup::at(&jobs.url())
        .path("/events/{job}")
        .top(&fleet)
        .top("drain: { spread: 0s }")
        .source("fleet: true\nend_when: [{ event: done }]")
}

fn of(job: &str) -> crate::support::client::Ask {
    get(&format!("/events/{job}"))
}

/// A client that has its stream. Right after the start the log may not be open yet: then it comes back.
async fn client(address: SocketAddr, job: &str, id: Option<&[u8]>) -> TestClient {
    let ask = match id {
        Some(id) => of(job).last_event_id(id),
        None => of(job),
    };
    let mut client = ask.open(address).await;
    client.opened().await;
    client
}

/// A relay whose log is open.
async fn started(setup: &Setup) -> TestRelay {
    let relay = setup.start();
    relay.eventually_status("/sources/0/state", "live").await;
    relay
}

fn numbers(first: usize, last: usize) -> Vec<String> {
    (first..=last).map(|n| n.to_string()).collect()
}

/// All events to the stream's end.
async fn to_the_end(client: &mut TestClient) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = client.try_next_event().await {
        events.push(event);
    }
    events
}

/// The subjects that a source's stream holds, and how many messages of each.
async fn subjects(nats: &Nats) -> Vec<(String, usize)> {
    let engine = jetstream::new(async_nats::connect(nats.address(0).to_string()).await.unwrap());
    let stream = engine.get_stream("fanfare-cw").await.unwrap();
    let mut info = stream.info_with_subjects("fanfare.cw.*").await.unwrap();
    let mut subjects = Vec::new();
    while let Some(subject) = info.next().await {
        subjects.push(subject.unwrap());
    }
    subjects.retain(|(subject, _)| subject != "fanfare.cw._");
    subjects
}

async fn a_job_on_three_instances(version: Version, servers: usize) {
    let nats = Nats::start(version, servers).await;
    let jobs = Jobs::start(false).await;
    let mut relays = Vec::new();
    for name in ["a", "b", "c"] {
        relays.push(started(&member(&nats, &jobs, name, servers)).await);
    }
    // They come at the same moment.
    let clients = relays.iter().map(|relay| client(relay.address, "one", None));
    let mut clients = futures_util::future::join_all(clients).await;
    eventually("the origin to be asked", || jobs.open("one") == 1).await;
    let last = jobs.publish("one", 50);
    let first = clients[0].until_data(&last).await;
    assert_eq!(said(&first), numbers(1, 50));
    for client in &mut clients[1..] {
        assert_eq!(client.until_data(&last).await, first);
    }
    let leads = || async {
        let mut led = 0;
        for relay in &relays {
            led += relay.status().await["sources"][0]["fleet"]["channels_led"]
                .as_u64()
                .unwrap();
        }
        led
    };
    assert_eq!(leads().await, 1);
    jobs.finish("one");
    for client in &mut clients {
        assert_eq!(said(&to_the_end(client).await), ["done"]);
    }
    eventually("the origin to be let go", || jobs.open("one") == 0).await;
    for relay in &relays {
        relay.eventually_status("/sources/0/fleet/channels_led", 0).await;
    }

    // One that never had it.
    let late = started(&member(&nats, &jobs, "late", servers)).await;
    let mut client = client(late.address, "one", None).await;
    let history = to_the_end(&mut client).await;
    assert_eq!(history[..50], first);
    assert_eq!(history[50].event_type, "done");
    let terminal = history[50].id.clone();
    for relay in relays.iter().chain([&late]) {
        let answer = of("one").last_event_id(&terminal).answer(relay.address).await;
        assert_eq!(answer.head.status, 204);
        let mut client = of("one").last_event_id(&history[20].id).open(relay.address).await;
        assert_eq!(to_the_end(&mut client).await, history[21..]);
    }
    assert_eq!(jobs.most_open("one"), 1);
    assert_eq!(jobs.asked("one").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_engine_has_a_job_for_three_instances() {
    a_job_on_three_instances(Version::V2_9, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_engine_has_a_job_for_three_instances() {
    a_job_on_three_instances(Version::V2_15, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_of_the_oldest_have_a_job_for_three_instances() {
    a_job_on_three_instances(Version::V2_9, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_of_the_newest_have_a_job_for_three_instances() {
    a_job_on_three_instances(Version::V2_15, 3).await;
}

/// A client that goes to another instance whenever its stream is cut.
async fn hop(addresses: &[SocketAddr], from: usize, job: &str) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    let mut n = from;
    let began = Instant::now();
    while events.last().is_none_or(|event| event.event_type != "done") {
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", said(&events));
        let address = addresses[n % addresses.len()];
        n += 1;
        let Ok(reachable) = tokio::net::TcpStream::connect(address).await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        drop(reachable);
        let ask = match events.last() {
            Some(last) => of(job).last_event_id(&last.id),
            None => of(job),
        };
        let mut client = ask.open(address).await;
        while let Some(event) = client.try_next_event().await {
            events.push(event);
        }
    }
    events
}

/// The leader is killed in the middle of a job: its clients go to others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_leaders_death_a_job_goes_on() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let jobs = Jobs::start(true).await;
    let mut processes = Vec::new();
    for name in ["a", "b", "c"] {
        let process = TestProcess::start(&member(&nats, &jobs, name, 1)).await;
        while process.status().await["sources"][0]["state"] != "live" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        processes.push(process);
    }
    let addresses: Vec<SocketAddr> = processes.iter().map(|process| process.address).collect();
    let hopping = (0..3).map(|n| {
        let addresses = addresses.clone();
        tokio::spawn(async move { hop(&addresses, n, "one").await })
    });
    let hopping: Vec<_> = hopping.collect();
    eventually("the origin to be asked", || jobs.open("one") == 1).await;
    jobs.publish("one", 100);
    let mut leader = None;
    while leader.is_none() {
        for (n, process) in processes.iter().enumerate() {
            if process.status().await["sources"][0]["fleet"]["channels_led"] == 1 {
                leader = Some(n);
            }
        }
    }
    drop(processes.remove(leader.unwrap()));
    jobs.publish("one", 100);
    eventually("the origin to be asked again", || jobs.asked("one").len() == 2).await;
    jobs.publish("one", 100);
    jobs.finish("one");
    let mut histories = Vec::new();
    for hopping in hopping {
        histories.push(hopping.await.unwrap());
    }
    let wanted: Vec<String> = numbers(1, 300).into_iter().chain(["done".to_owned()]).collect();
    for history in &histories {
        assert_eq!(said(history), wanted);
        assert_eq!(history, &histories[0]);
    }
    assert_eq!(jobs.most_open("one"), 1);
}

/// The leader has no clients of a job any more: one that has takes over.
async fn the_lead_goes_to_who_has_clients(has_ids: bool) {
    let nats = Nats::start(Version::V2_9, 1).await;
    let jobs = Jobs::start(has_ids).await;
    let setup = |name| member(&nats, &jobs, name, 1).source("idle_timeout: 300ms");
    let (a, b) = (started(&setup("a")).await, started(&setup("b")).await);
    let mut one = client(a.address, "one", None).await;
    a.eventually_status("/sources/0/fleet/channels_led", 1).await;
    let mut two = client(b.address, "one", None).await;
    let last = jobs.publish("one", 10);
    let begun = one.until_data(&last).await;
    assert_eq!(two.until_data(&last).await, begun);
    drop(one);
    b.eventually_status("/sources/0/fleet/channels_led", 1).await;
    a.eventually_status("/sources/0/channels", 0).await;
    eventually("the origin to be asked again", || jobs.asked("one").len() == 2).await;
    eventually("one connection", || jobs.open("one") == 1).await;
    let last = jobs.publish("one", 10);
    let rest = two.until_data(&last).await;
    match has_ids {
        true => {
            assert_eq!(said(&rest), numbers(11, 20));
            assert_eq!(jobs.asked("one"), [None, Some("10".to_owned())]);
        }
        false => {
            assert_eq!(rest[0].gap().as_deref(), Some("upstream_reconnected"));
            assert_eq!(said(&rest[1..]), numbers(11, 20));
        }
    }
    // Back at the first.
    let mut again = client(a.address, "one", Some(&begun[4].id)).await;
    let wanted: Vec<Event> = begun[5..].iter().chain(&rest).cloned().collect();
    assert_eq!(again.until_data(&last).await, wanted);
    assert_eq!(jobs.asked("one").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lead_goes_over_without_loss() {
    the_lead_goes_to_who_has_clients(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lead_goes_over_with_a_gap_that_is_told() {
    the_lead_goes_to_who_has_clients(false).await;
}

/// Nobody has a job for a while: who comes back goes on where it was, on another instance.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_without_clients_is_found_again() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let jobs = Jobs::start(true).await;
    let setup = |name| member(&nats, &jobs, name, 1).source("idle_timeout: 200ms");
    let (a, b) = (started(&setup("a")).await, started(&setup("b")).await);
    let mut one = client(a.address, "one", None).await;
    let last = jobs.publish("one", 10);
    let begun = one.until_data(&last).await;
    drop(one);
    eventually("the origin to be let go", || jobs.open("one") == 0).await;
    a.eventually_status("/sources/0/channels", 0).await;
    let last = jobs.publish("one", 10);
    let mut two = client(b.address, "one", Some(&begun[4].id)).await;
    let rest = two.until_data(&last).await;
    assert_eq!(rest[..5], begun[5..]);
    assert_eq!(said(&rest), numbers(6, 20));
    assert_eq!(jobs.asked("one"), [None, Some("10".to_owned())]);
}

/// What the origin does not have: all who ask get its answer, and it is asked once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_there_is_none_of() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let jobs = Jobs::start(false).await;
    let (a, b) = (
        started(&member(&nats, &jobs, "a", 1)).await,
        started(&member(&nats, &jobs, "b", 1)).await,
    );
    jobs.answer("none", 404);
    let answers = [&a, &b, &a, &b].map(|relay| async { of("none").answer(relay.address).await });
    // No instance asks twice within a second; two that come a moment later may.
    for answer in futures_util::future::join_all(answers).await {
        assert_eq!(answer.head.status, 404, "{answer:?}");
    }
    assert_eq!((jobs.most_open("none"), jobs.asked("none").len()), (1, 1));
    let began = Instant::now();
    while !subjects(&nats).await.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", subjects(&nats).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The origin says that there is no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_origin_ends_a_job() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let jobs = Jobs::start(false).await;
    let (a, b) = (
        started(&member(&nats, &jobs, "a", 1)).await,
        started(&member(&nats, &jobs, "b", 1)).await,
    );
    let mut one = client(a.address, "one", None).await;
    let mut two = client(b.address, "one", None).await;
    eventually("the origin to be asked", || jobs.open("one") == 1).await;
    let last = jobs.publish("one", 10);
    let history = one.until_data(&last).await;
    assert_eq!(two.until_data(&last).await, history);
    jobs.answer("one", 204);
    assert!(to_the_end(&mut one).await.iter().all(|event| event.gap().is_some()));
    assert!(to_the_end(&mut two).await.iter().all(|event| event.gap().is_some()));
    let asked = jobs.asked("one").len();
    let late = started(&member(&nats, &jobs, "late", 1)).await;
    for relay in [&a, &b, &late] {
        let answer = of("one").last_event_id(&history[9].id).answer(relay.address).await;
        assert_eq!(answer.head.status, 204, "{answer:?}");
    }
    assert_eq!(jobs.asked("one").len(), asked);
}

/// What a job is called is never a wildcard, and jobs that are called alike are not the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_never_wildcards() {
    let nats = Nats::start(Version::V2_9, 1).await;
    let jobs = Jobs::start(false).await;
    let setup = |name| {
        let url = jobs.url().replace("{job}", "{job}-{a}-{b}-{c}-{d}");
        let urls = nats.urls();
        let fleet = format!("fleet: {{ nats: [{urls}], instance: {name}, replicas: 1 }}");
        Setup::at(&url)
            .path("/events/{job}/{a}/{b}/{c}/{d}")
            .top(&fleet)
            .source("fleet: true\nend_when: [{ event: done }]")
    };
    let (a, b) = (started(&setup("a")).await, started(&setup("b")).await);
    let long = "%C3%A4".repeat(128);
    let names = [
        "*/a/a/a/a".to_owned(),
        "%3E/a/a/a/a".to_owned(),
        "a.b/a/a/a/a".to_owned(),
        "a%20b/a/a/a/a".to_owned(),
        "%2A%2A/a/a/a/a".to_owned(),
        "$JS.API/a/a/a/a".to_owned(),
        "%C3%A4/a/a/a/a".to_owned(),
        "a%CC%88/a/a/a/a".to_owned(),
        format!("{long}/{long}/{long}/{long}/{long}"),
        format!("{long}/{long}/{long}/{long}/x"),
    ];
    let mut clients = Vec::new();
    for (n, name) in names.iter().enumerate() {
        clients.push([client(a.address, name, None).await, client(b.address, name, None).await]);
        eventually("the origin to be asked", || jobs.names().len() == n + 1).await;
    }
    // The same by another encoding.
    let mut same = client(b.address, "%2a/%61/a/a/a", None).await;
    for name in jobs.names() {
        eventually("a connection", || jobs.open(&name) == 1).await;
        jobs.publish(&name, 3);
    }
    for [one, two] in &mut clients {
        let events = one.until_data("3").await;
        assert_eq!(said(&events), numbers(1, 3));
        assert_eq!(two.until_data("3").await, events);
    }
    assert_eq!(said(&same.until_data("3").await), numbers(1, 3));
    let subjects = subjects(&nats).await;
    assert_eq!(subjects.len(), names.len(), "{subjects:?}");
    for (subject, _) in &subjects {
        let key = subject.strip_prefix("fanfare.cw.").unwrap();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte);
        assert!(key.bytes().all(is_plain) && key.len() <= 128, "{subject}");
    }
}

/// Many jobs, one after the other: nothing of them stays in the engine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_leave_nothing_behind() {
    const JOBS: usize = 300;
    let nats = Nats::start(Version::V2_15, 1).await;
    let jobs = Jobs::start(false).await;
    let setup = |name| member(&nats, &jobs, name, 1).source("linger: 1s");
    let (a, b) = (started(&setup("a")).await, started(&setup("b")).await);
    for n in 0..JOBS {
        let job = format!("job-{n}");
        let (at, other) = if n % 2 == 0 { (&a, &b) } else { (&b, &a) };
        let mut one = client(at.address, &job, None).await;
        eventually("the origin to be asked", || jobs.open(&job) == 1).await;
        let mut two = match n % 10 {
            0 => Some(client(other.address, &job, None).await),
            _ => None,
        };
        jobs.publish(&job, 3);
        jobs.finish(&job);
        let events = to_the_end(&mut one).await;
        assert_eq!(said(&events), ["1", "2", "3", "done"]);
        if let Some(two) = &mut two {
            assert_eq!(to_the_end(two).await, events);
        }
    }
    let began = Instant::now();
    while !subjects(&nats).await.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", subjects(&nats).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let engine = jetstream::new(async_nats::connect(nats.address(0).to_string()).await.unwrap());
    let mut stream = engine.get_stream("fanfare-cw").await.unwrap();
    // One reader for each instance.
    assert_eq!(stream.info().await.unwrap().state.consumer_count, 2);
    for relay in [&a, &b] {
        relay.eventually_status("/sources/0/channels", 0).await;
        assert_eq!(relay.metric(r#"fanfare_fleet_channels_led{source="s"}"#), 0.0);
    }
}

/// The engine restarts in the middle of a job.
async fn the_engine_restarts(version: Version) {
    let mut nats = Nats::start(version, 1).await;
    let jobs = Jobs::start(false).await;
    let (a, b) = (
        started(&member(&nats, &jobs, "a", 1)).await,
        started(&member(&nats, &jobs, "b", 1)).await,
    );
    let mut one = client(a.address, "one", None).await;
    a.eventually_status("/sources/0/fleet/channels_led", 1).await;
    let mut two = client(b.address, "one", None).await;
    eventually("the origin to be asked", || jobs.open("one") == 1).await;
    let last = jobs.publish("one", 20);
    let begun = one.until_data(&last).await;
    assert_eq!(two.until_data(&last).await, begun);
    nats.kill(0);
    jobs.publish("one", 100);
    a.eventually_metric(r#"fanfare_fleet_buffered_events{source="s"}"#, 100.0)
        .await;
    assert!(one.events_so_far().is_empty());
    // While it is away, another job can't be opened.
    let refused = of("another").answer(b.address).await;
    assert!(refused.body.contains("retry: "), "{refused:?}");
    nats.run(0).await;
    let last = jobs.publish("one", 20);
    let rest = one.until_data(&last).await;
    assert_eq!(said(&rest), numbers(21, 140));
    assert_eq!(two.until_data(&last).await, rest);
    assert_eq!(jobs.asked("one").len(), 1, "the leader has read on");
    jobs.finish("one");
    assert_eq!(said(&to_the_end(&mut one).await), ["done"]);
    assert_eq!(said(&to_the_end(&mut two).await), ["done"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_engine_restarts_in_a_job() {
    the_engine_restarts(Version::V2_9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_engine_restarts_in_a_job() {
    the_engine_restarts(Version::V2_15).await;
}

/// The leader of a job ends in order, after the job has ended, and starts anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ended_job_outlives_its_leader() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let jobs = Jobs::start(true).await;
    let a = started(&member(&nats, &jobs, "a", 1)).await;
    let mut one = client(a.address, "one", None).await;
    jobs.publish("one", 5);
    jobs.finish("one");
    let history = to_the_end(&mut one).await;
    drop((one, a));
    let again = started(&member(&nats, &jobs, "a", 1)).await;
    let mut late = client(again.address, "one", None).await;
    assert_eq!(to_the_end(&mut late).await, history);
    let terminal = &history.last().unwrap().id;
    let answer = of("one").last_event_id(terminal).answer(again.address).await;
    assert_eq!(answer.head.status, 204);
    assert_eq!(jobs.asked("one").len(), 1);
}

/// After a while an ended job is forgotten everywhere: who asks then asks the origin.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_forgotten_in_time() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let jobs = Jobs::start(true).await;
    let setup = |name| member(&nats, &jobs, name, 1).source("linger: 1s");
    let a = started(&setup("a")).await;
    let mut one = client(a.address, "one", None).await;
    jobs.publish("one", 5);
    jobs.finish("one");
    let history = to_the_end(&mut one).await;
    // It is not there to let go of it in time.
    drop((one, a));
    assert_eq!(subjects(&nats).await.len(), 1);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let b = started(&setup("b")).await;
    let mut again = client(b.address, "one", None).await;
    let anew = to_the_end(&mut again).await;
    assert_eq!(said(&anew), said(&history));
    assert!(
        anew.iter()
            .all(|event| history.iter().all(|before| before.id != event.id))
    );
    assert_eq!(jobs.asked("one"), [None, None]);
    let began = Instant::now();
    while !subjects(&nats).await.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The engine comes back with less than it had acknowledged: who has a job is told, and no id is given
/// twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_has_lost_a_part_of_a_job_is_told() {
    let mut nats = Nats::start(Version::V2_15, 1).await;
    let jobs = Jobs::start(true).await;
    let (a, b) = (
        started(&member(&nats, &jobs, "a", 1)).await,
        started(&member(&nats, &jobs, "b", 1)).await,
    );
    let mut one = client(a.address, "one", None).await;
    a.eventually_status("/sources/0/fleet/channels_led", 1).await;
    let mut two = client(b.address, "one", None).await;
    let last = jobs.publish("one", 10);
    let before = one.until_data(&last).await;
    two.until_data(&last).await;
    nats.kill(0);
    let saved = tempfile::tempdir().unwrap();
    crate::away::copy(&nats.store(0), saved.path());
    nats.run(0).await;
    let last = jobs.publish("one", 40);
    let lost = one.until_data(&last).await;
    two.until_data(&last).await;
    nats.kill(0);
    std::fs::remove_dir_all(nats.store(0)).unwrap();
    crate::away::copy(saved.path(), &nats.store(0));
    nats.run(0).await;
    let given: Vec<_> = before.iter().chain(&lost).map(|event| event.id.clone()).collect();
    let mut histories = Vec::new();
    for client in [&mut one, &mut two] {
        assert_eq!(client.next_event().await.gap().as_deref(), Some("log_lost"));
        let last = jobs.publish("one", 10);
        let history = client.until_data(&last).await;
        assert!(history.iter().all(|event| !given.contains(&event.id)), "{history:?}");
        histories.push(history);
    }
    // It goes on behind what had been read of the origin.
    assert_eq!(said(&histories[0]), numbers(51, 60));
    assert_eq!(histories[1][..10], histories[0]);
    // An id of before, which the engine has still.
    let mut late = client(b.address, "one", Some(&before[4].id)).await;
    let missed = late.until_data("70").await;
    assert_eq!(missed[0].id, before[5].id);
    // One that it has lost, on an instance that never had the job.
    let c = started(&member(&nats, &jobs, "c", 1)).await;
    let mut late = client(c.address, "one", Some(&lost[4].id)).await;
    let first = late.next_event().await;
    assert!(first.gap().is_some(), "{first:?}");
}

/// Many come to many instances at one time, while the job ends: nobody misses anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_job_ends_while_clients_come() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let jobs = Jobs::start(true).await;
    let mut relays = Vec::new();
    for name in ["a", "b", "c"] {
        relays.push(started(&member(&nats, &jobs, name, 1)).await);
    }
    let addresses: Vec<_> = relays.iter().map(|relay| relay.address).collect();
    for round in 0..20 {
        let job = format!("job-{round}");
        let coming = (0..24).map(|n| {
            let (address, job) = (addresses[n % 3], job.clone());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(fastrand::u64(..30))).await;
                let mut client = of(&job).open(address).await;
                to_the_end(&mut client).await
            })
        });
        let coming: Vec<_> = coming.collect();
        for _ in 0..5 {
            jobs.publish(&job, 2);
            tokio::time::sleep(Duration::from_millis(fastrand::u64(..8))).await;
        }
        jobs.finish(&job);
        let mut first: Option<Vec<Event>> = None;
        for coming in coming {
            let history = coming.await.unwrap();
            assert_eq!(history.last().map(|event| &*event.data), Some("done"), "{history:?}");
            assert_eq!(said(&history[..10]), numbers(1, 10));
            assert_eq!(history, *first.get_or_insert_with(|| history.clone()));
        }
        assert_eq!((jobs.most_open(&job), jobs.asked(&job).len()), (1, 1));
    }
}

/// What a client may ask for is the same on every instance.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_and_starts_are_the_same_everywhere() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let jobs = Jobs::start(true).await;
    let setup = |name| member(&nats, &jobs, name, 1).source("filters: 4\nids: pass");
    let a = started(&setup("a")).await;
    let mut one = client(a.address, "one", None).await;
    let last = jobs.publish("one", 10);
    let history = one.until_data(&last).await;
    assert_eq!(history[3].id(), "4", "the origin's");
    let b = started(&setup("b")).await;
    for relay in [&a, &b] {
        let mut resumed = client(relay.address, "one", Some(b"7")).await;
        assert_eq!(resumed.until_data("10").await, history[7..]);
        let mut last = relay.open(&get("/events/one?last=2")).await;
        assert_eq!(said(&last.until_data("10").await), ["9", "10"]);
        let mut earliest = client(relay.address, "one", None).await;
        assert_eq!(earliest.until_data("10").await, history);
        let mut live = relay.open(&get("/events/one?start=live")).await;
        let mut filtered = relay.open(&get("/events/one?event=done")).await;
        assert!(live.events_so_far().is_empty() && filtered.events_so_far().is_empty());
    }
    let mut filtered = b.open(&get("/events/one?event=done")).await;
    let mut live = b.open(&get("/events/one?start=live")).await;
    jobs.finish("one");
    assert_eq!(said(&to_the_end(&mut filtered).await), ["done"]);
    assert_eq!(said(&to_the_end(&mut live).await), ["done"]);
}

/// An instance that leads jobs ends in order: others go on within a moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_go_on_when_their_leader_ends() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let jobs = Jobs::start(true).await;
    let mut first = TestProcess::start(&member(&nats, &jobs, "first", 1)).await;
    while first.status().await["sources"][0]["state"] != "live" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let second = started(&member(&nats, &jobs, "second", 1)).await;
    let mut others = Vec::new();
    for n in 0..20 {
        let job = format!("job-{n}");
        let one = client(first.address, &job, None).await;
        eventually("the origin to be asked", || jobs.open(&job) == 1).await;
        let mut two = client(second.address, &job, None).await;
        let last = jobs.publish(&job, 5);
        two.until_data(&last).await;
        others.push((job, one, two));
    }
    first.terminate();
    let began = Instant::now();
    for (job, _, two) in &mut others {
        let last = jobs.publish(job, 5);
        assert_eq!(said(&two.until_data(&last).await), numbers(6, 10));
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(first.exit().await.success());
    second.eventually_status("/sources/0/fleet/channels_led", 20).await;
}
