//! `deploy/fleet/accounts.conf`: with what it grants all works, what it does not grant is refused, and
//! where something of it is missing the relay says what.

use crate::nats::{Nats, PASSWORDS, Version};
use crate::security::{keeps_secrets, live, says};
use crate::support::client::get;
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};
use crate::{Feed, client, leader, said, up_to};
use async_nats::jetstream::{self, stream};
use async_nats::{Client, ConnectOptions, Event};
use tokio::sync::mpsc::UnboundedReceiver;

/// Files of the folder, for the source of stories instead of `changelog`.
fn shipped(name: &str) -> String {
    let path = format!("{}/deploy/fleet/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().replace("Y2hhbmdlbG9n", "cw")
}

fn password(user: &str) -> &'static str {
    let variable = format!("{}_PASSWORD", user.to_uppercase());
    PASSWORDS.iter().find(|(name, _)| *name == variable).unwrap().1
}

fn member(nats: &Nats, feed: &Feed, instance: &str, user: &str) -> Setup {
    let fleet = format!(
        "fleet: {{ nats: [{}], instance: {instance}, replicas: 1, append_timeout: 1s, create: {}, user: {user}, password: {} }}",
        nats.urls(),
        user == "first",
        password(user)
    );
    Setup::at(&feed.url())
        .top(&fleet)
        .top("drain: { spread: 0s }")
        .source("fleet: true")
}

/// A client of the engine's own, and what the engine says to it.
async fn connected(nats: &Nats, user: &str, inbox: &str) -> (Client, UnboundedReceiver<Event>) {
    let (says, said) = tokio::sync::mpsc::unbounded_channel();
    let client = ConnectOptions::with_user_and_password(user.to_owned(), password(user).to_owned())
        .custom_inbox_prefix(inbox)
        .event_callback(move |event| {
            let _ = says.send(event);
            std::future::ready(())
        })
        .connect(nats.address(0).to_string())
        .await
        .unwrap();
    (client, said)
}

/// What docs/fleet.md has an operator do for `create: false`, by the interface that its tools use.
async fn made(nats: &Nats) {
    let (client, _) = connected(nats, "maker", "_INBOX").await;
    let engine = jetstream::new(client);
    for file in ["stream.json", "leases.json"] {
        let text = shipped(file).replace("\"num_replicas\": 3", "\"num_replicas\": 1");
        let config: stream::Config = serde_json::from_str(&text).unwrap();
        engine.create_stream(config).await.unwrap();
    }
}

