//! Scenarios about what clients speak, against nginx with HTTP/2 in front of the origin.

mod support;

use serde_json::Value;
use std::path::PathBuf;
use support::{harness, json};

/// A folder for nginx's files; removed with this.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fanfare-loadtest-test-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    /// nginx with HTTP/2 by prior knowledge, as `--server` takes it. Its configuration names the
    /// port and the origin, which only the driver knows.
    fn nginx(&self, wire: &str) -> String {
        let folder = self.0.display();
        let config = format!(
            "daemon off; pid {folder}/pid; error_log {folder}/log; events {{ worker_connections 1000; }} http {{ access_log off; \
             client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi; \
             uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi; server {{ listen 127.0.0.1:$1 http2; \
             location / {{ proxy_pass ${{2%/events}}; proxy_http_version 1.1; proxy_set_header Connection ''; \
             proxy_buffering off; }} }} }}"
        );
        let script = self.0.join("start");
        let start = "PATH=$PATH:/usr/sbin exec nginx";
        let text = format!("echo \"{config}\" >{folder}/nginx.conf\n{start} -p {folder} -c {folder}/nginx.conf\n");
        std::fs::write(&script, text).expect("a script");
        let script = script.display();
        format!("name=nginx@{wire};command=sh {script} {{port}} {{origin}};url=http://127.0.0.1:{{port}}/events")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A quick run, whether it was as expected, and its servers.
fn run(scenario: &str, server: &str, more: &[&str]) -> (bool, Vec<Value>) {
    let arguments = ["run", scenario, "--quick", "--server", server, "--quiet", "--json", "-"];
    let output = harness(&[&arguments, more].concat());
    let report = json(&output);
    let servers = report["scenarios"][0]["servers"].as_array().expect("an array").clone();
    (output.status.success(), servers)
}

#[test]
fn a_frozen_stream_that_leaves_room_disturbs_no_other() {
    let folder = Folder::new("room");
    // One of twenty: less than its connection's window.
    let (success, servers) = run("frozen-streams", &folder.nginx("h2c-20"), &["--stalled", "0.05"]);
    let values = &servers[0]["median"];
    assert!(success, "{servers:#?}");
    assert_eq!(servers[0]["server"], "nginx@h2c-20");
    assert_eq!((&values["lost"], &values["stalled"]), (&0.0.into(), &2.0.into()));
}

#[test]
fn frozen_streams_that_take_the_whole_window_are_found() {
    let folder = Folder::new("window");
    // Three of twenty, which is more than the window of their connection: nginx lets them take it.
    let (success, servers) = run("frozen-streams", &folder.nginx("h2c-20"), &[]);
    let values = &servers[0]["median"];
    assert!(!success && values["lost"].as_f64() > Some(0.0), "{servers:#?}");
}

#[test]
fn further_streams_are_told_from_connections() {
    let folders = [Folder::new("one"), Folder::new("many")];
    let servers = [folders[0].nginx("h2c-1"), folders[1].nginx("h2c-20")];
    let arguments = [
        "compare",
        "--scenario",
        "edge",
        "--quick",
        "--rounds",
        "1",
        "--quiet",
        "--json",
        "-",
    ];
    let these = [
        "--servers",
        "floor@clear,floor@tls",
        "--server",
        &servers[0],
        "--server",
        &servers[1],
    ];
    let report = json(&harness(&[&arguments[..], &these].concat()));
    let servers = report["scenarios"][0]["servers"].as_array().expect("an array");
    let of = |name: &str| {
        servers
            .iter()
            .find(|server| server["server"] == name)
            .expect("it took part")
    };
    for name in ["floor", "nginx@h2c-1", "nginx@h2c-20"] {
        assert_eq!(
            (&of(name)["median"]["lost"], &of(name)["median"]["clients"]),
            (&0.0.into(), &120.0.into())
        );
    }
    assert!(
        of("nginx@h2c-20")["median"]["rss_kib_per_further_stream"].is_number(),
        "{servers:#?}"
    );
    // What a server can't speak leaves it out.
    assert!(of("floor@tls")["left_out"].is_string(), "{servers:#?}");
}

#[test]
fn what_a_server_can_not_speak_is_exit_code_2() {
    for (server, scenario) in [
        ("floor@tls", "fanout"),
        ("naive@h2-20", "fanout"),
        ("floor@clear", "frozen-streams"),
    ] {
        let output = harness(&["run", scenario, "--quick", "--server", server]);
        assert_eq!(output.status.code(), Some(2), "{server}, {scenario}");
    }
    assert_eq!(
        harness(&["run", "fanout", "--server", "floor@h3"]).status.code(),
        Some(2)
    );
}
