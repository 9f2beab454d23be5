//! nghttp2's own client and load generator: windows of 64 KiB, given back by half.

use crate::stream::publish;
use crate::support::origin::{TestOrigin, within};
use crate::support::relay::{PATH, Setup};
use crate::tools::program;
use std::net::SocketAddr;
use tokio::process::Command;

/// Larger than its window, several times.
const EVENTS: usize = 60;
const EVENT_BYTES: usize = 16 * 1024;

async fn output(name: &str, options: &[&str], relay: SocketAddr, target: &str) -> String {
    let mut command = Command::new(program(name));
    command
        .args(options)
        .arg(format!("http://{relay}{target}"))
        .kill_on_drop(true);
    let output = within("its end", command.output()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_replay_that_is_larger_than_its_window_comes_whole() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source("ids: pass\nstart: earliest\nend_when: [ { data: over } ]");
    let (relay, mut conn) = setup.start_with(&origin).await;
    for n in 0..EVENTS {
        conn.event(&format!("id: {n}\ndata: {}", "x".repeat(EVENT_BYTES))).await;
    }
    conn.event("data: over").await;
    relay.received(EVENTS as u64 + 1).await;
    let stream = output("nghttp", &[], relay.address, PATH).await;
    assert_eq!(
        stream.matches("\nid: ").count(),
        EVENTS + 1,
        "each id, and the last one again with the end"
    );
    assert!(stream.contains("data: over\n\n"), "to the end");
}

#[tokio::test]
async fn many_requests_at_once_are_all_answered() {
    let origin = TestOrigin::start().await;
    let (relay, mut conn) = Setup::over(&origin).source("start: earliest").start_with(&origin).await;
    publish(&mut conn, 0..3).await;
    relay.received(3).await;
    let options = ["-n", "3000", "-c", "10", "-m", "100", "-H", "accept: application/json"];
    let said = output("h2load", &options, relay.address, &format!("{PATH}?wait=0")).await;
    assert!(said.contains("3000 succeeded, 0 failed, 0 errored"), "{said}");
}
