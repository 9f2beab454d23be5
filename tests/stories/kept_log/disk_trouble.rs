//! A disk that is full, and comes back; files that are damaged.

use super::recorded_origin::{Ids, RecordedOrigin};
use super::{Scene, files, kill};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of a megabyte; unmounted when it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`: this user may mount nothing.
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mount = ["-t", "tmpfs", "-o", "size=1m", "tmpfs"];
        let done = Command::new("mount").args(mount).arg(at).output().ok()?;
        done.status.success().then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[tokio::test]
async fn a_full_disk_leaves_the_log_in_memory_until_there_is_room() {
    let scene = Scene::new(RecordedOrigin::start(Ids::Given).await, "ids: pass", "sync: interval").await;
    let Some(_disk) = SmallDisk::mount(&scene.dir()) else {
        // It takes a user who may mount a file system.
        return;
    };
    let process = scene.start().await;
    scene.origin.until_asked(1).await;
    let reader = scene.reader();
    reader.opened().await;
    scene.origin.publish(100);
    reader.until(100).await;
    let filler = scene.dir().join("filler");
    // All that there is room for.
    let _ = std::fs::write(&filler, vec![1; 2 << 20]);
    scene.origin.publish(1000);
    reader.until(1100).await;
    process
        .logged("the log can't be kept on disk: it goes on in memory alone, and is tried again every second")
        .await;
    let status = process.status().await;
    let dir = &status["sources"][0]["log"]["dir"];
    assert_eq!(dir["state"], "memory", "{status:#}");
    assert!(
        dir["lag_events"].as_u64().unwrap() > 0 && dir["error"].is_string(),
        "{dir}"
    );
    assert!(process.metric("fanfare_log_dir_errors_total{source=\"s\"}").await > 0.0);
    // Clients get everything all the while.
    scene.origin.publish(1);
    reader.until(1101).await;
    std::fs::remove_file(&filler).unwrap();
    process.logged("the log is kept on disk again").await;
    process
        .eventually_metric("fanfare_log_dir_lag_events{source=\"s\"}", 0.0)
        .await;
    kill(process).await;
    let process = scene.start().await;
    scene.origin.publish(1);
    reader.until(1102).await;
    assert_eq!((reader.events(), reader.gaps()), ((1..=1102).collect(), 0));
    // All of it had come to the disk.
    assert_eq!(scene.origin.asked()[1].as_deref(), Some("1101"));
    kill(process).await;
}

#[tokio::test]
async fn a_damaged_file_costs_what_is_behind_it_and_the_origin_sends_that_again() {
    let scene = Scene::new(RecordedOrigin::start(Ids::Given).await, "ids: pass", "events: 1000").await;
    let process = scene.start().await;
    scene.origin.until_asked(1).await;
    let reader = scene.reader();
    reader.opened().await;
    for n in 1..=10 {
        scene.origin.publish(50);
        reader.until(n * 50).await;
        // What is written together is in one file.
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    process
        .eventually_metric("fanfare_log_dir_lag_events{source=\"s\"}", 0.0)
        .await;
    kill(process).await;
    let segments = files(&scene.dir(), ".events");
    assert!(segments.len() > 3, "{segments:?}");
    let mut bytes = std::fs::read(&segments[2]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segments[2], bytes).unwrap();
    let process = scene.start().await;
    let line = process
        .logged("the log on disk is torn or damaged: it is cut behind its last whole event")
        .await;
    assert!(segments[2].ends_with(line["file"].as_str().unwrap()), "{line}");
    scene.origin.publish(1);
    reader.until(501).await;
    assert_eq!((reader.events(), reader.gaps()), ((1..=501).collect(), 0));
    let behind = super::Reader::start_behind(scene.address, "/events", "10");
    behind.until(501).await;
    assert_eq!(behind.events(), (11..=501).collect::<Vec<_>>());
    kill(process).await;
}

#[tokio::test]
async fn a_numbering_that_is_lost_is_not_guessed() {
    let scene = Scene::new(RecordedOrigin::start(Ids::None).await, "ids: assign", "").await;
    let process = scene.start().await;
    scene.origin.until_asked(1).await;
    let reader = scene.reader();
    reader.opened().await;
    scene.origin.publish(3);
    reader.until(3).await;
    let before = reader.last_event_id();
    super::end(process).await;
    let numbers = files(&scene.dir(), "numbers").pop().unwrap();
    std::fs::write(&numbers, "nonsense").unwrap();
    let process = scene.start().await;
    scene.origin.until_asked(2).await;
    scene.origin.publish(1);
    reader.until(4).await;
    let epoch = |id: &str| id.split('.').next().unwrap().to_owned();
    assert_ne!(epoch(&before), epoch(&reader.last_event_id()));
    assert!(reader.gaps() > 0);
    kill(process).await;
}
