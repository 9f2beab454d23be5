//! Reloads leave nothing behind: neither descriptors, threads and tasks, nor memory.

use crate::support::client::get;
use crate::support::origin::TestOrigin;
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup, TestRelay};
use std::path::Path;
use std::time::Instant;

/// As many as an operator makes in years.
const RELOADS: usize = 200;
/// After so many, what grows once has grown.
const FIRST: usize = 20;
/// Kept memory that a busy allocator may not have given back. What a reload builds anew (gates, a
/// proxy with its connections, a channel with its log) is more than 64 KiB: were it kept, it would
/// be 12 MiB.
const GROWTH_KIB_MAX: u64 = 6 * 1024;

/// The `n`th file: each differs from the one before in sources, listeners, `pass` and `access`.
fn file(setup: &Setup, n: usize, tokens: &Path) -> Setup {
    std::fs::write(tokens, format!("ann:the-token-of-reload-{n}\n")).unwrap();
    let access = format!("access: [ {{ bearer: {{ tokens_file: {} }} }} ]", tokens.display());
    let listeners = ["\"127.0.0.1:0\"", "\"127.0.0.1:0\", \"127.0.0.2:0\""][n % 2];
    let job = "upstream: \"http://127.0.0.1:9/{job}\"";
    setup
        .clone()
        .listen(&format!("[ {listeners} ]"))
        .top(&format!(
            "pass: [ {{ prefix: /site{}/, to: \"http://127.0.0.1:9\" }} ]",
            n % 3
        ))
        .beside(&format!(
            "extra{}: {{ path: /extra, upstream: \"http://127.0.0.1:9/{n}\", {access} }}",
            n % 2
        ))
        .beside(&format!(
            "jobs: {{ path: \"/jobs{}/{{job}}\", {job}, max_age: {}s }}",
            n % 2,
            n + 1
        ))
}

fn count(process: &TestProcess, what: &str) -> usize {
    std::fs::read_dir(format!("/proc/{}/{what}", process.id()))
        .unwrap()
        .count()
}

#[tokio::test]
async fn two_hundred_reloads_leave_a_process_as_it_was() {
    let origin = TestOrigin::start().await;
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens");
    let setup = Setup::over(&origin);
    let process = TestProcess::start(&file(&setup, 0, &tokens)).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    let mut client = get(PATH).open(process.address).await;
    client.opened().await;
    let mut before = (0, 0, 0);
    let mut after = before;
    for n in 1..=RELOADS {
        process.write_config(&file(&setup, n, &tokens).yaml());
        process.reload("applied").await;
        if n == FIRST || n == RELOADS {
            // What is gone by now is closed a moment later.
            let began = Instant::now();
            after = (count(&process, "fd"), count(&process, "task"), process.resident_kib());
            while n == RELOADS && after.0 > before.0 && began.elapsed().as_secs() < 10 {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                after = (count(&process, "fd"), count(&process, "task"), process.resident_kib());
            }
            if n == FIRST {
                before = after;
            }
        }
    }
    assert!(after.0 <= before.0, "descriptors: {before:?}, {after:?}");
    assert!(after.1 <= before.1, "threads: {before:?}, {after:?}");
    assert!(
        after.2 <= before.2 + GROWTH_KIB_MAX,
        "memory in KiB: {before:?}, {after:?}"
    );
    // The client of what never changed has noticed nothing.
    conn.event("data: x").await;
    assert_eq!(client.next_event().await.data, "x");
}

#[tokio::test]
async fn no_task_outlives_what_a_reload_has_ended() {
    let origin = TestOrigin::start().await;
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens");
    let setup = Setup::over(&origin);
    let relay = TestRelay::start(file(&setup, 0, &tokens).config());
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut before = 0;
    for n in 1..=RELOADS {
        relay.reload(&file(&setup, n, &tokens));
        if n == FIRST {
            before = tasks();
        }
    }
    let began = Instant::now();
    while tasks() > before {
        assert!(began.elapsed().as_secs() < 10, "{before} tasks, then {}", tasks());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
