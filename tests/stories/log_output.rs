//! Nobody reads the log, or it can't be written: what serves clients goes on.

use crate::support::client::{TestClient, ask, get};
use crate::support::origin::{Conn, TestOrigin, within};
use crate::support::ports::free_address;
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};
use std::io::{BufRead as _, BufReader, pipe};
use std::net::TcpListener;
use std::process::Stdio;
use tokio::process::Command;

const DROPPED: &str = "fanfare_log_lines_dropped_total";

/// Bytes of a pipe: a few lines fill it.
const PIPE_BYTES: usize = 4096;

/// Requests that leave a line in the log each.
const LINES: usize = 200;

/// A relay that logs to `log`, its origin, and a client.
async fn running(log: impl Into<Stdio>) -> (TestProcess, Conn, TestClient) {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).top("drain: { spread: 0s, timeout: 20s }");
    let process = TestProcess::start_logging_to(&setup, log, free_address(), free_address()).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    let mut client = get(PATH).open(process.address).await;
    client.opened().await;
    (process, conn, client)
}

async fn lines_are_logged(process: &TestProcess) {
    for _ in 0..LINES {
        let mut client = ask("GET", "/ no request").send(process.address).await;
        assert_eq!(client.read_head().await.status, 400);
    }
}

async fn delivery_goes_on(process: &TestProcess, conn: &mut Conn, client: &mut TestClient) {
    for n in 0..10 {
        conn.event(&format!("data: {n}")).await;
        assert_eq!(client.next_event().await.data, n.to_string());
    }
    assert_eq!(ask("GET", "/livez").answer(process.admin).await.head.status, 200);
}

async fn it_ends_well(mut process: TestProcess) {
    process.terminate();
    assert_eq!(process.exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_reader_of_the_log_that_goes_takes_nobody_with_it() {
    let (reader, writer) = pipe().unwrap();
    let (process, mut conn, mut client) = running(writer).await;
    drop(reader);
    lines_are_logged(&process).await;
    delivery_goes_on(&process, &mut conn, &mut client).await;
    assert!(process.metric(DROPPED).await > 0.0);
    it_ends_well(process).await;
}

#[tokio::test]
async fn a_full_device_ends_nothing() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (process, mut conn, mut client) = running(full).await;
    lines_are_logged(&process).await;
    delivery_goes_on(&process, &mut conn, &mut client).await;
    assert!(process.metric(DROPPED).await > LINES as f64);
    it_ends_well(process).await;
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_nothing() {
    let (reader, writer) = pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(&writer, PIPE_BYTES).unwrap();
    let (process, mut conn, mut client) = running(writer).await;
    lines_are_logged(&process).await;
    delivery_goes_on(&process, &mut conn, &mut client).await;
    assert_eq!(process.metric(DROPPED).await, 0.0, "they wait");
    // Read again, it is complete.
    let lines = BufReader::new(reader).lines();
    let read = tokio::task::spawn_blocking(move || {
        let refused = lines.map(Result::unwrap).filter(|line| line.contains("bad_request"));
        refused.take(LINES).count()
    });
    assert_eq!(within("the lines", read).await.unwrap(), LINES);
    it_ends_well(process).await;
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_reader_for_long() {
    let (_reader, writer) = pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(&writer, PIPE_BYTES).unwrap();
    let (process, _conn, _client) = running(writer).await;
    lines_are_logged(&process).await;
    it_ends_well(process).await;
}

#[tokio::test]
async fn fatal_errors_have_the_form_of_the_log() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let wrong_url = ["--upstream", "ftp://o/"];
    let taken_port = [
        "--upstream",
        "http://127.0.0.1:9/",
        "--listen",
        &taken,
        "--admin",
        "127.0.0.1:0",
    ];
    for (arguments, code) in [(&wrong_url[..], 2), (&taken_port[..], 1)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
        command
            .args(["serve", "--log-format", "json", "--log", "off"])
            .args(arguments);
        let output = within("the process to end", command.output()).await.unwrap();
        assert_eq!(output.status.code(), Some(code));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
        let line: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(line["level"], "ERROR", "{line}");
    }
}

#[tokio::test]
async fn rust_log_is_heard_unless_the_command_line_says_otherwise() {
    for (variable, argument, lines) in [
        ("off", None, false),
        ("off", Some("info"), true),
        ("info", Some("off"), false),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
        command.args([
            "serve",
            "--upstream",
            "http://127.0.0.1:9/",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
        ]);
        if let Some(filter) = argument {
            command.args(["--log", filter]);
        }
        command
            .env("RUST_LOG", variable)
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let id = rustix::process::Pid::from_raw(child.id().unwrap() as i32).unwrap();
        if lines {
            // Whoever listens has said so.
            let mut stderr = tokio::io::BufReader::new(child.stderr.take().unwrap());
            let mut line = String::new();
            let read = tokio::io::AsyncBufReadExt::read_line(&mut stderr, &mut line);
            assert!(within("a line", read).await.unwrap() > 0);
            rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
        } else {
            // It listens for signals before it says anything.
            let status = format!("/proc/{}/status", id.as_raw_nonzero());
            let caught = || {
                let text = std::fs::read_to_string(&status).unwrap();
                let mask = text
                    .lines()
                    .find_map(|line| line.strip_prefix("SigCgt:"))
                    .unwrap()
                    .trim()
                    .to_owned();
                u64::from_str_radix(&mask, 16).unwrap() & (1 << 14) != 0
            };
            crate::support::relay::eventually("SIGTERM to be caught", caught).await;
            rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
            let output = within("the process to end", child.wait_with_output()).await.unwrap();
            assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        }
    }
}
