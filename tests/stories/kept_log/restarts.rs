//! A restart in order and one that is none; two processes in one directory; and what a directory
//! must not be.

use super::reader::Got;
use super::recorded_origin::{Ids, RecordedOrigin};
use super::{Scene, end, files, kill};
use crate::support::process::TestProcess;

/// The number of an id of the relay's, and the name of its numbering.
fn parts(id: &str) -> (&str, u64) {
    let (epoch, number) = id.split_once('.').unwrap();
    (epoch, number.parse().unwrap())
}

/// Until a process that has ended has been heard.
async fn told(process: &TestProcess, what: &str) {
    crate::support::relay::eventually(what, || process.whole_log().contains(what)).await;
}

#[tokio::test]
async fn after_a_restart_in_order_numbers_go_on_without_a_hole() {
    let scene = Scene::new(RecordedOrigin::start(Ids::None).await, "ids: assign", "sync: none").await;
    let process = scene.start().await;
    scene.origin.until_asked(1).await;
    let reader = scene.reader();
    reader.opened().await;
    scene.origin.publish(5);
    reader.until(5).await;
    let before = reader.last_event_id();
    end(process).await;
    let process = scene.start().await;
    scene.origin.until_asked(2).await;
    scene.origin.publish(1);
    reader.until(6).await;
    let after = reader.last_event_id();
    assert_eq!(parts(&before).0, parts(&after).0);
    // One of them is the gap event's: this origin can't tell what came meanwhile.
    assert_eq!(parts(&before).1 + 2, parts(&after).1);
    assert_eq!((reader.events(), reader.gaps()), ((1..=6).collect(), 1));
    kill(process).await;
}

#[tokio::test]
async fn after_a_kill_numbers_go_on_above_what_may_have_been_given() {
    let scene = Scene::new(RecordedOrigin::start(Ids::None).await, "ids: assign", "sync: none").await;
    let process = scene.start().await;
    scene.origin.until_asked(1).await;
    let reader = scene.reader();
    reader.opened().await;
    scene.origin.publish(5);
    reader.until(5).await;
    let before = reader.last_event_id();
    kill(process).await;
    let process = scene.start().await;
    scene.origin.until_asked(2).await;
    scene.origin.publish(1);
    reader.until(6).await;
    let after = reader.last_event_id();
    assert_eq!(parts(&before).0, parts(&after).0);
    assert!(parts(&after).1 >= 65_536, "{after}");
    // One whose id lies in the hole is told, and gets nothing twice.
    let epoch = parts(&before).0.to_owned();
    let lost = super::Reader::start_behind(scene.address, "/events", &format!("{epoch}.100"));
    lost.opened().await;
    scene.origin.publish(1);
    lost.until(7).await;
    assert!(
        matches!(&lost.got()[1], Got::Gap(why) if why.contains("unknown_id")),
        "{:?}",
        lost.got()
    );
    assert_eq!(lost.events(), [6, 7]);
    kill(process).await;
}

#[tokio::test]
async fn the_origin_is_asked_from_the_last_event_that_is_kept() {
    let scene = Scene::new(RecordedOrigin::start(Ids::Given).await, "", "sync: always").await;
    let process = scene.start().await;
    scene.origin.until_asked(1).await;
    let reader = scene.reader();
    reader.opened().await;
    scene.origin.publish(5);
    reader.until(5).await;
    process
        .eventually_metric("fanfare_log_dir_lag_events{source=\"s\"}", 0.0)
        .await;
    end(process).await;
    scene.origin.publish(3);
    let process = scene.start().await;
    reader.until(8).await;
    assert_eq!(scene.origin.asked(), [None, Some("5".to_owned())]);
    assert_eq!((reader.events(), reader.gaps()), ((1..=8).collect(), 0));
    // Who comes with an id from before gets all that came after it.
    let late = super::Reader::start_behind(scene.address, "/events", "2");
    late.until(8).await;
    assert_eq!((late.events(), late.gaps()), ((3..=8).collect(), 0));
    kill(process).await;
}

/// Clients had more than was on disk: their ids are waited for, since the origin sends them again.
#[tokio::test]
async fn who_is_ahead_of_the_disk_waits_for_the_origin() {
    let scene = Scene::new(RecordedOrigin::start(Ids::Given).await, "ids: pass", "sync: always").await;
    let process = scene.start().await;
    scene.origin.until_asked(1).await;
    let reader = scene.reader();
    reader.opened().await;
    scene.origin.publish(9);
    reader.until(9).await;
    kill(process).await;
    // As if the power had been lost before the last events were written.
    let newest = files(&scene.dir(), ".events").pop().unwrap();
    let bytes = std::fs::read(&newest).unwrap();
    std::fs::write(&newest, &bytes[..bytes.len() - 500]).unwrap();
    let process = scene.start().await;
    process
        .logged("the log on disk is torn or damaged: it is cut behind its last whole event")
        .await;
    scene.origin.publish(1);
    reader.until(10).await;
    assert_eq!((reader.events(), reader.gaps()), ((1..=10).collect(), 0));
    assert!(matches!(scene.origin.asked()[1].as_deref(), Some("5" | "6" | "7")));
    kill(process).await;
}

#[tokio::test]
async fn a_second_process_says_who_has_the_directory_and_leaves() {
    let scene = Scene::new(RecordedOrigin::start(Ids::Given).await, "", "").await;
    let first = scene.start().await;
    let other = scene.folder.path().join("other.yaml");
    let yaml = std::fs::read_to_string(scene.file()).unwrap();
    let yaml = yaml
        .replace(&scene.address.to_string(), "127.0.0.1:0")
        .replace(&scene.admin.to_string(), "127.0.0.1:0");
    std::fs::write(&other, yaml).unwrap();
    let mut second = TestProcess::begin(&other, &[]);
    assert_eq!(second.exit().await.code(), Some(1));
    told(
        &second,
        &format!("another process keeps its logs there (process {})", first.id()),
    )
    .await;
    // It is free as soon as the first is gone, however that went.
    kill(first).await;
    let third = scene.start().await;
    kill(third).await;
}

#[tokio::test]
async fn what_is_no_directory_is_a_mistake_at_the_start() {
    let scene = Scene::new(RecordedOrigin::start(Ids::Given).await, "", "").await;
    std::fs::write(scene.dir(), "a file").unwrap();
    let mut process = TestProcess::begin(&scene.file(), &[]);
    assert_eq!(process.exit().await.code(), Some(1));
    told(&process, &format!("`log.dir` {}: ", scene.dir().display())).await;
}

#[tokio::test]
async fn another_format_is_set_aside() {
    let scene = Scene::new(RecordedOrigin::start(Ids::Given).await, "", "").await;
    std::fs::create_dir_all(scene.dir().join("sources/s")).unwrap();
    std::fs::write(scene.dir().join("sources/s/precious"), "kept").unwrap();
    std::fs::write(scene.dir().join("format"), "fanfare log 7\n").unwrap();
    let process = scene.start().await;
    let reader = scene.reader();
    scene.origin.until_asked(1).await;
    reader.opened().await;
    scene.origin.publish(1);
    reader.until(1).await;
    kill(process).await;
    let found = files(&scene.dir(), "precious");
    assert_eq!(found.len(), 1);
    assert!(found[0].to_string_lossy().contains("sources.set-aside-"), "{found:?}");
    assert_eq!(std::fs::read_to_string(&found[0]).unwrap(), "kept");
}
