//! `deploy/fleet`, its parts run as processes: three servers of the engine, three relays, HAProxy. An
//! event comes through all of it, and goes on coming when a server and the leading relay are killed.

use crate::command::fanfare;
use crate::compose::{event_from, replaced, start};
use crate::support::client::ask;
use crate::support::origin::within;
use crate::support::ports::free_address;
use crate::tools::{file, installed, program};
use crate::yaml::{list, read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio::process::Child;

const COMPOSE: &str = "deploy/fleet/compose.yaml";

/// Where the engine's servers are: for relays, and for each other.
struct Addresses {
    clients: [SocketAddr; 3],
    routes: [SocketAddr; 3],
}

/// What a service has in its environment.
fn environment(service: &str) -> Vec<(String, String)> {
    let compose = read(COMPOSE);
    let variables = compose["services"][service]["environment"].as_object().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    variables
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}

/// One of the engine's servers.
fn engine(n: usize, dir: &Path, at: &Addresses) -> Child {
    let dir = dir.join(format!("nats-{n}"));
    std::fs::create_dir(&dir).unwrap();
    std::fs::copy(file("deploy/fleet/accounts.conf"), dir.join("accounts.conf")).unwrap();
    let mut pairs = vec![
        ("\"0.0.0.0:4222\"", format!("\"{}\"", at.clients[n])),
        ("\"0.0.0.0:8222\"", format!("\"{}\"", free_address())),
        ("\"/data\"", format!("\"{}\"", dir.join("data").display())),
        ("\"0.0.0.0:6222\"", format!("\"{}\"", at.routes[n])),
    ];
    for (name, route) in ["nats-1:6222", "nats-2:6222", "nats-3:6222"].into_iter().zip(at.routes) {
        pairs.push((name, route.to_string()));
    }
    let config = replaced("fleet/nats.conf", &dir, &pairs);
    start(
        Command::new(installed("tests/fleet/python/.venv/bin/nats-server"))
            .arg("-c")
            .arg(config)
            .envs(environment(&format!("nats-{}", n + 1))),
    )
}

struct Member {
    process: Child,
    address: SocketAddr,
    admin: SocketAddr,
}

/// One of the relays.
fn relay(n: usize, dir: &Path, at: &Addresses, origin: SocketAddr) -> Member {
    let dir = dir.join(format!("relay-{n}"));
    std::fs::create_dir(&dir).unwrap();
    let [address, admin]: [SocketAddr; 2] = std::array::from_fn(|_| free_address());
    let mut pairs = vec![
        ("listen: 0.0.0.0:9080", format!("listen: {address}")),
        ("admin: 0.0.0.0:7090", format!("admin: {admin}")),
        ("origin:9081", origin.to_string()),
        // A story waits for no drain.
        ("delay: 3s", "delay: 0s".to_owned()),
    ];
    for (name, client) in ["nats-1:4222", "nats-2:4222", "nats-3:4222"]
        .into_iter()
        .zip(at.clients)
    {
        pairs.push((name, client.to_string()));
    }
    let config = replaced("fleet/fanfare.yaml", &dir, &pairs);
    let process = start(
        fanfare()
            .args(["serve", "--config"])
            .arg(config)
            .envs(environment("relay-1"))
            .env("HOSTNAME", format!("relay-{n}")),
    );
    Member {
        process,
        address,
        admin,
    }
}

/// Whether a relay leads.
async fn leads(admin: SocketAddr) -> bool {
    let status = ask("GET", "/status").answer(admin).await.json();
    status["sources"][0]["fleet"]["is_leader"] == true
}

/// Which of them leads, once one does.
async fn leader(members: &[Member]) -> usize {
    let looking = async {
        loop {
            for (n, member) in members.iter().enumerate() {
                if leads(member.admin).await {
                    return n;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    within("a leader", looking).await
}

fn front(dir: &Path, members: &[Member]) -> (Child, SocketAddr) {
    let address = free_address();
    let mut pairs = vec![
        ("maxconn 60000", "maxconn 100".to_owned()),
        ("bind :8080", format!("bind {address}")),
    ];
    let names = [
        "relay-1:9080 port 7090",
        "relay-2:9080 port 7090",
        "relay-3:9080 port 7090",
    ];
    for (name, member) in names.into_iter().zip(members) {
        pairs.push((name, format!("{} port {}", member.address, member.admin.port())));
    }
    let config = replaced("fleet/haproxy.cfg", dir, &pairs);
    (
        start(Command::new(program("haproxy")).arg("-db").arg("-f").arg(config)),
        address,
    )
}

/// The name of the numbering, and where an event is in it.
fn place(id: &[u8]) -> (String, u64) {
    let id = String::from_utf8(id.to_owned()).unwrap();
    let mut parts = id.split('.');
    (parts.next().unwrap().to_owned(), parts.next().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_go_on_when_a_relay_and_a_server_are_killed() {
    let dir = tempfile::tempdir().unwrap();
    let origin = free_address();
    let compose = read(COMPOSE);
    let words = list(&compose["services"]["origin"], "command")
        .iter()
        .map(|word| match word.as_str().unwrap() {
            "127.0.0.1:9080" => "127.0.0.1:0".to_owned(),
            "0.0.0.0:9081" => origin.to_string(),
            word => word.to_owned(),
        });
    let _origin = start(fanfare().args(words).args(["--admin", "127.0.0.1:0"]));
    let at = Addresses {
        clients: std::array::from_fn(|_| free_address()),
        routes: std::array::from_fn(|_| free_address()),
    };
    let mut engines: Vec<Child> = (0..3).map(|n| engine(n, dir.path(), &at)).collect();
    let mut relays: Vec<Member> = (0..3).map(|n| relay(n, dir.path(), &at, origin)).collect();
    let (_haproxy, front) = front(dir.path(), &relays);
    let first = within("an event", event_from(front, None)).await;
    assert!(first.data.contains("/changelog/section/"), "{first:?}");

    let gone = leader(&relays).await;
    relays[gone].process.kill().await.unwrap();
    engines[0].kill().await.unwrap();
    let next = within("the event behind it", event_from(front, Some(&first.id))).await;
    let ((numbering, before), (same, behind)) = (place(&first.id), place(&next.id));
    assert!(numbering == same && behind > before, "{first:?} {next:?}");
    relays.remove(gone);
    leader(&relays).await;
    let mut last = next;
    for _ in 0..5 {
        let next = within("an event", event_from(front, Some(&last.id))).await;
        assert!(place(&next.id) > place(&last.id), "{last:?} {next:?}");
        last = next;
    }
}
