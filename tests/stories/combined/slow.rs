//! Clients of several sources that don't keep up.

use super::{ALL, COMBINE, Pair, gap_of};
use crate::support::client::{End, Event, TestClient, get};
use crate::support::filler::nth_filler;
use crate::support::origin::Conn;
use crate::support::relay::{TestRelay, eventually};
use std::time::Duration;

/// So large that a few of them fill every buffer between the relay and a client that doesn't read.
const EVENT_BYTES: usize = 16 * 1024;

fn source(slow_client: &str) -> String {
    format!(
        "ids: pass, log: {{ ask_origin: 0s, bytes: 64MiB }}, slow_client: {{ {slow_client}, bytes: 256KiB }}, \
         heartbeat: {{ every: 300ms }}, filters: 4, end_when: {{ event: done }}"
    )
}

fn large(name: &str, n: u64) -> String {
    format!(
        "id: {n}\nevent: large\ndata: {name} {}",
        nth_filler(n as usize, EVENT_BYTES)
    )
}

/// Which source an event is of.
fn is_of(event: &Event) -> usize {
    usize::from(!event.data.starts_with("a "))
}

async fn lag(pair: &Pair) -> u64 {
    let status = pair.relay.status().await;
    let max = status.pointer("/combined/0/lag/bytes/max");
    max.and_then(|max| max.as_u64()).unwrap_or_default()
}

/// Publishes so many of each source in turn until the slowest client is over its bound.
async fn publish_until_late(pair: &mut Pair, good: &mut TestClient, each: [u64; 2], published: &mut [u64; 2]) {
    while lag(pair).await <= 300 * 1024 {
        for (n, (conn, name)) in [(&mut pair.a, "a"), (&mut pair.b, "b")].into_iter().enumerate() {
            for _ in 0..each[n] {
                published[n] += 1;
                conn.event(&large(name, published[n])).await;
                good.next_event().await;
                good.forget_body();
            }
        }
        assert!(published.iter().sum::<u64>() < 5_000, "nothing happens");
    }
    // Between two heartbeats its lag is looked at.
    good.next_comment().await;
    good.next_comment().await;
}

#[tokio::test]
async fn what_is_skipped_is_told_by_source() {
    for each in [[3, 1], [2, 0]] {
        for target in [ALL, "/all?event=large"] {
            let skip = source("policy: skip");
            let mut pair = Pair::start([&skip; 2], COMBINE).await;
            let mut slow = get(target).small_receive_buffer().open(pair.relay.address).await;
            let mut good = pair.all().await;
            let (mut published, mut had) = ([0; 2], [0; 2]);
            let first = 'skipped: loop {
                publish_until_late(&mut pair, &mut good, each, &mut published).await;
                // One that was not looked at in time catches up, and falls behind again.
                while had.iter().sum::<u64>() < published.iter().sum() {
                    let event = slow.next_event().await;
                    if event.gap().is_some() {
                        break 'skipped event;
                    }
                    had[is_of(&event)] += 1;
                    assert_eq!(event.data.len(), EVENT_BYTES + 2, "whole");
                }
            };
            pair.b.event("id: 9999\nevent: large\ndata: new").await;
            let mut told = slow.until_data("new").await;
            told.pop();
            told.insert(0, first);
            let told: Vec<_> = told
                .iter()
                .map(|gap| (gap_of(gap), gap.json()["events"].as_u64()))
                .collect();
            let expected: Vec<_> = ["a", "b"]
                .into_iter()
                .zip(published.into_iter().zip(had))
                .filter(|(_, (published, had))| published > had)
                .map(|(name, (published, had))| (("skipped".to_owned(), name.to_owned()), Some(published - had)))
                .collect();
            assert_eq!(told, expected, "{target} {each:?}");
            let gaps = r#"fanfare_gaps_total{source="/all",reason="skipped"}"#;
            assert_eq!(pair.relay.metric(gaps), told.len() as f64);
        }
    }
}

