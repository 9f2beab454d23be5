//! Sources with parameters: a stream per job, which ends.

mod asking;
mod ending;
mod engine;
mod leading;

use crate::jobs_origin::Jobs;
use crate::nats::{Nats, Version};
use crate::said;
use crate::support::client::{Event, TestClient, get};
use crate::support::process::TestProcess;
use crate::support::relay::{Setup, TestRelay, eventually};
use async_nats::jetstream;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio_stream::StreamExt as _;

/// A relay of a fleet over these jobs.
fn member(nats: &Nats, jobs: &Jobs, instance: &str, replicas: usize) -> Setup {
    let urls = nats.urls();
    let fleet = format!("fleet: {{ nats: [{urls}], instance: {instance}, replicas: {replicas}, append_timeout: 2s }}");
    Setup::at(&jobs.url())
        .path("/events/{job}")
        .top(&fleet)
        .top("drain: { spread: 0s }")
        .source("fleet: true\nend_when: [{ event: done }]")
}

fn of(job: &str) -> crate::support::client::Ask {
    get(&format!("/events/{job}"))
}

/// A client that has its stream. Right after the start the log may not be open yet: then it comes back.
async fn client(address: SocketAddr, job: &str, id: Option<&[u8]>) -> TestClient {
    let ask = match id {
        Some(id) => of(job).last_event_id(id),
        None => of(job),
    };
    let mut client = ask.open(address).await;
    client.opened().await;
    client
}

/// A relay whose log is open.
async fn started(setup: &Setup) -> TestRelay {
    let relay = setup.start();
    relay.eventually_status("/sources/0/state", "live").await;
    relay
}

fn numbers(first: usize, last: usize) -> Vec<String> {
    (first..=last).map(|n| n.to_string()).collect()
}

/// All events to the stream's end.
async fn to_the_end(client: &mut TestClient) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = client.try_next_event().await {
        events.push(event);
    }
    events
}

/// The subjects that a source's stream holds, and how many messages of each.
async fn subjects(nats: &Nats) -> Vec<(String, usize)> {
    let engine = jetstream::new(async_nats::connect(nats.address(0).to_string()).await.unwrap());
    let stream = engine.get_stream("fanfare-cw").await.unwrap();
    let mut info = stream.info_with_subjects("fanfare.cw.*").await.unwrap();
    let mut subjects = Vec::new();
    while let Some(subject) = info.next().await {
        subjects.push(subject.unwrap());
    }
    subjects.retain(|(subject, _)| subject != "fanfare.cw._");
    subjects
}
