//! The whole harness as a program: real processes, real sockets, and exit codes that tell.

mod support;

use serde_json::Value;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use support::{Serving, canned, harness, json};

const FLOOR: &[&str] = &[
    "run", "fanout", "--quick", "--server", "floor", "--quiet", "--json", "-",
];

#[test]
fn a_run_against_the_floor_delivers_every_event_once() {
    let output = harness(&[FLOOR, &["-n", "60", "-d", "1s", "--warmup", "200ms"]].concat());
    let report = json(&output);
    assert!(output.status.success(), "{report:#}");
    let values = &report["scenarios"][0]["servers"][0]["median"];
    assert_eq!(values["clients"], 60.0);
    assert_eq!((&values["lost"], &values["doubled"]), (&0.0.into(), &0.0.into()));
    assert!(
        values["deliveries"]
            .as_f64()
            .is_some_and(|deliveries| deliveries >= 400.0),
        "{values:#}"
    );
    assert!(values["p99_ms"].as_f64().is_some_and(|p99| p99 > 0.0), "{values:#}");
    assert!(
        values["last_client_ms"].as_f64() >= values["first_client_ms"].as_f64(),
        "{values:#}"
    );
}

/// A scenario in small, and the numbers of its last server.
fn quick(scenario: &str, server: &str, more: &[&str]) -> Value {
    let arguments = ["run", scenario, "--quick", "--server", server, "--quiet", "--json", "-"];
    let output = harness(&[&arguments, more].concat());
    let report = json(&output);
    assert!(output.status.success(), "{report:#}");
    let servers = report["scenarios"][0]["servers"].as_array().expect("an array");
    let last = servers.last().expect("one took part");
    last["median"].clone()
}

fn number(values: &Value, name: &str) -> f64 {
    values[name]
        .as_f64()
        .unwrap_or_else(|| panic!("no {name} in {values:#}"))
}

#[test]
fn clients_that_return_to_the_floor_get_what_they_missed() {
    let values = quick("resume-storm", "floor", &["-n", "60", "--healthy", "10"]);
    assert_eq!((number(&values, "lost"), number(&values, "doubled")), (0.0, 0.0));
    assert_eq!(number(&values, "replayed"), 60.0 * 20.0);
    assert_eq!(number(&values, "clients"), 70.0);
    for name in [
        "cpu_us_per_return",
        "healthy_p99_before_ms",
        "healthy_p99_ms",
        "healthy_p99_ratio",
    ] {
        assert!(number(&values, name) > 0.0, "{name}: {values:#}");
    }
}

#[test]
fn a_million_in_small_reaches_all_cuts_a_part_and_says_where_memory_went() {
    let arguments = [
        "run", "million", "--quick", "--server", "floor", "--quiet", "--json", "-",
    ];
    let small = [
        "-n",
        "60",
        "--instances",
        "3",
        "--storm",
        "20",
        "--events",
        "2",
        "--replay",
        "4",
    ];
    let report = json(&harness(&[&arguments[..], &small[..]].concat()));
    assert_eq!(report["ok"], true, "{report:#}");
    let server = &report["scenarios"][0]["servers"][0];
    let values = &server["median"];
    assert_eq!((number(values, "clients"), number(values, "deliveries")), (60.0, 120.0));
    // A third of the clients missed four events; the others got them as they came.
    assert_eq!(
        (number(values, "storm_clients"), number(values, "replayed")),
        (20.0, 80.0)
    );
    assert_eq!((number(values, "lost"), number(values, "reopened")), (0.0, 20.0));
    assert!(number(values, "event_to_all_s") > 0.0, "{values:#}");
    let round = &server["rounds"][0];
    for part in ["server", "origin and clients"] {
        assert!(
            round["memory_mib"][part].as_f64().is_some_and(|mib| mib > 0.0),
            "{part}: {round:#}"
        );
    }
    let histogram = round["latency_histogram"].as_array().expect("an array");
    let counted: u64 = histogram.iter().filter_map(|bucket| bucket[1].as_u64()).sum();
    assert_eq!(counted, 120, "{round:#}");
    assert_eq!(round["answers"]["200, an event stream"], 80, "{round:#}");
}

