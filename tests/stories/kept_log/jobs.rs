//! Channels of a source with parameters: what is kept of each, and for how long.

use super::recorded_origin::{Ids, RecordedOrigin};
use super::{Reader, Scene, end, files, is_on_disk, kill};
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
    is_on_disk(&scene.dir(), "id: 3\n").await;
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
    is_on_disk(&scene.dir(), "id: 5\n").await;
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

/// A disk that takes its time for one log: who comes for that waits, and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_slow_to_read_holds_up_its_own_clients_and_no_others() {
    let scene = Scene::new(
        RecordedOrigin::start(Ids::Given).await,
        "path: /jobs/{job}\nids: pass",
        "sync: none",
    )
    .await;
    let process = scene.start().await;
    let reader = Reader::start(scene.address, "/jobs/slow");
    scene.origin.until_asked(1).await;
    reader.opened().await;
    scene.origin.publish(3);
    reader.until(3).await;
    end(process).await;
    let file = files(&scene.dir(), ".events").remove(0);
    let (bytes, whole) = (std::fs::read(&file).unwrap(), file.with_extension("whole"));
    std::fs::rename(&file, &whole).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let process = scene.start().await;
    // From here on the log is being read: someone has opened the pipe.
    let mut pipe = tokio::task::spawn_blocking({
        let file = file.clone();
        move || std::fs::OpenOptions::new().write(true).open(file).unwrap()
    })
    .await
    .unwrap();
    for n in 0..20 {
        let mut other = crate::support::client::get(&format!("/jobs/{n}"))
            .open(scene.address)
            .await;
        other.opened().await;
    }
    scene.origin.publish(1);
    assert_eq!(reader.events(), [1, 2, 3]);
    std::fs::rename(&whole, &file).unwrap();
    std::io::Write::write_all(&mut pipe, &bytes).unwrap();
    drop(pipe);
    reader.until(4).await;
    assert_eq!((reader.events(), reader.gaps()), ((1..=4).collect(), 0));
    kill(process).await;
}
