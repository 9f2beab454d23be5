//! Several relays that share a log, over real engines: the oldest nats-server that is supported and
//! the newest, alone and as three replicas. An engine that is missing is a failure (scripts/setup
//! installs them).
#![allow(unreachable_pub, reason = "modules of one test program")]
#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

#[path = "../support/mod.rs"]
mod support;

mod away;
mod chaos;
mod coalesce;
mod cost;
mod faults;
mod failover;
mod handover;
mod history;
mod jobs;
mod jobs_origin;
mod local;
mod metrics;
mod muddle;
mod feed;
mod nats;
mod identity;
mod numbering;
mod permissions;
mod proxy;
mod scene;
mod security;
mod shapes;
mod starts;
mod witness;

use feed::Feed;
use support::client::{Event, TestClient, get};
use support::process::TestProcess;
use support::relay::{PATH, Setup};

/// A relay of a fleet over this engine.
fn member(nats: &str, feed: &Feed, instance: &str, replicas: usize) -> Setup {
    let fleet = format!("fleet: {{ nats: [{nats}], instance: {instance}, replicas: {replicas}, append_timeout: 2s }}");
    Setup::at(&feed.url())
        .top(&fleet)
        .top("drain: { spread: 0s }")
        .source("fleet: true")
}

/// The events of a client up to one with this data, gaps among them.
async fn up_to(client: &mut TestClient, data: &str) -> Vec<Event> {
    client.until_data(data).await
}

/// What events say, gap events by their reason.
fn said(events: &[Event]) -> Vec<String> {
    let said = |event: &Event| {
        event
            .gap()
            .map_or_else(|| event.data.clone(), |reason| format!("gap: {reason}"))
    };
    events.iter().map(said).collect()
}

/// A client of a process.
async fn client(process: &TestProcess, id: Option<&[u8]>) -> TestClient {
    let ask = match id {
        Some(id) => get(PATH).last_event_id(id),
        None => get(PATH),
    };
    let mut client = ask.open(process.address).await;
    client.opened().await;
    client
}

/// Which of them leads, once one does, is connected to the origin, and all agree on it.
async fn leader(processes: &[&TestProcess]) -> usize {
    let began = std::time::Instant::now();
    loop {
        let mut leaders = Vec::new();
        let mut terms = Vec::new();
        for process in processes {
            let status = process.status().await;
            let source = &status["sources"][0];
            let fleet = &source["fleet"];
            // What comes before it is connected is missed.
            leaders.push(fleet["is_leader"] == true && source["upstreams"][0]["state"] == "connected");
            terms.push(fleet["term"].as_u64().unwrap());
        }
        let is_agreed = terms[0] > 0 && terms.iter().all(|term| *term == terms[0]);
        if is_agreed && leaders.iter().filter(|leads| **leads).count() == 1 {
            return leaders.iter().position(|leads| *leads).unwrap();
        }
        assert!(began.elapsed().as_secs() < 30, "{leaders:?} {terms:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
