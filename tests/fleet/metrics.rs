//! Each series of a shared log moves.

use crate::nats::{Nats, Version};
use crate::support::relay::{TestRelay, eventually};
use crate::{Feed, member, up_to};
use async_nats::jetstream::{self, Context};
use std::time::{Duration, Instant};
use tokio_stream::StreamExt as _;

const STREAM: &str = "fanfare-cw";

fn series(name: &str) -> String {
    format!("fanfare_fleet_{name}{{source=\"s\"}}")
}

/// While the engine is away, one that goes on alone says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_on_alone_is_seen() {
    let mut nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(false).await;
    let fleet = format!(
        "fleet: {{ nats: [{}], instance: a, replicas: 1, append_timeout: 1s, when_away: local }}",
        nats.urls()
    );
    let relay = crate::Setup::at(&feed.url()).top(&fleet).source("fleet: true").start();
    live(&relay).await;
    let values = || {
        (
            relay.metric(&series("local")),
            relay.metric(&series("gone_local_total")),
        )
    };
    assert_eq!(values(), (0.0, 0.0));
    nats.kill(0);
    eventually("it to go on alone", || values() == (1.0, 1.0)).await;
    nats.run(0).await;
    eventually("it to be back", || values() == (0.0, 1.0)).await;
}

async fn live(relay: &TestRelay) {
    relay.eventually_status("/sources/0/state", "live").await;
}

/// Lets the readers of a stream fall silent.
async fn take_consumers_away(engine: &Context) {
    let stream = engine.get_stream(STREAM).await.unwrap();
    let names: Vec<String> = stream.consumer_names().map(Result::unwrap).collect().await;
    assert!(!names.is_empty());
    for name in names {
        stream.delete_consumer(&name).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_series_moves() {
    let mut nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(false).await;
    let a = member(&nats.urls(), &feed, "a", 1).start();
    live(&a).await;
    let b = member(&nats.urls(), &feed, "b", 1).start();
    live(&b).await;
    let value = |name: &str| a.metric(&series(name));
    assert_eq!((value("leader"), b.metric(&series("leader"))), (1.0, 0.0));
    assert!(value("term") > 0.0 && value("term") == b.metric(&series("term")));
    let mut client = a.client().await;
    let last = feed.publish(10).to_string();
    up_to(&mut client, &last).await;
    // The term record, and what holds the events; the answer may come behind what is read back.
    eventually("appends to be timed", || value("append_seconds_count") >= 2.0).await;

    // What others write says nothing, and is in the way of an append once in a while.
    let engine = jetstream::new(async_nats::connect(nats.address(0).to_string()).await.unwrap());
    let began = Instant::now();
    while value("appends_refused_total") == 0.0 {
        assert!(began.elapsed() < Duration::from_secs(20));
        feed.publish(20);
        engine
            .publish("fanfare.cw._", "not of ours".into())
            .await
            .unwrap()
            .await
            .unwrap();
    }
    assert!(value("resyncs_total") > 0.0);
    let last = feed.publish(1).to_string();
    let history = up_to(&mut client, &last).await;
    let wanted: Vec<String> = (11..=last.parse().unwrap()).map(|n: u64| n.to_string()).collect();
    assert_eq!(crate::said(&history), wanted);

    take_consumers_away(&engine).await;
    feed.publish(10);
    // One of them is found first by its own reader.
    let behind = || [&a, &b].iter().any(|relay| relay.metric(&series("lag_events")) > 0.0);
    eventually("one to be behind", behind).await;
    for relay in [&a, &b] {
        let rebuilt = || relay.metric(&series("consumer_rebuilds_total")) > 0.0;
        eventually("the log to be read anew", rebuilt).await;
        relay.eventually_metric(&series("lag_events"), 0.0).await;
    }

    nats.kill(0);
    feed.publish(30);
    eventually("events to wait", || value("buffered_events") >= 30.0).await;
    eventually("the lease to grow old", || value("lease_age_seconds") > 3.0).await;
    nats.run(0).await;
    a.eventually_metric(&series("buffered_events"), 0.0).await;
}
