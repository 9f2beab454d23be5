//! Who opens a job gets its first events, wherever its stream, or its poll, begins.

use super::templated::{begun, jobs, opened, rest};
use crate::support::client::{TestClient, ask, get};

/// What comes in one piece with the origin's response head.
fn head_and(events: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n{events}")
}

#[tokio::test]
async fn the_client_that_opens_a_job_gets_its_first_events_wherever_others_start() {
    for (start, ids) in [
        ("live", "assign"),
        ("live", "pass"),
        ("latest", "assign"),
        ("latest", "auto"),
        ("earliest", "auto"),
    ] {
        let (relay, origin) = jobs(&format!("start: {start}\nids: {ids}")).await;
        // Kept, or the origin would be called again.
        let mut conns = Vec::new();
        for n in 0..10 {
            let request = get(&format!("/jobs/{n}"));
            let mut opens = request.send(relay.address).await;
            let mut conn = origin.accept().await;
            // One that comes meanwhile waits for the same answer.
            let mut waits = request.send(relay.address).await;
            relay.eventually_clients(2).await;
            conn.send(head_and("id: a\ndata: 1\n\ndata: 2\n\n")).await;
            for client in [&mut opens, &mut waits] {
                assert_eq!(client.read_head().await.status, 200);
                client.opened().await;
                // The id of the place, if it has one, doesn't claim that anything was seen.
                let place = client.seen_id.clone().unwrap_or_default();
                assert!(place.is_empty() || place.ends_with(b".0"), "{}", place.escape_ascii());
                for data in ["1", "2"] {
                    let event = client.next_event().await;
                    assert_eq!(event.data, data, "start: {start}, ids: {ids}, job {n}");
                }
            }
            drop((opens, waits));
            relay.eventually_clients(0).await;
            conns.push(conn);
        }
    }
}

#[tokio::test]
async fn a_client_that_was_cut_before_its_first_event_loses_none() {
    let (relay, origin) = jobs("start: live\nids: assign").await;
    let (client, mut conn) = opened(&relay, &origin, "a").await;
    let place = client.last_event_id.clone();
    assert!(place.ends_with(b".0"), "{}", place.escape_ascii());
    client.reset();
    conn.event("data: 1").await;
    relay.received(1).await;
    let mut client = relay.open(&get("/jobs/a").last_event_id(place)).await;
    assert_eq!(client.next_event().await.data, "1");
}

#[tokio::test]
async fn a_poll_that_opens_a_job_gets_its_first_events_too() {
    let (relay, origin) = jobs("start: live").await;
    let poll = ask("GET", "/jobs/a")
        .header("Accept", "application/json")
        .header("Connection", "close");
    let mut client = poll.send(relay.address).await;
    let mut conn = origin.accept().await;
    conn.send(head_and("data: 1\n\n")).await;
    assert_eq!(client.read_head().await.status, 200);
    let answer = answer_of(client).await;
    assert_eq!(answer["events"][0]["data"], "1", "{answer:#}");
}

async fn answer_of(mut client: TestClient) -> serde_json::Value {
    client.end().await;
    serde_json::from_slice(&client.body).unwrap()
}

#[tokio::test]
async fn one_that_waited_gets_the_terminal_event_though_nothing_lingers() {
    let (relay, origin) = jobs("start: live\nlinger: 0s\nend_when: { event: done }").await;
    let mut client = get("/jobs/a").send(relay.address).await;
    let mut conn = origin.accept().await;
    conn.send(head_and("data: 1\n\nevent: done\ndata: 2\n\n")).await;
    assert_eq!(rest(&mut begun(client).await).await, ["1", "2"]);
    client = get("/jobs/b").send(relay.address).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn.event("event: done\ndata: 3").await;
    assert_eq!(rest(&mut begun(client).await).await, ["3"]);
}
