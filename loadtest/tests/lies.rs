//! Servers that lie, refuse, or die: the harness finds it, says it, and keeps what it measured.

mod support;

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{Serving, canned, harness, json};

const HEAD: &str = "HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

/// One client at a server that sends these events once; its report and its exit code.
fn one_client(events: &str, more: &[&str]) -> (Value, Option<i32>) {
    let server = canned(format!("{HEAD}{events}"));
    let url = format!("http://{server}/");
    let clients = ["clients", "--url", &url, "-n", "1", "-d", "200ms"];
    let output = harness(&[&clients[..], &["--reconnect", "60s", "--quiet", "--json", "-"], more].concat());
    (json(&output), output.status.code())
}

fn median(report: &Value) -> &Value {
    &report["scenarios"][0]["servers"][0]["median"]
}

fn event(id: &str, seq: u64) -> String {
    format!("{id}data: {{\"seq\":{seq},\"t_ns\":1,\"t_sched\":1,\"pad\":\"xxxxxxxx\"}}\n\n")
}

fn events(seqs: &[u64]) -> String {
    seqs.iter().map(|seq| event("", *seq)).collect()
}

#[test]
fn every_lie_is_found() {
    let torn = event("", 2).replace("xxxx\"}", "");
    let split = event("", 2).replace("xxxx\"}", "\ndata: xxxx\"}");
    let same_id = [event("id: e.7\n", 1), event("id: e.7\n", 2)].concat();
    let back = [event("id: 8\n", 1), event("id: 6\n", 2)].concat();
    let of_stream = |stream: u32, seq| event("", seq).replace(",\"pad\"", &format!(",\"ch\":{stream},\"pad\""));
    let other_stream = of_stream(3, 1) + &of_stream(4, 2);
    let lies = [
        (events(&[1, 2, 4]), "lost"),
        (events(&[1, 2, 2, 3]), "doubled"),
        (events(&[1, 3, 2]), "disordered"),
        (events(&[1]) + &torn + &events(&[3]), "torn"),
        (events(&[1]) + &split + &events(&[3]), "torn"),
        (same_id, "wrong_ids"),
        (back, "wrong_ids"),
        (other_stream, "strayed"),
    ];
    for (events, what) in lies {
        let (report, code) = one_client(&events, &[]);
        assert_eq!(median(&report)[what], 1.0, "{what}: {report:#}");
        assert_eq!(code, Some(1), "{what}");
        assert!(!report["failures"].as_array().expect("an array").is_empty(), "{what}");
    }
}

#[test]
fn an_event_that_the_connection_cuts_is_none() {
    let cut = event("", 3);
    let (report, code) = one_client(&(events(&[1, 2]) + &cut[..cut.len() - 6]), &[]);
    let values = median(&report);
    assert_eq!(
        (&values["lost"], &values["torn"]),
        (&0.0.into(), &0.0.into()),
        "{values:#}"
    );
    assert_eq!(code, Some(0), "{report:#}");
}

#[test]
fn ids_of_a_new_numbering_may_be_lower() {
    let events = [event("id: e.700\n", 1), event("id: f.1\n", 2), event("id: x\n", 3)].concat();
    let (report, code) = one_client(&events, &[]);
    assert_eq!(
        (&median(&report)["wrong_ids"], code),
        (&0.0.into(), Some(0)),
        "{report:#}"
    );
}

#[test]
fn of_foreign_events_nothing_is_said_to_be_lost_or_not() {
    let (report, code) = one_client("data: hello\n\ndata: world\n\n", &[]);
    let values = median(&report);
    assert_eq!(values["checked_share"], 0.0, "{values:#}");
    for unknown in ["lost", "doubled", "disordered"] {
        assert_eq!(values[unknown], Value::Null, "{values:#}");
    }
    assert_eq!(code, Some(0));
    let (report, code) = one_client("data: hello\n\n", &["--fail-if", "lost>0"]);
    assert!(
        report["failures"][0]
            .as_str()
            .is_some_and(|text| text.contains("not known"))
    );
    assert_eq!(code, Some(1));
}

#[test]
fn the_table_says_what_was_not_checked() {
    let server = canned(format!("{HEAD}data: hello\n\n"));
    let url = format!("http://{server}/");
    let output = harness(&["clients", "--url", &url, "-n", "1", "-d", "100ms", "--quiet"]);
    let table = String::from_utf8_lossy(&output.stdout);
    let lost = table
        .lines()
        .find(|line| line.trim_start().starts_with("lost "))
        .expect("a row");
    assert!(lost.ends_with("not checked"), "{table}");
}

