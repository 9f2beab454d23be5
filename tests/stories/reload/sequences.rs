//! Random sequences of configurations under load: what is there at the end is what a fresh start
//! with the last one would have, and clients of what did not change have noticed nothing.

use crate::support::client::{TestClient, ask, get};
use crate::support::relay::{TestRelay, eventually};
use crate::support::tls;
use fanfare::config::{self, Config, Loaded};
use fanfare::relay::Reloaded;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// An event each; a client that is away for a while misses some.
const EVENT_EVERY: Duration = Duration::from_millis(4);
const STEPS: usize = 10;
const NAMES: [&str; 3] = ["a", "b", "jobs"];
const PATHS: [&str; 7] = ["/fixed", "/a", "/a2", "/b", "/b2", "/jobs/1", "/passed"];

/// Sends event `n` at `n` times `EVENT_EVERY`, to any number of connections, each from the id on
/// that it asks with.
struct Origin(SocketAddr);

impl Origin {
    async fn start(began: Instant) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, began));
            }
        });
        Self(address)
    }
}

fn current(began: Instant) -> u128 {
    began.elapsed().as_millis() / EVENT_EVERY.as_millis()
}

async fn serve(mut stream: TcpStream, began: Instant) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let request = String::from_utf8_lossy(&request).to_ascii_lowercase();
    let asked = request
        .lines()
        .find_map(|line| line.strip_prefix("last-event-id: ")?.trim().parse().ok());
    let mut sent = asked.unwrap_or_else(|| current(began));
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        .await?;
    loop {
        let mut events = String::new();
        while sent < current(began) {
            sent += 1;
            events += &format!("id: {sent}\ndata: {sent}\n\n");
        }
        stream.write_all(events.as_bytes()).await?;
        tokio::time::sleep(EVENT_EVERY).await;
    }
}

/// Follows a path for as long as it may, and comes back as a browser would. Ids come in order and
/// each once, over all its connections. How many connections it had.
async fn follow(address: SocketAddr, path: &'static str, stop: Arc<AtomicBool>, seed: u64) -> usize {
    let (mut last, mut connections) = (None::<u64>, 0);
    while !stop.load(Ordering::Relaxed) {
        let request = match last {
            Some(id) => get(path).last_event_id(id.to_string()),
            None => get(path),
        };
        let mut client = request.send(address).await;
        let head = client.read_head().await;
        if head.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        connections += 1;
        while let Some(event) = next(&mut client, &stop).await {
            if event.gap().is_some() {
                last = None;
                continue;
            }
            let id: u64 = event.data.parse().unwrap();
            assert!(
                last.is_none_or(|last| id == last + 1),
                "{path}, seed {seed}: {id} after {last:?}"
            );
            last = Some(id);
        }
    }
    connections
}

async fn next(client: &mut TestClient, stop: &AtomicBool) -> Option<crate::support::client::Event> {
    if stop.load(Ordering::Relaxed) {
        return None;
    }
    client.try_next_event().await
}

/// Listeners in YAML, over what these stories are told over.
fn listening(addresses: &str) -> String {
    let listeners = addresses.split(", ").map(tls::listener);
    let quoted = listeners.map(|one| if one.contains('{') { one } else { format!("\"{one}\"") });
    quoted.collect::<Vec<_>>().join(", ")
}

/// A file that has the source `fixed`, and the rest at random.
fn file(random: &mut fastrand::Rng, origins: &[Origin]) -> String {
    let one = |random: &mut fastrand::Rng| origins[random.usize(..origins.len())].0;
    let listeners = [
        "127.0.0.1:0",
        "127.0.0.1:0, 127.0.0.2:0",
        "127.0.0.1:0, 127.0.0.3:0, 127.0.0.2:0",
    ];
    let mut yaml = format!(
        "listen: [{}]\nadmin: 127.0.0.1:0\nworkers: 2\ndrain: {{ spread: {}ms }}\n\
         limits: {{ clients: {}, channels: {}, accepts_per_second: {} }}\n",
        listening(listeners[random.usize(..3)]),
        random.u32(..100),
        random.u32(100..200),
        random.u32(5..9),
        [0, 1000][random.usize(..2)],
    );
    if random.bool() {
        yaml += &format!("pass: [{{ prefix: /passed, to: \"http://{}\" }}]\n", one(random));
    }
    yaml += &format!(
        "sources:\n  fixed: {{ path: /fixed, upstream: \"http://{}/\" }}\n",
        origins[0].0
    );
    for name in NAMES {
        if random.u32(..4) == 0 {
            continue;
        }
        let (path, parameter) = match name {
            "jobs" => ("/jobs/{job}".to_owned(), "{job}"),
            plain => (format!("/{plain}{}", ["", "2"][usize::from(random.u32(..4) == 0)]), ""),
        };
        let mut keys = format!(
            "path: \"{path}\", upstream: {{ url: \"http://{}/{parameter}\"",
            one(random)
        );
        if random.bool() {
            keys += ", headers: { x-a: b }";
        }
        keys += ", reconnect: 20ms }";
        for line in [
            "heartbeat: { every: 50ms }",
            "log: { events: 20 }",
            "log: { events: 5000 }",
            "required: false",
            "ids: pass",
            "max_age: 1s",
            "stagger: 20ms",
            "coalesce: 10ms",
            "end_when: { event: never }",
        ] {
            let key = line.split(':').next().unwrap();
            if random.u32(..4) == 0 && !keys.contains(&format!(", {key}:")) {
                keys += &format!(", {line}");
            }
        }
        if name == "jobs" {
            keys = keys.replace(", required: false", "");
        }
        yaml += &format!("  {name}: {{ {keys} }}\n");
    }
    yaml
}

