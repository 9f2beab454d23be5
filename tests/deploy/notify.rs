//! What the service manager is told, over a socket of the test's own: ready when it listens, alive
//! while its threads are, leaving when it drains.

use crate::support::client::get;
use crate::support::origin::{Conn, PATIENCE, TestOrigin, within};
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};
use crate::tools::file;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

/// The manager's patience in these stories: it wants to hear three times as often.
const WATCHDOG: Duration = Duration::from_secs(3);

struct Manager {
    socket: UnixDatagram,
    dir: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        Self { socket, dir }
    }

    /// Starts a relay that it watches.
    async fn start(&self, drain: &str) -> (TestProcess, Conn) {
        self.start_with(drain, WATCHDOG).await
    }

    /// Likewise, with this much patience.
    async fn start_with(&self, drain: &str, watchdog: Duration) -> (TestProcess, Conn) {
        let origin = TestOrigin::start().await;
        let setup = Setup::over(&origin).top(&format!("drain: {drain}\n"));
        let (path, watchdog) = (self.dir.path().join("notify"), watchdog.as_micros().to_string());
        let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", &*watchdog)];
        let process = TestProcess::start_in(&setup, None, &environment).await;
        let mut conn = origin.accept().await;
        conn.stream_head().await;
        (process, conn)
    }

    /// The next message, as its lines.
    async fn told(&self) -> Vec<String> {
        let mut message = [0; 4096];
        let length = within("a message", self.socket.recv(&mut message)).await.unwrap();
        let message = std::str::from_utf8(&message[..length]).unwrap();
        message.lines().map(str::to_owned).collect()
    }

    /// Signs of life that have come within this time.
    async fn signs_of_life(&self, time: Duration) -> usize {
        let (began, mut signs) = (Instant::now(), 0);
        while let Some(left) = time.checked_sub(began.elapsed()) {
            if let Ok(message) = tokio::time::timeout(left, self.told()).await {
                signs += usize::from(message == ["WATCHDOG=1"]);
            }
        }
        signs
    }

    /// The two messages of a reload.
    async fn reload_is_told(&self) {
        let message = self.told().await;
        assert_eq!(message[0], "RELOADING=1");
        let micros: u64 = message[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let ago = Duration::new(now.tv_sec as u64, now.tv_nsec as u32) - Duration::from_micros(micros);
        assert!(ago < Duration::from_secs(20), "{ago:?}");
        assert_eq!(self.told().await, ["READY=1"]);
    }

    /// Until it says that it leaves.
    async fn told_to_stop(&self) {
        within("the word that it leaves", async {
            while self.told().await[0] != "STOPPING=1" {}
        })
        .await;
    }

    /// Until one comes.
    async fn alive(&self) {
        while self.told().await != ["WATCHDOG=1"] {}
    }
}

/// A thread that is held, as a deadlock would; until it is dropped.
struct Held {
    child: Child,
}

