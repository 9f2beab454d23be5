//! PyPI's `httpx-sse`, used as its documentation says: iterate, and come back with the last event
//! ID.
//!
//! It has no reconnection of its own (`tests/clients/python/sse.py` does what its users do), and
//! differs from the standard in one respect: once there was an id, a block without data is an event
//! with empty data to it, so comments are too. That is so with any server; the stories leave those
//! events out.

use crate::event_source::{CUTTING, is_all_compressed};
use crate::foreign::Foreign;
use crate::stream::{EVERYTHING, TYPES, assert_numbered, dispatched, publish, publish_while_it_is_cut};
use crate::support::client::Event;
use crate::support::origin::TestOrigin;
use crate::support::relay::{PATH, Setup};
use crate::tools::{file, installed};
use std::net::SocketAddr;
use tokio::process::Command;

async fn start(relay: SocketAddr, last_event_id: &str) -> Foreign {
    let mut command = Command::new(installed("tests/clients/python/.venv/bin/python"));
    command
        .arg(file("tests/clients/python/sse.py"))
        .args([&format!("http://{relay}{PATH}"), last_event_id]);
    let mut client = Foreign::start(command).await;
    client.opened().await;
    client
}

fn with_data(events: Vec<Event>) -> Vec<Event> {
    events.into_iter().filter(|event| !event.data.is_empty()).collect()
}

#[tokio::test]
async fn it_yields_what_an_event_source_would() {
    let origin = TestOrigin::start().await;
    let (relay, mut conn) = Setup::over(&origin).source("ids: pass").start_with(&origin).await;
    let mut client = start(relay.address, "").await;
    for piece in EVERYTHING.as_bytes().chunks(7) {
        conn.body(piece).await;
    }
    client.until_data("last").await;
    let mut events = with_data(client.events());
    // It yields events of all types.
    events.retain(|event| TYPES.contains(&&event.event_type[..]));
    assert_eq!(events, with_data(dispatched(EVERYTHING)));
}

#[tokio::test]
async fn it_misses_and_doubles_nothing_however_often_it_is_cut() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source(CUTTING);
    let (relay, mut conn) = setup.start_with(&origin).await;
    let mut client = start(relay.address, "").await;
    let events = publish_while_it_is_cut(&mut conn, &mut client, 5).await;
    assert_numbered(&with_data(client.events()), 0..events);
    assert_eq!(client.count("error"), 0, "each stream ended in order");
    assert!(relay.metric(r#"fanfare_resumes_total{source="s",outcome="exact"}"#) >= 4.0);
    assert_eq!(relay.metric(r#"fanfare_resumes_total{source="s",outcome="gap"}"#), 0.0);
}

#[tokio::test]
async fn compressed_it_misses_and_doubles_nothing_either() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source(&format!("{CUTTING}\ncompress: gzip"));
    let (relay, mut conn) = setup.start_with(&origin).await;
    let mut client = start(relay.address, "").await;
    let events = publish_while_it_is_cut(&mut conn, &mut client, 5).await;
    assert_numbered(&with_data(client.events()), 0..events);
    assert_eq!(client.count("error"), 0, "each stream ended in order");
    assert!(is_all_compressed(&relay).await, "in clear");
}

#[tokio::test]
async fn it_goes_on_after_the_id_that_it_names() {
    let origin = TestOrigin::start().await;
    let (relay, mut conn) = Setup::over(&origin).source("ids: pass").start_with(&origin).await;
    publish(&mut conn, 0..5).await;
    relay.received(5).await;
    let mut client = start(relay.address, "2").await;
    publish(&mut conn, 5..6).await;
    assert_numbered(&with_data(client.until_data("5").await), 3..6);
    // One that the log has never held: the gap is an event like any other.
    let mut client = start(relay.address, "unheard-of").await;
    let first = client.next_event().await;
    let gap = if first.data.is_empty() {
        client.next_event().await
    } else {
        first
    };
    assert_eq!(gap.gap().as_deref(), Some("unknown_id"));
    assert_numbered(&with_data(client.until_data("5").await), 0..6);
}