fn printed(config: Config) -> String {
    config::print(&Loaded::without_file(config))
}

/// What clients and operators can see of a relay, but for addresses and times.
async fn seen(relay: &TestRelay) -> Vec<String> {
    let mut seen = Vec::new();
    for path in PATHS {
        let answer = ask("HEAD", path)
            .header("Accept", "text/event-stream")
            .answer(relay.address)
            .await;
        seen.push(format!(
            "{path}: {} {:?}",
            answer.head.status,
            answer.head.header("content-type")
        ));
    }
    let status = relay.status().await;
    for source in status["sources"].as_array().unwrap() {
        let upstreams: Vec<_> = source["upstreams"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["name"])
            .collect();
        seen.push(format!(
            "{} {} {} {upstreams:?}",
            source["name"], source["paths"], source["required"]
        ));
    }
    seen.push(format!("{} {}", status["not_in_force"], relay.relay.addresses().len()));
    for limit in ["clients", "descriptors"] {
        seen.push(format!(
            "{limit} {}",
            relay.metric(&format!("fanfare_limit{{limit=\"{limit}\"}}"))
        ));
    }
    let text = relay.relay.status_provider().metrics().render();
    let connected = text
        .lines()
        .filter(|line| line.starts_with("fanfare_upstream_connected{"));
    let mut connected: Vec<_> = connected
        .filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()))
        .collect();
    connected.sort();
    seen.extend(connected);
    seen
}

async fn sequence(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let began = Instant::now();
    let origins = [Origin::start(began).await, Origin::start(began).await];
    let relay = TestRelay::read(&file(&mut random, &origins));
    let address = relay.address;
    let stop = Arc::new(AtomicBool::new(false));
    let follow = |path| tokio::spawn(follow(address, path, stop.clone(), seed));
    let fixed: Vec<_> = (0..5).map(|_| follow("/fixed")).collect();
    let others: Vec<_> = ["/a", "/b", "/jobs/1", "/jobs/2"].map(follow).into();
    let in_force = |relay: &TestRelay| relay.relay.reloader().in_force().unwrap();
    let mut last = String::new();
    for step in 0..STEPS {
        last = file(&mut random, &origins);
        let reloaded = relay.relay.reloader().apply(super::read(&last), Vec::new());
        assert!(
            !matches!(reloaded, Reloaded::Rejected(_) | Reloaded::Leaving),
            "seed {seed}, step {step}: {reloaded:?}"
        );
        assert_eq!(
            printed((*in_force(&relay)).clone()),
            printed(super::read(&last)),
            "seed {seed}, step {step}"
        );
        tokio::time::sleep(Duration::from_millis(random.u64(10..250))).await;
    }
    for source in &super::read(&last).sources {
        assert_eq!(relay.settings_of(&source.name), *source, "seed {seed}");
    }
    let fresh = TestRelay::read(&last);
    assert_eq!(seen(&relay).await, seen(&fresh).await, "seed {seed}:\n{last}");
    let is_other = |line: &&str| NAMES.iter().any(|name| line.starts_with(&format!("  {name}:")));
    let alone: Vec<&str> = last.lines().filter(|line| !is_other(line)).collect();
    relay.relay.reloader().apply(super::read(&alone.join("\n")), Vec::new());
    let alone = || {
        let text = relay.relay.status_provider().metrics().render();
        let open = text
            .lines()
            .filter(|line| line.starts_with("fanfare_clients{") && !line.ends_with(" 0"));
        open.clone().all(|line| line.contains("\"fixed\""))
    };
    eventually("the clients of what is gone to have left", alone).await;
    stop.store(true, Ordering::Relaxed);
    for client in fixed {
        assert_eq!(
            client.await.unwrap(),
            1,
            "seed {seed}: a client of what did not change was cut"
        );
    }
    for client in others {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn what_is_there_at_the_end_is_what_a_fresh_start_has() {
    for seed in 1..=3 {
        sequence(seed).await;
    }
}

/// Other sequences each time.
#[tokio::test]
async fn so_it_is_after_any_sequence() {
    sequence(fastrand::u64(1000..)).await;
}