impl Held {
    async fn thread(process: &TestProcess, name: &str) -> Self {
        let mut child = Command::new("/usr/bin/python3")
            .arg(file("tests/deploy/hold_thread.py"))
            .args([&process.id().to_string(), name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = within("the thread to be held", lines.next_line()).await.unwrap();
        assert_eq!(line.as_deref(), Some("held"));
        Self { child }
    }

    async fn release(mut self) {
        self.child.stdin.take().unwrap().shutdown().await.unwrap();
        assert!(
            within("the thread to go on", self.child.wait())
                .await
                .unwrap()
                .success()
        );
    }
}

#[tokio::test]
async fn it_is_ready_when_it_listens_and_says_how_long_leaving_takes() {
    let manager = Manager::new();
    let (mut process, _conn) = manager.start("{ delay: 1s, spread: 1s, timeout: 7s }").await;
    assert_eq!(manager.told().await, ["READY=1", "STATUS=1 listeners for clients"]);
    let mut client = get(PATH).open(process.address).await;
    client.opened().await;
    manager.alive().await;
    process.terminate();
    let mut message = manager.told().await;
    while message == ["WATCHDOG=1"] {
        message = manager.told().await;
    }
    assert_eq!(message[0], "STOPPING=1");
    assert!(message[1].starts_with("STATUS=draining"), "{message:?}");
    // delay, timeout, and ten seconds for the rest.
    assert_eq!(message[2], "EXTEND_TIMEOUT_USEC=18000000");
    assert_eq!(process.exit().await.code(), Some(0));
}

#[tokio::test]
async fn one_that_can_not_start_is_never_ready() {
    let manager = Manager::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let exit = Command::new(env!("CARGO_BIN_EXE_fanfare"))
        .args([
            "serve",
            "--upstream",
            "http://127.0.0.1:9/",
            "--admin",
            "127.0.0.1:0",
            "--listen",
        ])
        .arg(taken.local_addr().unwrap().to_string())
        .env("NOTIFY_SOCKET", manager.dir.path().join("notify"))
        .stderr(Stdio::null())
        .status();
    assert_eq!(within("it to fail", exit).await.unwrap().code(), Some(1));
    assert!(manager.socket.try_recv(&mut [0; 64]).is_err(), "nothing was told");
}

/// A drain may take longer than the manager's patience.
#[tokio::test]
async fn it_is_alive_while_it_leaves() {
    let manager = Manager::new();
    let (process, _conn) = manager.start("{ delay: 60s, timeout: 60s }").await;
    process.terminate();
    manager.told_to_stop().await;
    for _ in 0..4 {
        manager.alive().await;
    }
}

/// With any of them stuck the manager hears nothing, ends the process, and starts it anew.
#[tokio::test]
async fn a_stuck_thread_is_no_sign_of_life() {
    let manager = Manager::new();
    let (process, mut conn) = manager.start("{ spread: 0s }").await;
    let mut client = get(PATH).open(process.address).await;
    client.opened().await;
    for (thread, told) in [
        ("shard-1", true),
        ("shard-0", true),
        ("upstream-0", true),
        ("requests", false),
    ] {
        manager.alive().await;
        let held = Held::thread(&process, thread).await;
        // A look that has begun before the thread was held may still find it alive.
        manager.signs_of_life(WATCHDOG / 2).await;
        assert_eq!(manager.signs_of_life(WATCHDOG).await, 0, "{thread} is held");
        held.release().await;
        manager.alive().await;
        let message = "parts of the process do not answer: the watchdog is not told that it is alive";
        let part = if thread == "upstream-0" { "upstreams" } else { thread };
        let named = process.log_lines(message).iter().any(|line| line["silent"] == part);
        assert_eq!(named, told, "{thread}: {:?}", process.log_lines(message));
    }
    // It serves as before.
    conn.event("data: x").await;
    assert_eq!(client.next_event().await.data, "x");
}

/// A manager that does not read lets the sending of messages wait, and nothing that serves clients.
#[tokio::test]
async fn one_that_does_not_listen_holds_up_nothing() {
    let manager = Manager::new();
    // It wants to hear a thousand times a second: what waits soon fills every queue.
    let (process, mut conn) = manager.start_with("{ spread: 0s }", Duration::from_millis(3)).await;
    let filler = UnixDatagram::unbound().unwrap();
    while filler.try_send_to(b"x", manager.dir.path().join("notify")).is_ok() {}
    for n in 0..50 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut client = get(PATH).open(process.address).await;
        client.opened().await;
        conn.event(&format!("data: {n}")).await;
        assert_eq!(client.next_event().await.data, n.to_string());
    }
}

/// A reload is told from its beginning to its end, also one that comes to nothing.
#[tokio::test]
async fn a_reload_is_told_from_its_beginning_to_its_end() {
    let manager = Manager::new();
    let (process, _conn) = manager.start_with("{ spread: 0s }", Duration::from_secs(600)).await;
    assert_eq!(manager.told().await[0], "READY=1");
    manager.alive().await;
    for _ in 0..2 {
        process.signal(rustix::process::Signal::HUP);
        manager.reload_is_told().await;
    }
}

/// So is an upgrade that comes to nothing: the manager does not wait for it.
#[tokio::test]
async fn an_upgrade_that_fails_is_told_to_be_over() {
    let manager = Manager::new();
    let (mut process, _conn) = manager.start_with("{ spread: 0s }", Duration::from_secs(600)).await;
    assert_eq!(manager.told().await[0], "READY=1");
    manager.alive().await;
    // It has no `handover`: there is nothing to begin.
    process.signal(rustix::process::Signal::USR2);
    process
        .logged("not handed over, everything stays with this process: the configuration in force has no `handover`")
        .await;
    assert!(manager.socket.try_recv(&mut [0; 64]).is_err(), "nothing was told");
    process.terminate();
    assert_eq!(process.exit().await.code(), Some(0));
}

/// At an upgrade the old process says which one is the service from then on; it does not say that
/// the service is leaving, and its signs of life are the new one's.
#[tokio::test]
async fn an_upgrade_is_told_as_another_main_process() {
    let manager = Manager::new();
    let origin = TestOrigin::start().await;
    let private = std::fs::Permissions::from_mode(0o700);
    let folder = tempfile::Builder::new().permissions(private).tempdir().unwrap();
    let socket = folder.path().join("handover.sock");
    let setup = Setup::over(&origin).top(&format!(
        "handover: {}\ndrain: {{ spread: 0s, timeout: 2s }}\n",
        socket.display()
    ));
    let path = manager.dir.path().join("notify");
    let watchdog = WATCHDOG.as_micros().to_string();
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", &*watchdog)];
    let mut process = TestProcess::start_in(&setup, None, &environment).await;
    assert_eq!(manager.told().await[0], "READY=1");
    process.signal(rustix::process::Signal::USR2);
    let (mut main, mut ready, mut reloading) = (None, false, false);
    // Signs of life come all the time: what does not come has to be waited for by the clock.
    let deadline = Instant::now() + PATIENCE;
    while main.is_none() || !ready {
        assert!(Instant::now() < deadline, "main process {main:?}, ready {ready}");
        let message = manager.told().await;
        reloading |= message[0] == "RELOADING=1" && message[1].starts_with("MONOTONIC_USEC=");
        assert!(reloading || message == ["WATCHDOG=1"], "{message:?}");
        ready |= message[0] == "READY=1";
        let told = message[0].strip_prefix("MAINPID=").map(|id| id.parse::<i32>().unwrap());
        assert!(told.is_none() || message[1] == "READY=1");
        main = main.or(told);
        assert!(message[0] != "STOPPING=1", "{message:?}");
    }
    assert_eq!(process.exit().await.code(), Some(0));
    manager.alive().await;
    let main = rustix::process::Pid::from_raw(main.unwrap()).unwrap();
    // It is no child of the story's.
    rustix::process::kill_process(main, rustix::process::Signal::TERM).unwrap();
    manager.told_to_stop().await;
}
