//! The real program, its file, and SIGHUP or a look at the file's content.

use crate::support::client::{TestClient, get};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup, readyz};
use rustix::process::Signal;
use std::path::Path;
use std::time::Duration;

const APPLIED: &str = "fanfare_config_reloads_total{outcome=\"applied\"}";
const REJECTED: &str = "fanfare_config_reloads_total{outcome=\"rejected\"}";

async fn running(setup: &Setup, origin: &TestOrigin) -> (TestProcess, Conn, TestClient) {
    let process = TestProcess::start(setup).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    let mut client = get(PATH).open(process.address).await;
    client.opened().await;
    (process, conn, client)
}

/// Ports that stay: a file with port 0 would be one with other listeners.
fn fixed(origin: &TestOrigin) -> Setup {
    Setup::over(origin)
}

#[tokio::test]
async fn a_hangup_reads_the_file_again() {
    let origin = TestOrigin::start().await;
    let setup = fixed(&origin);
    let (process, mut conn, mut client) = running(&setup, &origin).await;
    for outcome in ["applied", "unchanged", "rejected"] {
        let series = format!("fanfare_config_reloads_total{{outcome=\"{outcome}\"}}");
        let scrape = crate::support::client::ask("GET", "/metrics")
            .answer(process.admin)
            .await;
        assert!(
            scrape.body.contains(&format!("{series} 0")),
            "from the start: {}",
            scrape.body
        );
    }
    assert_eq!(process.status().await["reload"], serde_json::Value::Null);
    process.reload("unchanged").await;
    process.write_config(&setup.clone().source("heartbeat: { every: 100ms }").yaml());
    process.reload("applied").await;
    let status = process.status().await;
    assert_eq!(status["reload"]["outcome"], "applied");
    assert_eq!(
        status["reload"]["said"],
        serde_json::json!(["source s: other settings"])
    );
    assert_eq!(client.next_comment().await, ":");
    conn.event("data: x").await;
    assert_eq!(client.next_event().await.data, "x");
    process.reload("unchanged").await;
    assert_eq!(process.status().await["reload"]["outcome"], "unchanged");
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_every_mistake_is_told_with_its_place() {
    let origin = TestOrigin::start().await;
    let setup = fixed(&origin);
    let (process, mut conn, mut client) = running(&setup, &origin).await;
    let broken = setup.yaml().replace("workers: 2", "workers: lots\nlistn: 1")
        + "  more: { path: /more, upstream: http://127.0.0.1:1/, heartbeet: {} }\n";
    process.write_config(&broken);
    process.reload("rejected").await;
    let status = process.status().await;
    let said = status["reload"]["said"].as_array().unwrap();
    assert_eq!(
        (said.len(), &status["reload"]["outcome"]),
        (3, &"rejected".into()),
        "{status:#}"
    );
    let last = format!(":{}:", broken.lines().count());
    for (line, place, key) in [
        (0, ":3:10: workers", "`lots`"),
        (1, ":4:1: listn", "listen"),
        (2, &last, "heartbeat"),
    ] {
        let line = said[line].as_str().unwrap();
        assert!(line.contains(place) && line.contains(key), "{line}");
        process.logged(&format!("not reloaded: {line}")).await;
    }
    get("/more").answer(process.address).await.assert_problem(404);
    conn.event("data: x").await;
    assert_eq!(client.next_event().await.data, "x");
    assert_eq!(readyz(process.admin).await.0, 200);
    // One that is not there is no file, and no catastrophe.
    std::fs::remove_file(process.dir().join("fanfare.yaml")).unwrap();
    process.reload("rejected").await;
    process.write_config(&setup.yaml());
    process.reload("unchanged").await;
}

#[tokio::test]
async fn a_file_that_is_gone_for_a_moment_is_waited_for() {
    let origin = TestOrigin::start().await;
    let setup = fixed(&origin);
    let (process, _conn, _client) = running(&setup, &origin).await;
    let file = process.dir().join("fanfare.yaml");
    std::fs::remove_file(&file).unwrap();
    process.signal(Signal::HUP);
    tokio::time::sleep(Duration::from_millis(150)).await;
    std::fs::write(&file, setup.clone().source("linger: 1s").yaml()).unwrap();
    process.eventually_metric(APPLIED, 1.0).await;
    assert_eq!(process.metric(REJECTED).await, 0.0);
}

/// As a volume of a ConfigMap is: the file is a link into a folder that is a link, and the inner
/// link is swapped. The folder itself never changes.
#[tokio::test]
async fn a_swapped_link_is_seen() {
    let origin = TestOrigin::start().await;
    let setup = fixed(&origin)
        .top("reload: watch")
        .upstream("password_file: password, username: relay");
    let dir = tempfile::tempdir().unwrap();
    let publish = |version: &str, yaml: &str, password: &str| {
        let folder = dir.path().join(version);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("fanfare.yaml"), yaml).unwrap();
        std::fs::write(folder.join("password"), password).unwrap();
        let new = dir.path().join("new");
        std::os::unix::fs::symlink(version, &new).unwrap();
        std::fs::rename(&new, dir.path().join("..data")).unwrap();
    };
    publish("..1", &setup.yaml(), "one");
    for name in ["fanfare.yaml", "password"] {
        std::os::unix::fs::symlink(Path::new("..data").join(name), dir.path().join(name)).unwrap();
    }
    let process = TestProcess::start_with(&dir.path().join("fanfare.yaml")).await;
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().header("authorization"), Some("Basic cmVsYXk6b25l"));
    conn.stream_head().await;
    let mut client = get(PATH).open(process.address).await;
    client.opened().await;
    conn.event("id: 1\ndata: 1").await;
    assert_eq!(client.next_event().await.data, "1");

    publish("..2", &setup.clone().source("linger: 1s").yaml(), "one");
    process.eventually_metric(APPLIED, 1.0).await;
    // What the file names belongs to it.
    publish("..3", &setup.clone().source("linger: 1s").yaml(), "two");
    conn.closed().await;
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().header("authorization"), Some("Basic cmVsYXk6dHdv"));
    assert_eq!(conn.request().header("last-event-id"), Some("1"));
    conn.stream_head().await;
    conn.event("id: 2\ndata: 2").await;
    assert_eq!(client.next_event().await.data, "2");
    process.eventually_metric(APPLIED, 2.0).await;

    // A mistake is told once, and the next content is looked at again.
    publish("..4", "sources: {", "two");
    process.eventually_metric(REJECTED, 1.0).await;
    publish("..5", &setup.yaml(), "two");
    process.eventually_metric(APPLIED, 3.0).await;
    assert_eq!(process.metric(REJECTED).await, 1.0);
    assert!(
        !process.status().await.to_string().contains("two"),
        "no secret is shown"
    );
}