#[test]
fn what_only_the_servers_processes_tell_is_unknown_and_not_0() {
    let server = canned(format!("{HEAD}data: hello\n\n"));
    let url = format!("http://{server}/");
    let arguments = ["clients", "--url", &url, "-n", "1", "-d", "600ms", "--quiet"];
    let table = String::from_utf8_lossy(&harness(&arguments).stdout).into_owned();
    for row in [
        "server CPU per delivery",
        "server resident memory",
        "resident memory per client",
    ] {
        let line = table.lines().find(|line| line.trim_start().starts_with(row));
        assert!(line.is_some_and(|line| line.ends_with("unknown")), "{row}: {table}");
    }
    let condition = ["--fail-if", "cpu_us_per_delivery>5", "--json", "-"];
    let output = harness(&[&arguments[..], &condition[..]].concat());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let of = &report["scenarios"][0]["servers"][0];
    assert_eq!(of["median"]["cpu_us_per_delivery"], serde_json::Value::Null, "{of}");
    let sample = &of["rounds"][0]["samples"][0];
    assert_eq!(
        (&sample["server_cpu"], &sample["rss_mib"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
    let found = &report["conditions"][0];
    assert_eq!(
        (&found["ok"], &found["fails_if"]),
        (&false.into(), &"cpu_us_per_delivery>5".into()),
        "{found}"
    );
    assert!(
        found["found"].as_str().is_some_and(|found| found.contains("--pid")),
        "{found}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_server_that_is_not_there_is_found_out_before_any_client_starts() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr();
    let there = canned(format!("{HEAD}data: hello\n\n"));
    let (there, not) = (
        format!("http://{there}/"),
        format!("http://{}/", free.expect("it is bound")),
    );
    let output = harness(&[
        "clients", "--url", &there, "--url", &not, "-n", "2", "-d", "1h", "--quiet",
    ]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("can't be reached"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_refusal_that_does_not_heal_is_asked_for_once() {
    let answers = [
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n",
    ];
    for answer in answers {
        let asked = Arc::new(AtomicUsize::new(0));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/x", listener.local_addr().expect("it is bound"));
        let count = asked.clone();
        std::thread::spawn(move || {
            for mut socket in listener.incoming().map_while(Result::ok) {
                // A look at whether the server is there asks for nothing.
                let asks = socket.read(&mut [0; 4096]).is_ok_and(|read| read > 0);
                count.fetch_add(usize::from(asks), Ordering::SeqCst);
                let _ = socket.write_all(answer.as_bytes());
            }
        });
        // It does not wait for the end of the hour either.
        let output = harness(&[
            "clients",
            "--url",
            &url,
            "-n",
            "3",
            "-d",
            "1h",
            "--reconnect",
            "1ms",
            "--cut-every",
            "10ms",
            "--quiet",
        ]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(asked.load(Ordering::SeqCst), 3);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("3 clients gave up"), "{said}");
        assert!(said.contains(&answer[9..12]), "{said}");
    }
}

#[test]
fn a_server_that_hangs_up_at_once_is_a_failure() {
    let server = canned(String::new());
    let url = format!("http://{server}/");
    let clients = ["clients", "--url", &url, "-n", "2", "-d", "100ms"];
    let output = harness(&[&clients[..], &["--connect-timeout", "300ms", "--quiet", "--json", "-"]].concat());
    let report = json(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(median(&report)["refused"].as_f64() > Some(1.0), "{report:#}");
}

/// What stands for a relay and dies in the middle: an origin of its own under `timeout`.
fn dying() -> String {
    let own = env!("CARGO_BIN_EXE_fanfare-loadtest");
    format!(
        "name=dying;command=timeout 4 {own} origin --listen 127.0.0.1:{{port}} --rate 20;url=http://127.0.0.1:{{port}}/events"
    )
}

#[test]
fn a_server_that_dies_costs_nobody_the_numbers() {
    let dying = dying();
    let arguments = ["compare", "--servers", "floor", "--server", &dying, "--rounds", "2"];
    let small = [
        "--quick", "-n", "10", "-d", "4s", "--warmup", "0s", "--quiet", "--json", "-",
    ];
    let output = harness(&[&arguments[..], &small].concat());
    let report = json(&output);
    assert_eq!(output.status.code(), Some(1), "{report:#}");
    let servers = &report["scenarios"][0]["servers"];
    for round in 0..2 {
        assert!(servers[0]["rounds"][round]["values"]["p99_ms"].is_f64(), "{report:#}");
        let broken = &servers[1]["rounds"][round];
        let said = broken["failures"].to_string();
        assert!(said.contains("dying has ended"), "{said}");
        assert!(broken["values"]["clients"].is_f64(), "{broken:#}");
        assert!(
            !broken["samples"].as_array().expect("an array").is_empty(),
            "{broken:#}"
        );
    }
}

#[test]
fn a_program_that_is_not_there_is_found_out_first() {
    let named = harness(&["compare", "--servers", "floor,naive", "--naive", "/nowhere/naive"]);
    assert_eq!(named.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&named.stderr).contains("/nowhere/naive is not there"));
    assert_eq!(
        harness(&["run", "fanout", "--fanfare", "/nowhere/x"]).status.code(),
        Some(2)
    );
    // Nobody asked for these: the others are measured.
    let gone = [
        "--naive",
        "/nowhere/naive",
        "--fanfare",
        "/nowhere/fanfare",
        "--nginx",
        "/nowhere/nginx",
        "--durable-streams",
        "/nowhere/durable-streams-server",
    ];
    let small = [
        "--quick", "-n", "10", "-d", "200ms", "--warmup", "0s", "--rounds", "1", "--quiet", "--json", "-",
    ];
    let output = harness(&[&["compare"], &gone[..], &small].concat());
    let report = json(&output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    let servers = report["scenarios"][0]["servers"].as_array().expect("an array");
    assert!(servers[0]["median"]["p99_ms"].is_f64());
    // Pushpin has no option: it is where Debian has it, or isn't there.
    assert_eq!(servers.len(), 6);
    for missing in &servers[1..5] {
        assert!(
            missing["left_out"]
                .as_str()
                .is_some_and(|why| why.contains("is not there")),
            "{missing:#}"
        );
    }
    // Of a command the program is looked for, too.
    let other = "name=x;command=A=1 /nowhere/x --port {port};url=http://127.0.0.1:{port}/";
    let output = harness(&["compare", "--quick", "--servers", "floor", "--server", other, "--quiet"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("/nowhere/x is not there"), "{said}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_mistake_on_the_command_line_says_what_is_right() {
    let mistakes: [(&[&str], &str); 6] = [
        (&["clients", "--url", "foo"], "http://127.0.0.1:8080/events"),
        (&["clients", "--url", "ftp://x/"], "http://127.0.0.1:8080/events"),
        (
            &["clients", "--url", "http://127.0.0.1:1/", "-H", "nonsense"],
            "Name: value",
        ),
        (
            &["clients", "--url", "http://127.0.0.1:1/", "--user", "me"],
            "USER:PASSWORD",
        ),
        (
            &["clients", "--url", "http://127.0.0.1:1/", "--pid", "4294967"],
            "there is no process",
        ),
        (&["origin", "--publish", "foo"], "http://127.0.0.1:8080/events"),
    ];
    for (arguments, right) in mistakes {
        let output = harness(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(right), "{arguments:?}: {said}");
    }
}

/// A relay takes a long silence for a dead connection and reconnects, and its clients get gaps.
#[test]
fn a_silent_origin_shows_that_it_lives() {
    let origin = Serving::start(&[
        "origin",
        "--listen",
        "127.0.0.1:0",
        "--rate",
        "0",
        "--heartbeat",
        "50ms",
    ]);
    for (version, comment) in [("1.1", "3\r\n:\n\n\r\n"), ("1.0", ":\n\n")] {
        let mut socket = TcpStream::connect(origin.address).expect("it listens");
        write!(socket, "GET /events HTTP/{version}\r\nHost: x\r\n\r\n").expect("it takes a request");
        let mut got = String::new();
        let mut buffer = [0; 512];
        while !got.ends_with(&comment.repeat(2)) {
            let read = socket.read(&mut buffer).expect("it goes on");
            assert!(read > 0, "{got:?}");
            got.push_str(std::str::from_utf8(&buffer[..read]).expect("ASCII"));
        }
    }
}
