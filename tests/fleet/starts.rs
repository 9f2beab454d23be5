//! Starts: what a new instance knows, and what it does while it knows nothing.

use crate::nats::{Nats, Version};
use crate::support::client::get;
use crate::support::relay::{PATH, Setup};
use crate::{Feed, member, said, up_to};

/// It serves what came before it, under the ids that others gave.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_instance_has_what_came_before() {
    let nats = Nats::start(Version::V2_9, 1).await;
    let feed = Feed::start(false).await;
    let a = member(&nats.urls(), &feed, "a", 1).start();
    a.eventually_status("/sources/0/state", "live").await;
    let mut client = a.client().await;
    let last = feed.publish(100).to_string();
    let history = up_to(&mut client, &last).await;

    let b = member(&nats.urls(), &feed, "b", 1).start();
    // It waits for the log, and goes on exactly.
    let mut client = b.resume(&history[9].id).await;
    assert_eq!(up_to(&mut client, &last).await, history[10..]);
    // One without an id begins with what comes.
    let mut client = b.client().await;
    let last = feed.publish(1).to_string();
    assert_eq!(said(&[client.next_event().await]), [last]);
}

/// While it can't reach the engine, clients are told to come back, and it is not ready.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_engine_clients_are_told_to_come_back() {
    let feed = Feed::start(false).await;
    let nowhere = crate::support::ports::free_address();
    let relay = member(&format!("\"nats://{nowhere}\""), &feed, "a", 1).start();
    let (status, body) = relay.readyz().await;
    assert_eq!((status, &body["reasons"][0]["reason"]), (503, &"log".into()), "{body}");
    let answer = get(PATH).answer(relay.address).await;
    assert_eq!(answer.head.status, 200);
    assert!(
        answer.body.contains("retry: ") && !answer.body.contains("data"),
        "{}",
        answer.body
    );
    assert_eq!(relay.metric(r#"fanfare_refused_total{reason="log"}"#), 1.0);
    assert_eq!(feed.opened(), 0);
}

/// A stream that is another's is not written to; and one that is there with other limits is used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_jetstream_is_said() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(false).await;
    let fleet = format!(
        "fleet: {{ nats: [{}], instance: a, replicas: 3, create: false }}",
        nats.urls()
    );
    let relay = Setup::at(&feed.url()).top(&fleet).source("fleet: true").start();
    let said = || async {
        let (_, body) = relay.readyz().await;
        body["reasons"][0]["detail"].as_str().unwrap_or_default().to_owned()
    };
    let began = std::time::Instant::now();
    while !said()
        .await
        .contains("there is no stream fanfare-cw, and `create` is false")
    {
        assert!(began.elapsed().as_secs() < 20, "{}", said().await);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
