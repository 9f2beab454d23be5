//! `deploy/compose`, and what it has in common with `deploy/fleet`: the schema of compose files takes them, what it mounts is there, each program
//! takes its file, and an event goes from the demo's origin through a relay and HAProxy.

use crate::command::{fanfare, succeeds};
use crate::support::client::{Event, get};
use crate::support::origin::{PATIENCE, within};
use crate::support::ports::free_address;
use crate::tools::{file, installed, program};
use crate::yaml::{list, read, text};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::process::Child;

const COMPOSE: &str = "deploy/compose/compose.yaml";
const BOTH: [&str; 2] = [COMPOSE, "deploy/fleet/compose.yaml"];

/// Seconds that a relay has at the most: `stop_grace_period`.
fn seconds(text: &str) -> u64 {
    text.trim_end_matches('s').parse().unwrap()
}

fn config(path: &str) -> fanfare::config::Config {
    let text = std::fs::read_to_string(file(path)).unwrap();
    match fanfare::config::read(&text, path, &|name| Some(format!("some-{name}"))) {
        Ok(loaded) => loaded.config,
        Err(mistakes) => panic!("{mistakes}"),
    }
}

#[test]
fn the_schema_takes_it() {
    let check = installed("tests/deploy/python/.venv/bin/check-jsonschema");
    succeeds(
        Command::new(check)
            .args(["--builtin-schema", "vendor.compose-spec"])
            .args(BOTH.map(file)),
    );
}

#[test]
fn what_is_mounted_is_there() {
    for path in BOTH {
        let (compose, folder) = (read(path), file(path).parent().unwrap().to_owned());
        let mut seen = 0;
        for (name, service) in compose["services"].as_object().unwrap() {
            for volume in list(service, "volumes") {
                let from = volume.as_str().unwrap().split(':').next().unwrap();
                if from.starts_with('.') {
                    seen += 1;
                    assert!(folder.join(from).exists(), "{name}: {from}");
                }
            }
        }
        assert!(seen > 6, "only {seen} were found");
    }
}

#[test]
fn relays_have_the_time_to_drain() {
    for path in BOTH {
        let compose = read(path);
        let drain = config(&path.replace("compose.yaml", "fanfare.yaml")).drain;
        let grace = seconds(text(&compose["services"]["relay-1"], "stop_grace_period"));
        assert!(grace > (drain.delay + drain.timeout).as_secs() + 10);
    }
}

#[test]
fn prometheus_and_haproxy_take_their_files() {
    let prometheus = file("deploy/compose/prometheus.yml");
    succeeds(
        Command::new(program("promtool"))
            .args(["check", "config", "--syntax-only"])
            .arg(prometheus),
    );
    for folder in ["compose", "fleet"] {
        succeeds(
            Command::new(program("haproxy"))
                .args(["-c", "-f"])
                .arg(file(&format!("deploy/{folder}/haproxy.cfg"))),
        );
    }
}

/// A file of `deploy/` with other addresses in it, in a folder of the test's: each of the texts must be
/// there, once.
pub fn replaced(name: &str, dir: &Path, pairs: &[(&str, String)]) -> std::path::PathBuf {
    let mut text = std::fs::read_to_string(file("deploy").join(name)).unwrap();
    for (from, to) in pairs {
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {name}");
        text = text.replace(from, to);
    }
    let path = dir.join(Path::new(name).file_name().unwrap());
    std::fs::write(&path, text).unwrap();
    path
}

pub fn start(command: &mut Command) -> Child {
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    tokio::process::Command::from(std::mem::replace(command, Command::new("true")))
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn an_event_comes_through_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let [page, relay, admin, front]: [SocketAddr; 4] = std::array::from_fn(|_| free_address());
    // The words of compose.yaml, at ports of the test's.
    let compose = read(COMPOSE);
    let words = list(&compose["services"]["origin"], "command")
        .iter()
        .map(|word| match word.as_str().unwrap() {
            "127.0.0.1:9080" => "127.0.0.1:0".to_owned(),
            "0.0.0.0:9081" => page.to_string(),
            word => word.to_owned(),
        });
    let _origin = start(fanfare().args(words).args(["--admin", "127.0.0.1:0"]));
    let config = replaced(
        "compose/fanfare.yaml",
        dir.path(),
        &[
            ("listen: 0.0.0.0:9080", format!("listen: {relay}")),
            ("admin: 0.0.0.0:7090", format!("admin: {admin}")),
            ("origin:9081", page.to_string()),
        ],
    );
    let _relay = start(fanfare().args(["serve", "--config"]).arg(config));
    let config = replaced(
        "compose/haproxy.cfg",
        dir.path(),
        &[
            // As many descriptors as any machine has.
            ("maxconn 60000", "maxconn 100".to_owned()),
            ("bind :8080", format!("bind {front}")),
            ("relay-1:9080 port 7090", format!("{relay} port {}", admin.port())),
            ("    server relay-2 relay-2:9080 port 7090\n", String::new()),
        ],
    );
    let _haproxy = start(Command::new(program("haproxy")).arg("-db").arg("-f").arg(config));
    let event = within("an event", event_from(front, None)).await;
    assert!(event.data.contains("/changelog/section/"), "{event:?}");
}

/// The first event behind an id, once HAProxy listens, and has found a relay ready.
pub async fn event_from(front: SocketAddr, id: Option<&[u8]>) -> Event {
    loop {
        if tokio::net::TcpStream::connect(front).await.is_ok() {
            let ask = get("/changelog/sse");
            let ask = match id {
                Some(id) => ask.last_event_id(id),
                None => ask,
            };
            // A refusal heals, without an event.
            let mut client = ask.open(front).await;
            if let Ok(Some(event)) = tokio::time::timeout(PATIENCE / 4, client.try_next_event()).await {
                return event;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