#[tokio::test]
async fn without_watch_only_a_signal_reloads() {
    let origin = TestOrigin::start().await;
    let setup = fixed(&origin);
    let (process, _conn, _client) = running(&setup, &origin).await;
    process.write_config(&setup.clone().source("linger: 1s").yaml());
    // Longer than it takes until a file that is watched is looked at.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(process.metric(APPLIED).await, 0.0);
    // And from then on it is watched.
    process.write_config(&setup.clone().top("reload: watch").yaml());
    process.reload("applied").await;
    process.write_config(&setup.clone().top("reload: watch").source("linger: 1s").yaml());
    process.eventually_metric(APPLIED, 2.0).await;
}

#[tokio::test]
async fn what_the_command_line_says_stays_in_force() {
    let origin = TestOrigin::start().await;
    let setup = fixed(&origin);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("fanfare.yaml");
    std::fs::write(&file, setup.clone().listen("127.0.0.1:1").yaml()).unwrap();
    let process = TestProcess::start_saying(&file, &["--listen", "127.0.0.1:0"]).await;
    let yaml = setup.clone().listen("127.0.0.1:2").source("linger: 1s").yaml();
    std::fs::write(&file, yaml).unwrap();
    process.reload("applied").await;
    assert_eq!(
        process.status().await["reload"]["said"],
        serde_json::json!(["source s: other settings"])
    );
    let mut client = get(PATH).open(process.address).await;
    client.opened().await;
}

