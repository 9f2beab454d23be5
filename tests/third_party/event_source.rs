//! What every EventSource has to see through the relay; `chromium.rs`, `firefox.rs` and `node.rs` say which one.

use crate::foreign::Foreign;
use crate::stream::{EVERYTHING, TYPES, assert_numbered, dispatched, publish, publish_while_it_is_cut};
use crate::support::origin::TestOrigin;
use crate::support::ports::free_address;
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup, TestRelay, eventually};
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;

/// `readyState` of one that will come back by itself (9.2.2).
pub const CONNECTING: u64 = 0;
/// `readyState` of one that has given up for ever.
pub const CLOSED: u64 = 2;

/// The reconnection time when nobody names one; Firefox takes 5 s.
const DEFAULT_RETRY: Duration = Duration::from_secs(3);

/// Lines of a source that cuts its clients again and again. One that is cut before it has seen
/// anything starts anew: hence `earliest`.
pub const CUTTING: &str = "max_age: 300ms\nreconnect: 50ms\nids: pass\nstart: earliest";

/// What an EventSource is asked to do.
pub fn wanted(relay: SocketAddr, types: &[&str]) -> serde_json::Value {
    json!({ "url": format!("http://{relay}{PATH}"), "types": types })
}

/// The stories, of an EventSource that is started by this function.
#[macro_export]
macro_rules! stories_of_an_event_source {
    ($start:path) => {
        #[tokio::test]
        async fn it_dispatches_what_it_would_at_the_origin() {
            $crate::event_source::it_dispatches_what_it_would_at_the_origin($start).await;
        }

        #[tokio::test]
        async fn it_misses_and_doubles_nothing_however_often_it_is_cut() {
            $crate::event_source::it_misses_and_doubles_nothing_however_often_it_is_cut($start).await;
        }

        #[tokio::test]
        async fn compressed_it_misses_and_doubles_nothing_either() {
            $crate::event_source::compressed_it_misses_and_doubles_nothing_either($start).await;
        }

        #[tokio::test]
        async fn it_comes_back_when_it_was_told_to() {
            $crate::event_source::it_comes_back_when_it_was_told_to($start).await;
        }

        #[tokio::test]
        async fn a_gap_is_heard_by_those_who_listen_for_it() {
            $crate::event_source::a_gap_is_heard_by_those_who_listen_for_it($start).await;
        }

        #[tokio::test]
        async fn it_gets_in_when_a_full_relay_has_room() {
            $crate::event_source::it_gets_in_when_a_full_relay_has_room($start).await;
        }

        #[tokio::test]
        async fn it_stops_at_the_end_and_hears_it_once() {
            $crate::event_source::it_stops_at_the_end_and_hears_it_once($start).await;
        }
    };
}

pub async fn it_dispatches_what_it_would_at_the_origin(start: impl AsyncFn(serde_json::Value) -> Foreign) {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source("ids: pass\ncors: { origins: ['*'] }");
    let (relay, mut conn) = setup.start_with(&origin).await;
    let mut client = start(wanted(relay.address, &TYPES)).await;
    client.opened().await;
    for piece in EVERYTHING.as_bytes().chunks(7) {
        conn.body(piece).await;
    }
    client.until_data("last").await;
    assert_eq!(client.events(), dispatched(EVERYTHING));
    assert_eq!((client.count("open"), client.count("error")), (1, 0));
}

