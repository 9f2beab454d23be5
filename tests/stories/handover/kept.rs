//! Logs that are kept on disk: one process after the other has them.

use super::House;
use super::numbered::{NumberedOrigin, joined, next};
use crate::support::client::get;
use crate::support::relay::{PATH, Setup};
use rustix::process::Signal;

fn house(origin: &NumberedOrigin, ids: &str) -> House {
    let house = House::of(Setup::at(&origin.url).top("drain: { spread: 0s, timeout: 5s }\n"));
    let log = format!("log: {{ dir: \"{}\" }}\nids: {ids}", house.path("logs").display());
    house.write(&house.setup().source(&log).yaml());
    house
}

/// Two upgrades, and a process that is killed: ids go on, and clients resume.
#[tokio::test]
async fn a_kept_log_goes_over_and_survives() {
    for ids in ["auto", "assign"] {
        let origin = NumberedOrigin::start(20).await;
        let house = house(&origin, ids);
        let mut process = house.start().await;
        origin.connected().await;
        let mut client = joined(process.address).await;
        let mut seen = Vec::new();
        for _ in 0..2 {
            let n = origin.publish();
            assert_eq!(next(&mut client).await, n);
            seen.push(client.last_event_id.clone());
            let new = house.take_over().await;
            assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
            process = new;
        }
        let n = origin.publish();
        assert_eq!(next(&mut client).await, n);
        process
            .eventually_metric("fanfare_log_dir_lag_events{source=\"s\"}", 0.0)
            .await;
        process.signal(Signal::KILL);
        process.exit().await;
        let process = house.start().await;
        for (before, id) in (1..).zip(seen) {
            let mut back = get(PATH).last_event_id(&id).open(process.address).await;
            assert_eq!(next(&mut back).await, before + 1, "{ids}");
        }
    }
}

/// A new process that fails gives the directory back.
#[tokio::test]
async fn a_kept_log_stays_where_the_hand_over_fails() {
    let origin = NumberedOrigin::start(20).await;
    let house = house(&origin, "auto");
    let process = house.start().await;
    origin.connected().await;
    let mut client = joined(process.address).await;
    let good = std::fs::read_to_string(house.file()).unwrap();
    // No directory can be made in a file.
    let bad = good.replace("/logs\"", "/fanfare.yaml/logs\"");
    assert_ne!(good, bad);
    house.write(&bad);
    let (code, said) = house.run(&["serve", "--takeover"]).await;
    assert_eq!(code, 1, "{said}");
    house.write(&good);
    let n = origin.publish();
    assert_eq!(next(&mut client).await, n);
    let new = house.take_over().await;
    let n = origin.publish();
    assert_eq!(next(&mut client).await, n);
    drop(new);
}
