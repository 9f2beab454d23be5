//! Logs that are kept on disk: one process after the other has them.

use super::House;
use super::numbered::{NumberedOrigin, joined, next};
use crate::support::client::{TestClient, get};
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};
use rustix::process::Signal;

const LOG_DIR_ERRORS: &str = "fanfare_log_dir_errors_total{source=\"s\"}";

fn house(origin: &NumberedOrigin, ids: &str) -> House {
    keeping(Setup::at(&origin.url), &format!("ids: {ids}"), "")
}

/// With a kept log. `more`: of the source; `log`: of its log.
fn keeping(setup: Setup, more: &str, log: &str) -> House {
    let house = House::of(setup.top("drain: { spread: 0s, timeout: 5s }\n"));
    let log = format!("log: {{ dir: \"{}\"{log} }}\n{more}", house.path("logs").display());
    house.write(&house.setup().source(&log).yaml());
    house
}

/// Takes over, and is killed before anything has come.
async fn taken_over_and_killed(house: &House, process: &mut TestProcess) {
    let mut new = house.take_over().await;
    new.signal(Signal::KILL);
    new.exit().await;
    // The old one leaves when the new one is there, or is gone.
    process.exit().await;
}

/// The same, and an origin publishes meanwhile: a client that comes back to the process after it gets
/// that next, and is told of no gap.
async fn nothing_is_missed_over_a_kill(
    house: &House,
    mut process: TestProcess,
    (path, client): (&str, &TestClient),
    origin: &NumberedOrigin,
) {
    taken_over_and_killed(house, &mut process).await;
    let missed = origin.publish();
    let process = house.start().await;
    let back = get(path).last_event_id(&client.last_event_id);
    assert_eq!(next(&mut back.open(process.address).await).await, missed);
    assert_eq!(process.metric(LOG_DIR_ERRORS).await, 0.0);
}

/// Two upgrades, and a process that is killed right after another one: ids go on, and clients resume.
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
        taken_over_and_killed(&house, &mut process).await;
        let process = house.start().await;
        for (before, id) in (1..).zip(seen) {
            let mut back = get(PATH).last_event_id(&id).open(process.address).await;
            assert_eq!(next(&mut back).await, before + 1, "{ids}");
        }
    }
}

/// Where the origin goes on is known before its next event: nothing is missing, and no gap is told.
#[tokio::test]
async fn a_process_that_is_killed_before_its_first_event_knows_where_the_origin_goes_on() {
    for ids in ["auto", "assign"] {
        let origin = NumberedOrigin::start(20).await;
        let house = house(&origin, ids);
        let process = house.start().await;
        origin.connected().await;
        let mut client = joined(process.address).await;
        let n = origin.publish();
        assert_eq!(next(&mut client).await, n);
        nothing_is_missed_over_a_kill(&house, process, (PATH, &client), &origin).await;
    }
}

/// Of merged origins also that of the one whose events the log has let go.
#[tokio::test]
async fn a_quiet_origin_s_place_goes_over_too() {
    let (busy, quiet) = (NumberedOrigin::start(20).await, NumberedOrigin::start(20).await);
    let house = keeping(Setup::at(&busy.url), "ids: assign", ", events: 16");
    let yaml = std::fs::read_to_string(house.file()).unwrap();
    let both = format!("upstream: [\"{}\", \"{}\"]\n", busy.url, quiet.url);
    let merged = yaml
        .lines()
        .map(|line| match line.trim_start().starts_with("upstream:") {
            true => format!("    {both}"),
            false => format!("{line}\n"),
        });
    house.write(&merged.collect::<String>());
    let process = house.start().await;
    busy.connected().await;
    quiet.connected().await;
    let mut client = joined(process.address).await;
    quiet.publish();
    assert_eq!(next(&mut client).await, 1);
    for _ in 0..100 {
        let n = busy.publish();
        assert_eq!(next(&mut client).await, n);
    }
    nothing_is_missed_over_a_kill(&house, process, (PATH, &client), &quiet).await;
}

/// Numbers that may have been given before a crash are not given after an upgrade either.
#[tokio::test]
async fn numbers_that_are_left_out_stay_left_out() {
    let origin = NumberedOrigin::start(20).await;
    let house = house(&origin, "assign");
    let mut process = house.start().await;
    origin.connected().await;
    let mut client = joined(process.address).await;
    let n = origin.publish();
    assert_eq!(next(&mut client).await, n);
    process.signal(Signal::KILL);
    process.exit().await;
    let _between = house.start().await;
    let process = house.take_over().await;
    let mut back = joined(process.address).await;
    let n = origin.publish();
    assert_eq!(next(&mut back).await, n);
    let id = String::from_utf8(back.last_event_id).unwrap();
    let (_, number) = id.rsplit_once('.').unwrap();
    assert!(number.parse::<u64>().unwrap() > 65_000, "{id}");
}

/// The logs of jobs, each in its folder.
#[tokio::test]
async fn kept_logs_of_jobs_go_over() {
    let origin = NumberedOrigin::start(20).await;
    let url = origin.url.replace("/sse", "/jobs/{job}");
    let house = keeping(Setup::at(&url).path("/jobs/{job}"), "", "");
    let mut process = house.start().await;
    let mut client = get("/jobs/7").open(process.address).await;
    client.opened().await;
    let n = origin.publish();
    assert_eq!(next(&mut client).await, n);
    let new = house.take_over().await;
    assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
    process = new;
    let n = origin.publish();
    assert_eq!(next(&mut client).await, n);
    nothing_is_missed_over_a_kill(&house, process, ("/jobs/7", &client), &origin).await;
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
    let failed = "fanfare_handed_over_total{outcome=\"failed\"}";
    process.eventually_metric(failed, 1.0).await;
    house.write(&good);
    let n = origin.publish();
    assert_eq!(next(&mut client).await, n);
    let new = house.take_over().await;
    let n = origin.publish();
    assert_eq!(next(&mut client).await, n);
    drop(new);
}