pub async fn it_misses_and_doubles_nothing_however_often_it_is_cut(start: impl AsyncFn(serde_json::Value) -> Foreign) {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source(&format!("{CUTTING}\ncors: {{ origins: ['*'] }}"));
    let (relay, mut conn) = setup.start_with(&origin).await;
    let mut client = start(wanted(relay.address, &TYPES)).await;
    let events = publish_while_it_is_cut(&mut conn, &mut client, 5).await;
    assert_numbered(&client.events(), 0..events);
    let errors = client.said.iter().filter(|said| said["kind"] == "error");
    assert!(
        errors.clone().all(|said| said["state"] == CONNECTING),
        "{:?}",
        client.said
    );
    assert!(relay.metric(r#"fanfare_resumes_total{source="s",outcome="exact"}"#) >= 4.0);
    assert_eq!(relay.metric(r#"fanfare_resumes_total{source="s",outcome="gap"}"#), 0.0);
}

/// It asks for gzip by itself. Streams begin within histories, and end in order.
pub async fn compressed_it_misses_and_doubles_nothing_either(start: impl AsyncFn(serde_json::Value) -> Foreign) {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source(&format!(
        "{CUTTING}\ncompress: gzip\nheartbeat: {{ every: 100ms }}\ncors: {{ origins: ['*'] }}"
    ));
    let (relay, mut conn) = setup.start_with(&origin).await;
    let mut client = start(wanted(relay.address, &TYPES)).await;
    let events = publish_while_it_is_cut(&mut conn, &mut client, 5).await;
    assert_numbered(&client.events(), 0..events);
    let errors = client.said.iter().filter(|said| said["kind"] == "error");
    assert!(
        errors.clone().all(|said| said["state"] == CONNECTING),
        "{:?}",
        client.said
    );
    assert!(is_all_compressed(&relay).await, "in clear");
    assert!(relay.metric(r#"fanfare_resumes_total{source="s",outcome="exact"}"#) >= 4.0);
    assert_eq!(relay.metric(r#"fanfare_resumes_total{source="s",outcome="gap"}"#), 0.0);
}

/// Whether all clients that there were took gzip.
pub async fn is_all_compressed(relay: &TestRelay) -> bool {
    let bytes = |what: &str| relay.metric(&format!("fanfare_{what}_bytes_total{{source=\"s\"}}"));
    // Counts are added up once a second.
    eventually("what was sent to be counted", || bytes("uncompressed") > 0.0).await;
    relay.metric("fanfare_bytes_sent_total{source=\"s\"}") <= bytes("compressed")
}

pub async fn it_comes_back_when_it_was_told_to(start: impl AsyncFn(serde_json::Value) -> Foreign) {
    let retry = DEFAULT_RETRY + Duration::from_secs(1);
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source(&format!(
        "max_age: 100ms\nreconnect: {}ms\nreconnect_jitter: 0\ncors: {{ origins: ['*'] }}",
        retry.as_millis()
    ));
    let (relay, _conn) = setup.start_with(&origin).await;
    let mut client = start(wanted(relay.address, &TYPES)).await;
    let gone = client.until("error").await["at"].as_f64().unwrap();
    let back = client.until("open").await["at"].as_f64().unwrap();
    // Its clock has been coarsened.
    assert!(back - gone > retry.as_secs_f64() * 1000.0 - 100.0, "{} ms", back - gone);
}

pub async fn a_gap_is_heard_by_those_who_listen_for_it(start: impl AsyncFn(serde_json::Value) -> Foreign) {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source("ids: pass\ncors: { origins: ['*'] }");
    let (relay, mut conn) = setup.start_with(&origin).await;
    publish(&mut conn, 0..3).await;
    relay.received(3).await;
    for listens in [false, true] {
        let types = if listens {
            &["message", "fanfare.gap"][..]
        } else {
            &["message"]
        };
        let mut request = wanted(relay.address, types);
        // The first request of an EventSource has no header for it.
        request["url"] = format!("http://{}{PATH}?lastEventId=unheard-of", relay.address).into();
        let mut client = start(request).await;
        if listens {
            let gap = client.next_event().await;
            assert_eq!((gap.gap().as_deref(), gap.id()), (Some("unknown_id"), ""));
        }
        assert_numbered(&client.until_data("2").await, 0..3);
    }
}

pub async fn it_gets_in_when_a_full_relay_has_room(start: impl AsyncFn(serde_json::Value) -> Foreign) {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin)
        .top("limits: { clients: 1 }")
        .source("start: latest\nreconnect: 100ms\ncors: { origins: ['*'] }");
    let (relay, mut conn) = setup.start_with(&origin).await;
    conn.event("data: welcome").await;
    relay.received(1).await;
    let inside = relay.client().await;
    let mut client = start(wanted(relay.address, &TYPES)).await;
    let refused = || relay.metric(r#"fanfare_refused_total{reason="clients"}"#);
    eventually("three refusals", || refused() >= 3.0).await;
    drop(inside);
    assert_eq!(client.next_event().await.data, "welcome");
    assert_eq!(client.events().len(), 1);
    let errors: Vec<_> = client.said.iter().filter(|said| said["kind"] == "error").collect();
    assert!(errors.len() >= 3, "{errors:?}");
    assert!(errors.iter().all(|said| said["state"] == CONNECTING), "{errors:?}");
}

pub async fn it_stops_at_the_end_and_hears_it_once(start: impl AsyncFn(serde_json::Value) -> Foreign) {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source("end_when: { event: end }\nreconnect: 50ms\ncors: { origins: ['*'] }");
    let (relay, mut conn) = setup.start_with(&origin).await;
    let mut client = start(wanted(relay.address, &["message", "end"])).await;
    client.opened().await;
    conn.body("data: a\n\nevent: end\ndata: done\n\n").await;
    // It comes back, as an EventSource does, and is answered 204: it gives up, which is what was
    // wanted.
    while client.until("error").await["state"] != CLOSED {}
    let heard: Vec<_> = client.events().into_iter().map(|event| event.data).collect();
    assert_eq!(heard, ["a", "done"]);
    assert_eq!(relay.clients(), 0.0);
}

/// `refused`: its state where nobody listens.
pub async fn it_outlives_a_relay_that_is_killed(start: impl AsyncFn(serde_json::Value) -> Foreign, refused: u64) {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin)
        .ports(free_address(), free_address())
        .source("ids: pass\nreconnect: 100ms\ncors: { origins: ['*'] }");
    let mut process = TestProcess::start(&setup).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    let mut request = wanted(process.address, &["message", "fanfare.gap"]);
    request["reopen"] = json!(100);
    let mut client = start(request).await;
    client.opened().await;
    publish(&mut conn, 0..3).await;
    client.until_data("2").await;
    process.signal(rustix::process::Signal::KILL);
    process.exit().await;
    // Once for the stream, and again for there being nobody.
    for state in [CONNECTING, refused] {
        assert_eq!(client.until("error").await["state"], state);
    }
    let again = TestProcess::start(&setup).await;
    assert_eq!(again.address, process.address);
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    publish(&mut conn, 3..5).await;
    // The new process has never heard of its id and says so.
    assert_eq!(client.next_event().await.gap().as_deref(), Some("unknown_id"));
    assert_numbered(&client.until_data("4").await, 3..5);
}