/// The last event of a source is for every client, also while others go on.
#[tokio::test]
async fn no_jump_leads_over_the_end_of_a_source() {
    for target in [ALL, "/all?event=large"] {
        let skip = source("policy: skip");
        let mut pair = Pair::start([&skip; 2], COMBINE).await;
        let mut slow = get(target).small_receive_buffer().open(pair.relay.address).await;
        let mut good = pair.all().await;
        let mut published = [0; 2];
        publish_until_late(&mut pair, &mut good, [1, 0], &mut published).await;
        pair.a.event("id: 9999\nevent: done\ndata: a is over").await;
        assert_eq!(good.next_event().await.data, "a is over");
        for n in 1..=40 {
            pair.b.event(&large("b", n)).await;
            good.next_event().await;
        }
        good.next_comment().await;
        good.next_comment().await;
        let mut gaps = Vec::new();
        let last = loop {
            let event = slow.next_event().await;
            match event.event_type.as_str() {
                "fanfare.gap" => gaps.push(gap_of(&event).1),
                "large" if is_of(&event) == 0 => {}
                _ => break event,
            }
        };
        assert_eq!((&*last.data, gaps), ("a is over", vec!["a".to_owned()]), "{target}");
        assert!(last.id().starts_with("a:9999,b:"), "{}", last.id());
        pair.b.event("id: 9999\nevent: done\ndata: b is over").await;
        assert_eq!(slow.end().await, End::LastChunk);
        let rest = slow.events_so_far();
        assert_eq!(rest.last().map(|event| &*event.data), Some("b is over"));
        let others = rest.iter().filter(|event| event.gap().is_some());
        assert!(others.map(|gap| gap_of(gap).1).all(|source| source == "b"));
    }
}

async fn publish(mut conn: Conn, name: &'static str, events: u64) -> Conn {
    for n in 1..=events {
        conn.event(&large(name, n)).await;
    }
    conn
}

/// Until an origin can't go on: what it is relieved of stands still although it has more.
async fn stands_still(relay: &TestRelay) -> f64 {
    let received = r#"fanfare_events_received_total{source="a"}"#;
    let mut before = -1.0;
    eventually("the upstream to stand still", || {
        let now = relay.metric(received);
        let stands = now == before && now > 0.0;
        before = now;
        std::thread::sleep(Duration::from_millis(100));
        stands
    })
    .await;
    before
}

#[tokio::test]
async fn a_pause_stops_the_origins_and_loses_nothing() {
    for target in [ALL, "/all?event=large"] {
        let pause = source("policy: pause, pause_max: 60s");
        let pair = Pair::start([&pause; 2], COMBINE).await;
        let mut slow = get(target).small_receive_buffer().open(pair.relay.address).await;
        let mut alone = pair.open(&get("/a")).await;
        let Pair { relay, a, b: _b, .. } = pair;
        let publishing = tokio::spawn(publish(a, "a", 400));
        let received = stands_still(&relay).await;
        assert!(received < 100.0, "{target}: {received} events came through");
        for n in 1..=400 {
            let (one, other) = tokio::join!(slow.next_event(), alone.next_event());
            assert!(one.id().starts_with(&format!("a:{n},b:")), "{target}: {}", one.id());
            assert_eq!(other.id(), n.to_string(), "{target}");
        }
        drop(publishing.await.unwrap());
    }
}

#[tokio::test]
async fn a_pause_has_an_end() {
    for target in [ALL, "/all?event=large"] {
        // The bound of one source is the path's.
        let sources = ["policy: pause, pause_max: 1s", "policy: pause, pause_max: 60s"].map(source);
        let pair = Pair::start([&sources[0], &sources[1]], COMBINE).await;
        let mut slow = get(target).small_receive_buffer().open(pair.relay.address).await;
        let mut alone = pair.open(&get("/b")).await;
        let Pair { relay, a: _a, b, .. } = pair;
        let publishing = tokio::spawn(publish(b, "b", 300));
        for n in 1..=300 {
            assert_eq!(alone.next_event().await.id(), n.to_string(), "{target}");
        }
        drop(publishing.await.unwrap());
        let evicted = r#"fanfare_evictions_total{source="/all",reason="pause"}"#;
        relay.eventually_metric(evicted, 1.0).await;
        slow.end().await;
    }
}

/// Who reads a source alone is not held up by a path that it is part of.
#[tokio::test]
async fn where_the_sources_do_not_agree_nothing_waits_and_nothing_is_skipped() {
    for policies in [["policy: pause", "policy: evict"], ["policy: skip", "policy: pause"]] {
        let sources = policies.map(source);
        let pair = Pair::start([&sources[0], &sources[1]], COMBINE).await;
        let mut slow = get(ALL).small_receive_buffer().open(pair.relay.address).await;
        let mut alone = pair.open(&get("/a")).await;
        let Pair {
            relay, mut a, b: _b, ..
        } = pair;
        for n in 1..=300 {
            a.event(&large("a", n)).await;
            assert_eq!(alone.next_event().await.id(), n.to_string());
        }
        let evicted = r#"fanfare_evictions_total{source="/all",reason="bytes"}"#;
        relay.eventually_metric(evicted, 1.0).await;
        slow.end().await;
        let events = slow.events_so_far();
        assert!(events.iter().all(|event| event.gap().is_none()));
        let mut back = relay.open(&get(ALL).last_event_id(&slow.last_event_id)).await;
        let next = back.next_event().await;
        assert_eq!(next.gap(), None);
        assert_eq!(next.data.as_bytes()[..2], *b"a ");
    }
}