#[test]
fn a_storm_is_set_against_the_floors() {
    let values = quick("resume-storm", "origin", &["-n", "40", "--healthy", "5"]);
    // More or less than nothing: what matters here is that it is there.
    assert!(number(&values, "cpu_us_beyond_floor").is_finite());
}

#[test]
fn a_burst_arrives_whole() {
    let values = quick("burst", "origin", &["-n", "5", "--events", "30000"]);
    assert_eq!(number(&values, "deliveries"), 150_000.0);
    assert_eq!((number(&values, "lost"), number(&values, "disordered")), (0.0, 0.0));
    assert!(number(&values, "burst_s") > 0.0);
}

#[test]
fn many_streams_are_set_against_one() {
    let values = quick("jobs", "origin", &["-n", "100", "--streams", "25"]);
    assert_eq!((number(&values, "strayed"), number(&values, "lost")), (0.0, 0.0));
    assert_eq!(number(&values, "over"), 100.0);
    assert!(number(&values, "cpu_one_stream_ratio") > 0.0);
    let values = quick("idle-jobs", "origin", &["--from", "10", "--to", "60"]);
    assert_eq!(number(&values, "clients"), 60.0);
    assert!(values["rss_kib_per_job"].is_f64(), "{values:#}");
}

#[test]
fn every_hint_is_a_request_that_the_small_origin_serves_or_refuses() {
    let herd = ["-n", "50", "--hints", "4", "--volleys", "2", "--over", "20ms"];
    let values = quick(
        "thundering-herd",
        "origin",
        &[&herd[..], &["--connections", "3"]].concat(),
    );
    assert_eq!(
        (number(&values, "hints_per_client"), number(&values, "lost")),
        (8.0, 0.0)
    );
    let (served, refused) = (number(&values, "origin_served"), number(&values, "origin_refused"));
    assert_eq!((number(&values, "fetches"), served + refused), (400.0, 400.0));
    assert!(refused > 0.0, "{values:#}");
    assert_eq!(number(&values, "origin_at_once_max"), 3.0);
    for name in ["fetches_peak_per_s", "origin_peak_of_100ms_per_s"] {
        assert!(number(&values, name) >= 200.0, "{name}: {values:#}");
    }
    // The service time is in it.
    assert!(number(&values, "fetch_p50_ms") >= 50.0, "{values:#}");
    assert!(number(&values, "first_hint_to_last_answer_s") >= 0.05, "{values:#}");
}

#[test]
fn fetches_are_spread_over_processes() {
    let values = quick(
        "thundering-herd",
        "origin",
        &["-n", "30", "--processes", "2", "--service", "1ms"],
    );
    assert_eq!(
        (number(&values, "fetches"), number(&values, "origin_refused")),
        (300.0, 0.0)
    );
    assert_eq!(number(&values, "origin_served"), 300.0);
}

#[test]
fn clients_are_spread_over_processes() {
    let output = harness(
        &[
            FLOOR,
            &["-n", "50", "-d", "500ms", "--warmup", "0s", "--processes", "3"],
        ]
        .concat(),
    );
    let report = json(&output);
    assert!(output.status.success(), "{report:#}");
    assert_eq!(report["scenarios"][0]["servers"][0]["median"]["clients"], 50.0);
}

#[test]
fn a_broken_condition_is_exit_code_1() {
    let output = harness(
        &[
            FLOOR,
            &[
                "-n",
                "10",
                "-d",
                "300ms",
                "--warmup",
                "0s",
                "--fail-if",
                "p99_ms>0.000001",
            ],
        ]
        .concat(),
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        json(&output)["failures"][0]
            .as_str()
            .is_some_and(|text| text.contains("p99_ms>0.000001"))
    );
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    assert_eq!(
        harness(&["run", "fanout", "--fail-if", "nonsense>1"]).status.code(),
        Some(2)
    );
    assert_eq!(harness(&["run", "jobs", "--server", "naive"]).status.code(), Some(2));
    assert_eq!(
        harness(&["run", "thundering-herd", "--server", "floor"]).status.code(),
        Some(2)
    );
    assert_eq!(
        harness(&["run", "thundering-herd", "--hints", "0"]).status.code(),
        Some(2)
    );
    assert_eq!(
        harness(&["run", "evict-storm", "--server", "floor"]).status.code(),
        Some(2)
    );
    assert_eq!(
        harness(&["run", "memory", "--from", "10", "--to", "5", "--server", "floor"])
            .status
            .code(),
        Some(2)
    );
}