/// Starts, a client at another instance, a long way to read, a clean end.
async fn all_works(version: Version, user: &str) {
    let nats = Nats::start_with(version, 1, &shipped("accounts.conf")).await;
    if user == "relay" {
        made(&nats).await;
    }
    let feed = Feed::start_with(true, &format!("event: {}\n", "x".repeat(1000))).await;
    let mut processes = Vec::new();
    for name in ["a", "b"] {
        processes.push(TestProcess::start(&member(&nats, &feed, name, user)).await);
    }
    let first = leader(&processes.iter().collect::<Vec<_>>()).await;
    let mut follower = client(&processes[1 - first], None).await;
    let history = {
        let last = feed.publish(6000).to_string();
        up_to(&mut follower, &last).await
    };
    // It reads some MiB of the log at once: the engine paces that.
    let third = TestProcess::start(&member(&nats, &feed, "c", user)).await;
    let mut client = get(PATH).last_event_id(&history[5].id).open(third.address).await;
    assert_eq!(up_to(&mut client, "6000").await, history[6..]);
    processes[first].terminate();
    assert!(processes[first].exit().await.success());
    let last = feed.publish(10).to_string();
    let numbers: Vec<String> = (6001..=6010).map(|n| n.to_string()).collect();
    assert_eq!(said(&up_to(&mut client, &last).await), numbers);
    assert_eq!(said(&up_to(&mut follower, &last).await), numbers);
    leader(&[&processes[1 - first], &third]).await;
    for relay in [&processes[1 - first], &third] {
        live(relay).await;
        assert!(
            relay
                .log_lines("the stream has other limits than the configuration: it is used as it is")
                .is_empty()
        );
        keeps_secrets(relay, &["hunter"]).await;
    }
    let refused: Vec<String> = nats
        .log(0)
        .lines()
        .filter(|line| line.contains("Violation"))
        .map(str::to_owned)
        .collect();
    assert_eq!(refused, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_works_where_streams_are_made_on_the_oldest_engine() {
    all_works(Version::V2_9, "first").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_works_where_streams_are_made_on_the_newest_engine() {
    all_works(Version::V2_15, "first").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_works_where_streams_are_there_on_the_oldest_engine() {
    all_works(Version::V2_9, "relay").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_works_where_streams_are_there_on_the_newest_engine() {
    all_works(Version::V2_15, "relay").await;
}

/// What no relay asks for, and who has its password might.
const REFUSED: [&str; 18] = [
    "fanfare.b3RoZXI._",
    "$JS.API.INFO",
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.LIST",
    "$JS.API.STREAM.CREATE.fanfare-cw",
    "$JS.API.STREAM.CREATE.other",
    "$JS.API.STREAM.UPDATE.fanfare-cw",
    "$JS.API.STREAM.DELETE.fanfare-cw",
    "$JS.API.STREAM.DELETE.KV_fanfare-leases",
    "$JS.API.STREAM.PURGE.fanfare-cw",
    "$JS.API.STREAM.SNAPSHOT.fanfare-cw",
    "$JS.API.STREAM.MSG.DELETE.fanfare-cw",
    "$JS.API.STREAM.INFO.other",
    "$JS.API.STREAM.LEADER.STEPDOWN.fanfare-cw",
    "$JS.API.CONSUMER.CREATE.other",
    "$KV.other.cw",
    "_INBOX.fanfare.x",
    "anything",
];

const NOT_READ: [&str; 5] = [">", "fanfare.>", "_INBOX.*.>", "$KV.fanfare-leases.>", "$JS.API.>"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_granted_is_refused() {
    for version in [Version::V2_9, Version::V2_15] {
        let nats = Nats::start_with(version, 1, &shipped("accounts.conf")).await;
        let (client, mut said) = connected(&nats, "relay", "_INBOX.fanfare").await;
        let mut next = async || loop {
            match said.recv().await.unwrap() {
                Event::ServerError(error) => return error.to_string(),
                _ => continue,
            }
        };
        for subject in REFUSED {
            client.publish(subject, "{}".into()).await.unwrap();
            assert!(next().await.contains(&format!("Publish to \"{subject}\"")), "{subject}");
        }
        for subject in NOT_READ {
            let _subscription = client.subscribe(subject).await.unwrap();
            assert!(
                next().await.contains(&format!("Subscription to \"{subject}\"")),
                "{subject}"
            );
        }
    }
}

/// Grants of the first list whose lack is not noticed by an instance that has just started: a reader
/// that is made again, or taken away.
const LATER: [&str; 2] = ["CONSUMER.CREATE.fanfare-cw.>", "CONSUMER.DELETE"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_said() {
    let accounts = shipped("accounts.conf");
    let granted: Vec<&str> = accounts
        .lines()
        .take_while(|line| !line.starts_with("CREATES"))
        .filter(|line| line.trim().starts_with('"') || line.contains("subscribe"))
        .collect();
    assert_eq!(granted.len(), 10);
    for line in granted {
        if LATER.iter().any(|later| line.contains(later)) {
            continue;
        }
        let subject = line
            .trim()
            .trim_start_matches("subscribe: [")
            .trim_end_matches(']')
            .trim_matches('"');
        let without = accounts.replacen(line, "\"nothing\"", 1);
        let without = match line.contains("subscribe") {
            true => accounts.replacen(line, "  subscribe: [\"nothing\"]", 1),
            false => without,
        };
        let nats = Nats::start_with(Version::V2_15, 1, &without).await;
        made(&nats).await;
        let feed = Feed::start_with(true, &format!("event: {}\n", "x".repeat(1000))).await;
        let first = TestProcess::start(&member(&nats, &feed, "a", "first")).await;
        live(&first).await;
        let mut follower = client(&first, None).await;
        let last = feed.publish(6000).to_string();
        up_to(&mut follower, &last).await;
        let relay = TestProcess::start(&member(&nats, &feed, "b", "relay")).await;
        if subject.starts_with("fanfare") {
            // It has to lead before it appends.
            drop(first);
        }
        let beginning = subject.trim_end_matches(['*', '>']);
        says(&relay, beginning).await;
    }
}
