//! The unit forbids no system call that the program makes: it is traced while it starts, serves a
//! client and the admin, loses its origin, and drains. (That systemd's filter then lets these
//! through is systemd's: it does not run here.)

use crate::command::succeeds;
use crate::support::client::{ask, get};
use crate::support::origin::{TestOrigin, within};
use crate::support::ports::free_address;
use crate::tools::{file, program};
use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The calls of one of systemd's groups, and of the groups in it.
fn calls_of(group: &str) -> BTreeSet<String> {
    let said = succeeds(Command::new(program("systemd-analyze")).args(["syscall-filter", group]));
    let lines = said.lines().skip(1).map(str::trim);
    let named = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    named
        .flat_map(|name| match name.starts_with('@') {
            true => calls_of(name),
            false => BTreeSet::from([name.to_owned()]),
        })
        .collect()
}

/// What the unit's lines of `SystemCallFilter` come down to.
fn allowed() -> BTreeSet<String> {
    let unit = std::fs::read_to_string(file("deploy/systemd/fanfare.service")).unwrap();
    let mut allowed = BTreeSet::new();
    for group in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        match group.strip_prefix('~') {
            Some(group) => allowed = &allowed - &calls_of(group),
            None => allowed.append(&mut calls_of(group)),
        }
    }
    allowed
}

/// The calls in strace's lines: `123 openat(AT_FDCWD, ...`.
fn made(trace: &str) -> BTreeSet<String> {
    let calls = trace
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1)?.split_once('('));
    let calls = calls.filter(|(name, _)| name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_'));
    calls.map(|(name, _)| name.to_owned()).collect()
}

#[tokio::test]
async fn no_call_is_made_that_the_unit_forbids() {
    let origin = TestOrigin::start().await;
    let dir = tempfile::tempdir().unwrap();
    let [address, admin] = [free_address(), free_address()];
    let socket = dir.path().join("clients");
    let mut traced = tokio::process::Command::new(program("strace"))
        .args(["-f", "-qq", "-o"])
        .arg(dir.path().join("trace"))
        .arg(env!("CARGO_BIN_EXE_fanfare"))
        .args(["serve", "--upstream"])
        .arg(format!("http://localhost:{}/sse", origin.address().port()))
        .args([
            "--listen",
            &address.to_string(),
            "--listen",
            &format!("unix:{}", socket.display()),
        ])
        .args(["--admin", &admin.to_string()])
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    let mut client = get("/").open(address).await;
    client.opened().await;
    conn.event("data: x").await;
    client.next_event().await;
    for path in ["/metrics", "/status", "/readyz"] {
        ask("GET", path).answer(admin).await;
    }
    conn.close().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    // The traced process is strace's child.
    let children = format!("/proc/{0}/task/{0}/children", traced.id().unwrap());
    let child: i32 = std::fs::read_to_string(children).unwrap().trim().parse().unwrap();
    let child = rustix::process::Pid::from_raw(child).unwrap();
    rustix::process::kill_process(child, rustix::process::Signal::TERM).unwrap();
    assert_eq!(client.end().await, crate::support::client::End::LastChunk);
    within("it to drain", traced.wait()).await.unwrap();
    let made = made(&std::fs::read_to_string(dir.path().join("trace")).unwrap());
    assert!(
        made.len() > 30 && made.contains("epoll_wait") && made.contains("accept4"),
        "{made:?}"
    );
    let allowed = allowed();
    let forbidden: Vec<&String> = made.difference(&allowed).collect();
    assert!(forbidden.is_empty(), "{forbidden:?}");
}
