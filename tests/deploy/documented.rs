//! The programs of `docs/clients.md` do what the page says: they read events, come back with their
//! place however often they are cut, tell a gap, and stop when the stream has ended for good.

use crate::support::origin::{PATIENCE, TestOrigin, within};
use crate::support::relay::{PATH, Setup, TestRelay};
use crate::tools::{file, installed, program};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Cuts every client several times a second, and tells it to come back at once.
const CUTTING: &str = "ids: pass\nmax_age: 250ms\nreconnect: 50ms\nevent_bytes_max: 1KiB";

/// So many events, one each 50 ms: some cuts fall between them.
const EVENTS: usize = 30;

/// The program below a comment of the page that names it.
fn documented(name: &str) -> String {
    let page = std::fs::read_to_string(file("docs/clients.md")).unwrap();
    let (_, after) = page
        .split_once(&format!("<!-- run: {name} -->\n```"))
        .unwrap_or_else(|| panic!("no {name}"));
    let (_, program) = after.split_once('\n').unwrap();
    program.split_once("\n```\n").unwrap().0.to_owned()
}

struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    _dir: tempfile::TempDir,
}

impl Running {
    /// Starts a program of the page, in a directory of its own.
    fn start(name: &str, interpreter: &[&Path], relay: &TestRelay) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(Path::new(name).file_name().unwrap());
        std::fs::write(&path, documented(name)).unwrap();
        let modules = installed("tests/clients/node/node_modules");
        std::os::unix::fs::symlink(modules, dir.path().join("node_modules")).unwrap();
        let mut child = Command::new(interpreter[0])
            .args(&interpreter[1..])
            .arg(&path)
            .env("GOCACHE", file("target/go"))
            .arg(format!("http://{}{PATH}", relay.address))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{interpreter:?}: {error}"));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            lines,
            _dir: dir,
        }
    }

    async fn line(&mut self) -> String {
        let line = within("a line of the client", self.lines.next_line()).await.unwrap();
        line.unwrap_or_else(|| panic!("the client has ended"))
    }
}

/// Waits for the client's first stream: a program that is compiled first takes longer to start than
/// anything takes once it runs.
async fn started(relay: &TestRelay) {
    let began = Instant::now();
    while relay.clients() < 1.0 {
        assert!(began.elapsed() < PATIENCE * 3, "no client");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn follows(name: &str, interpreter: &[&Path]) {
    let origin = TestOrigin::start().await;
    let (relay, mut conn) = Setup::over(&origin).source(CUTTING).start_with(&origin).await;
    let mut client = Running::start(name, interpreter, &relay);
    // From its first connection on nothing may be missing.
    started(&relay).await;
    for n in 0..EVENTS {
        conn.event(&format!("id: {n}\ndata: number {n}")).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for n in 0..EVENTS {
        assert_eq!(client.line().await, format!("{n} number {n}"), "{name}");
    }
    assert!(
        relay.metric(r#"fanfare_resumes_total{source="s",outcome="exact"}"#) >= 3.0,
        "{name} was not cut"
    );
    conn.event(&format!("id: {EVENTS}\ndata: {}", "x".repeat(2048))).await;
    conn.event("id: last\ndata: two\ndata: lines").await;
    assert_eq!(client.line().await, "gap oversized_event", "{name}");
    // One that is cut right behind a gap comes back with the id before it, and is told again.
    let mut last = client.line().await;
    while last == "gap oversized_event" {
        last = client.line().await;
    }
    assert_eq!([last, client.line().await], ["last two", "lines"], "{name}");
    // The origin has nothing more, for good: clients are told by a 204.
    conn.close().await;
    origin.answer("HTTP/1.1 204 No Content\r\n\r\n").await;
    let ended = async {
        // Some say that they have ended.
        while let Ok(Some(_)) = client.lines.next_line().await {}
        client.child.wait().await
    };
    assert!(within("the client to stop", ended).await.unwrap().success(), "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn node() {
    follows("clients/stream.mjs", &[&program("node")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python() {
    follows("clients/stream.py", &[Path::new("/usr/bin/python3")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn java() {
    follows("clients/Stream.java", &[&program("java")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn go() {
    follows("clients/stream.go", &[&program("go"), Path::new("run")]).await;
}