#[tokio::test]
async fn the_legacy_file_is_read_again_too() {
    let origins = [TestOrigin::start().await, TestOrigin::start().await];
    let file = |origin: &TestOrigin| {
        format!(
            "server: {{ applicationConnectors: [{{ type: http, port: 0 }}], adminConnectors: [{{ type: http, port: 0 }}] }}\n\
             backends:\n  - uri: \"{}\"\n",
            origin.url("/sse")
        )
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sse-proxy.yaml");
    std::fs::write(&path, file(&origins[0])).unwrap();
    let process = TestProcess::start_saying(&path, &["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).await;
    let mut conn = origins[0].accept().await;
    conn.stream_head().await;
    let mut client = get("/sse").open(process.address).await;
    client.opened().await;
    conn.event("id: 1\ndata: 1").await;
    assert_eq!(client.next_event().await.data, "1");
    std::fs::write(&path, file(&origins[1])).unwrap();
    process.reload("applied").await;
    conn.closed().await;
    let mut conn = origins[1].accept().await;
    assert_eq!(conn.request().header("last-event-id"), Some("1"));
    conn.stream_head().await;
    conn.event("id: 2\ndata: 2").await;
    assert_eq!(client.next_event().await.data, "2");
}

/// From its first instruction that takes signals on, none ends the process, and none is lost.
#[tokio::test]
async fn a_hangup_while_it_starts_is_obeyed_afterwards() {
    let origin = TestOrigin::start().await;
    let setup = fixed(&origin);
    let mut obeyed = 0;
    for _ in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("fanfare.yaml");
        // A pipe in the place of a file that it names holds the start up until it is written to.
        std::fs::write(
            &file,
            setup.clone().upstream("username: u, password_file: password").yaml(),
        )
        .unwrap();
        let password = dir.path().join("password");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &password,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        let starting = TestProcess::begin(&file, &[]);
        let (sent, writing) = std::sync::mpsc::channel();
        let writer = std::thread::spawn(move || {
            // Opening waits for the reader: the process is within its start.
            let mut pipe = std::fs::OpenOptions::new().write(true).open(&password).unwrap();
            sent.send(()).unwrap();
            std::thread::sleep(Duration::from_millis(50));
            std::io::Write::write_all(&mut pipe, b"secret").unwrap();
            drop(pipe);
            std::fs::remove_file(&password).unwrap();
            std::fs::write(&password, "secret").unwrap();
        });
        tokio::task::spawn_blocking(move || writing.recv().unwrap())
            .await
            .unwrap();
        starting.signal(Signal::HUP);
        let process = starting.started().await;
        process
            .eventually_metric("fanfare_config_reloads_total{outcome=\"unchanged\"}", 1.0)
            .await;
        writer.join().unwrap();
        obeyed += 1;
    }
    assert_eq!(obeyed, 5);
}

#[tokio::test]
async fn a_process_that_leaves_reloads_nothing() {
    let origin = TestOrigin::start().await;
    let setup = fixed(&origin).top("drain: { delay: 2s, spread: 0s, timeout: 5s }");
    let (mut process, _conn, mut client) = running(&setup, &origin).await;
    process.write_config(&setup.clone().source("linger: 1s").yaml());
    process.terminate();
    process.logged("draining").await;
    process.signal(Signal::HUP);
    process.logged("not reloaded: the process is leaving").await;
    assert_eq!(process.metric(APPLIED).await, 0.0);
    client.end().await;
    assert_eq!(process.exit().await.code(), Some(0));
}
