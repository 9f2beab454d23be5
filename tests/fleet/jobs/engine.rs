//! The engine restarts, or has less than it had.

use super::*;

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
