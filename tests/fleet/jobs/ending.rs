//! How jobs end, and what is left of them.

use super::*;

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
