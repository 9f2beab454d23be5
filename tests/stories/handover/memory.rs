//! What a hand-over costs in memory: the log once more, in the new process, and little beside it in
//! either.

use super::House;
use super::numbered::{NumberedOrigin, joined, next};
use crate::support::client::get;
use crate::support::origin::PATIENCE;
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};
use std::time::Duration;

const MIB: u64 = 1 << 20;
/// Between looks at what can't be awaited.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Bytes of an event's data.
const EVENT: usize = 16 * 1024;
/// Events in the log.
const EVENTS: u64 = 2048;
const CLIENTS: usize = 200;
/// Clients that read nothing, and have an event half sent.
const STALLED: usize = 50;

/// A line of `/proc/PID/status`, in bytes; `None`: the process is gone.
fn memory(process: u32, what: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(what))?;
    let kib: u64 = line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
    Some(kib * 1024)
}

/// The most that a process has had when it ends, by looking all the time.
fn most_until_its_end(process: u32) -> std::thread::JoinHandle<u64> {
    std::thread::spawn(move || {
        let mut most = 0;
        while let Some(now) = memory(process, "VmHWM:") {
            most = now;
            std::thread::sleep(Duration::from_millis(1));
        }
        most
    })
}

/// Until a process holds no more than this: what only the hand-over needed has gone back.
async fn gives_back(process: &TestProcess, bytes: u64) {
    let gone = async {
        while memory(process.id(), "VmRSS:").unwrap() > bytes {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let gone = tokio::time::timeout(PATIENCE, gone).await;
    let held = memory(process.id(), "VmRSS:").unwrap();
    assert!(
        gone.is_ok(),
        "{} MiB are held, and {} were to be",
        held / MIB,
        bytes / MIB
    );
}

/// The most of a process so far counts from here on.
fn forget_the_most(process: &TestProcess) {
    std::fs::write(format!("/proc/{}/clear_refs", process.id()), "5").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_processes_together_need_the_log_twice_and_little_more() {
    let origin = NumberedOrigin::start(EVENT).await;
    let log = format!("log: {{ events: {EVENTS}, bytes: 64MiB }}\nslow_client: {{ bytes: 64MiB, events: 100000 }}");
    let setup = Setup::at(&origin.url).source(&log);
    let house = House::of(setup.top("drain: { spread: 0s, timeout: 5s }\n"));
    let mut process = house.start().await;
    origin.connected().await;
    let mut reads = joined(process.address).await;
    let mut clients = Vec::new();
    for n in 0..CLIENTS {
        let client = match n < STALLED {
            true => get(PATH).small_receive_buffer().open(process.address).await,
            false => joined(process.address).await,
        };
        clients.push(client);
    }
    for _ in 0..EVENTS + 100 {
        let n = origin.publish();
        assert_eq!(next(&mut reads).await, n);
    }
    // Those that read are gone: what they had not read would count.
    clients.truncate(STALLED);
    process.eventually_clients(STALLED + 1).await;
    let log = EVENTS * EVENT as u64;
    let at_first = memory(process.id(), "VmRSS:").unwrap();
    for _ in 0..3 {
        forget_the_most(&process);
        let before = memory(process.id(), "VmRSS:").unwrap();
        let most = most_until_its_end(process.id());
        let new = house.take_over().await;
        assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
        let most = most.join().unwrap().saturating_sub(before);
        assert!(most < 24 * MIB, "the old process: {} MiB more", most / MIB);
        // The program itself is no memory that the hand-over takes.
        let program = memory(new.id(), "RssFile:").unwrap();
        let newest = memory(new.id(), "VmHWM:").unwrap() - program;
        assert!(newest < log + 48 * MIB, "the new process: {} MiB", newest / MIB);
        let n = origin.publish();
        assert_eq!(next(&mut reads).await, n);
        gives_back(&new, at_first + 12 * MIB).await;
        process = new;
    }
}
