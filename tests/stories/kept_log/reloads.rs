//! `log.dir` comes, goes and changes while clients are in.

use super::recorded_origin::{Ids, RecordedOrigin};
use super::{Scene, files, is_on_disk, kill};
use rustix::process::Signal;

async fn reload(process: &crate::support::process::TestProcess, outcome: &str) {
    let series = format!("fanfare_config_reloads_total{{outcome=\"{outcome}\"}}");
    let before = process.metric(&series).await;
    process.signal(Signal::HUP);
    process.eventually_metric(&series, before + 1.0).await;
}

#[tokio::test]
async fn a_directory_is_added_changed_and_taken_away_under_a_client() {
    let scene = Scene::new(RecordedOrigin::start(Ids::Given).await, "ids: pass", "").await;
    let other = scene.folder.path().join("elsewhere");
    scene.write("ids: pass", "events: 1000");
    let process = scene.start().await;
    scene.origin.until_asked(1).await;
    let reader = scene.reader();
    reader.opened().await;
    scene.origin.publish(5);
    reader.until(5).await;
    for (log, kept) in [
        (format!("dir: {}", scene.dir().display()), scene.dir()),
        (format!("dir: {}", other.display()), other.clone()),
    ] {
        scene.write("ids: pass", &log);
        reload(&process, "applied").await;
        let began = std::time::Instant::now();
        while files(&kept, ".events").is_empty() {
            assert!(began.elapsed().as_secs() < 20);
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
    // What came before is there, too; and what was kept elsewhere is gone.
    assert_eq!(files(&scene.dir(), ".events"), [""; 0].map(std::path::PathBuf::from));
    scene.origin.publish(1);
    reader.until(6).await;
    is_on_disk(&other, "id: 6\n").await;
    kill(process).await;
    let process = scene.start().await;
    let late = super::Reader::start_behind(scene.address, "/events", "2");
    late.until(6).await;
    assert_eq!((late.events(), late.gaps()), ((3..=6).collect(), 0));
    scene.write("ids: pass", "events: 1000");
    reload(&process, "applied").await;
    let began = std::time::Instant::now();
    while !files(&other, ".events").is_empty() {
        assert!(began.elapsed().as_secs() < 20);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    scene.origin.publish(1);
    reader.until(7).await;
    assert_eq!((reader.events(), reader.gaps()), ((1..=7).collect(), 0));
    kill(process).await;
}

/// The source is replaced, and its log stays: who comes back to the new one resumes.
#[tokio::test]
async fn a_source_that_is_replaced_goes_on_behind_what_is_kept() {
    let scene = Scene::new(RecordedOrigin::start(Ids::Given).await, "ids: pass", "").await;
    let log = format!("dir: {}", scene.dir().display());
    let process = scene.start().await;
    scene.origin.until_asked(1).await;
    let reader = scene.reader();
    reader.opened().await;
    scene.origin.publish(5);
    reader.until(5).await;
    scene.write("ids: auto", &log);
    reload(&process, "applied").await;
    scene.origin.publish(1);
    reader.until(6).await;
    assert_eq!((reader.events(), reader.gaps()), ((1..=6).collect(), 0));
    kill(process).await;
}

#[tokio::test]
async fn a_directory_that_can_t_be_had_changes_nothing() {
    let scene = Scene::new(RecordedOrigin::start(Ids::Given).await, "", "").await;
    let process = scene.start().await;
    scene.origin.until_asked(1).await;
    let reader = scene.reader();
    reader.opened().await;
    std::fs::write(scene.folder.path().join("file"), "").unwrap();
    scene.write("", &format!("dir: {}", scene.folder.path().join("file").display()));
    reload(&process, "rejected").await;
    scene.origin.publish(2);
    reader.until(2).await;
    kill(process).await;
    assert_eq!(files(&scene.dir(), ".events").len(), 1);
}
