//! Channels of a source with parameters: what is kept of each, and for how long.

use super::recorded_origin::{Ids, RecordedOrigin};
use super::{Reader, Scene, files, kill};
use std::time::Duration;

const JOBS: &str = "path: /jobs/{job}\nids: pass\nend_when: { data: 5XXX }\nidle_timeout: 1s\nlinger: 2s";

fn jobs() -> String {
    let padding = "x".repeat(180);
    JOBS.replace("XXX", &padding)
}

#[tokio::test]
async fn a_jobs_log_survives_and_goes_when_nobody_comes_back() {
    let scene = Scene::new(RecordedOrigin::start(Ids::Given).await, &jobs(), "sync: none").await;
    let process = scene.start().await;
    let reader = Reader::start(scene.address, "/jobs/secret-7");
    scene.origin.until_asked(1).await;
    reader.opened().await;
    scene.origin.publish(3);
    reader.until(3).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    kill(process).await;
    let kept = files(&scene.dir(), ".events");
    assert_eq!(kept.len(), 1);
    assert!(!kept[0].to_string_lossy().contains("secret"), "{kept:?}");
    let process = scene.start().await;
    scene.origin.publish(1);
    reader.until(4).await;
    assert_eq!((reader.events(), reader.gaps()), ((1..=4).collect(), 0));
    assert!(scene.origin.asked()[1].is_some());
    // Its client leaves for good: the channel goes, and with it what is on disk.
    drop(reader);
    gone(&scene).await;
    kill(process).await;
}

#[tokio::test]
async fn a_job_that_had_ended_is_served_for_as_long_as_it_is_to_be() {
    let scene = Scene::new(RecordedOrigin::start(Ids::Given).await, &jobs(), "sync: none").await;
    let process = scene.start().await;
    let reader = Reader::start(scene.address, "/jobs/7");
    scene.origin.until_asked(1).await;
    reader.opened().await;
    scene.origin.publish(5);
    reader.until(5).await;
    drop(reader);
    tokio::time::sleep(Duration::from_millis(50)).await;
    kill(process).await;
    let process = scene.start().await;
    let asked = scene.origin.asked().len();
    let late = Reader::start(scene.address, "/jobs/7");
    late.until(5).await;
    assert_eq!(late.events()[..5], [1, 2, 3, 4, 5]);
    // The origin is not asked for a stream that has ended.
    assert_eq!(scene.origin.asked().len(), asked);
    drop(late);
    gone(&scene).await;
    kill(process).await;
}

async fn gone(scene: &Scene) {
    let began = std::time::Instant::now();
    while !files(&scene.dir(), ".events").is_empty() {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{:?}",
            files(&scene.dir(), "")
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
