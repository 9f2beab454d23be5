//! Who leads a job, and who takes over.

use super::*;

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