/// Clients that are cut by the origin in the middle of an event come back with `Last-Event-ID`:
/// nothing is missing.
#[test]
fn clients_resume_through_the_origins_faults() {
    let origin = Serving::start(&[
        "origin",
        "--listen",
        "127.0.0.1:0",
        "-r",
        "50",
        "--ids",
        "--fault",
        "die@1s",
        "--fault",
        "503@1500ms+300ms",
    ]);
    let output = harness(&[
        "clients",
        "--url",
        &origin.url(),
        "-n",
        "20",
        "-d",
        "2500ms",
        "--reconnect",
        "50ms",
        "--quiet",
        "--json",
        "-",
    ]);
    let report = json(&output);
    let values = &report["scenarios"][0]["servers"][0]["median"];
    for wrong in ["lost", "doubled", "disordered", "broken"] {
        assert_eq!(values[wrong], 0.0, "{wrong}: {values:#}");
    }
    assert!(
        values["reopened"].as_f64().is_some_and(|reopened| reopened >= 40.0),
        "{values:#}"
    );
    // Refused for a while, and the scenario doesn't expect that.
    assert!(
        values["refused"].as_f64().is_some_and(|refused| refused > 0.0),
        "{values:#}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn without_ids_a_cut_is_no_loss_but_within_a_stream_it_is() {
    let lossy = canned(
        "HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n\
         data: {\"seq\":1,\"t_ns\":1,\"t_sched\":1}\n\ndata: {\"seq\":3,\"t_ns\":1,\"t_sched\":1}\n\n\
         data: {\"seq\":3,\"t_ns\":1,\"t_sched\":1}\n\ndata: {\"seq\":2,\"t_ns\":1,\"t_sched\":1}\n\n",
    );
    let url = format!("http://{lossy}/");
    let arguments = [
        "clients",
        "--url",
        &url,
        "-n",
        "1",
        "-d",
        "300ms",
        "--reconnect",
        "10s",
        "--quiet",
        "--json",
        "-",
    ];
    let output = harness(&arguments);
    let report = json(&output);
    let values = &report["scenarios"][0]["servers"][0]["median"];
    assert_eq!(
        (&values["doubled"], &values["disordered"]),
        (&1.0.into(), &1.0.into()),
        "{values:#}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn refused_clients_are_exit_code_1() {
    let server = canned("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let url = format!("http://{server}/");
    let output = harness(&[
        "clients",
        "--url",
        &url,
        "-n",
        "2",
        "-d",
        "100ms",
        "--connect-timeout",
        "1s",
        "--quiet",
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("404"));
}

/// No load outlives its driver, even one that is killed.
#[test]
fn the_swarm_ends_with_its_driver() {
    let floor = Serving::start(&["floor", "--listen", "127.0.0.1:0"]);
    let mut driver = Command::new(env!("CARGO_BIN_EXE_fanfare-loadtest"))
        .args(["clients", "--url", &floor.url(), "-n", "1", "-d", "60s", "--quiet"])
        .stdin(Stdio::null())
        .spawn()
        .expect("the harness starts");
    let children = || {
        let path = format!("/proc/{0}/task/{0}/children", driver.id());
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let worker = loop {
        match children().pop() {
            Some(worker) => break worker,
            None => std::thread::yield_now(),
        }
    };
    driver.kill().and_then(|()| driver.wait().map(|_| ())).expect("it runs");
    let status = || std::fs::read_to_string(format!("/proc/{worker}/status")).unwrap_or_default();
    // Gone, or a zombie whose parent has not waited for it yet.
    while !status().is_empty() && !status().contains("State:\tZ") {
        std::thread::yield_now();
    }
    assert!(TcpStream::connect(floor.address).is_ok());
}
