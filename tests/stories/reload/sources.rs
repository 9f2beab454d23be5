//! Sources that are added, removed and replaced.

use crate::support::client::{Answer, End, ask, get};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay, eventually};
use std::time::{Duration, Instant};

/// Removed clients leave within this time.
const SPREAD: &str = "drain: { spread: 100ms }";

/// The source `s`, and one more beside it, as lines of the file.
fn with(setup: &Setup, name: &str, path: &str, origin: &TestOrigin) -> Setup {
    setup.clone().beside(&format!(
        "{name}: {{ path: \"{path}\", upstream: {{ url: \"{}\", reconnect: 20ms }} }}",
        origin.url("/sse")
    ))
}

async fn opened(origin: &TestOrigin) -> Conn {
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn
}

/// A poll that waits for something.
fn poll(relay: &TestRelay, target: &'static str) -> tokio::task::JoinHandle<Answer> {
    let address = relay.address;
    tokio::spawn(async move {
        ask("GET", target)
            .header("accept", "application/json")
            .answer(address)
            .await
    })
}

fn closed(relay: &TestRelay, source: &str, reason: &str) -> f64 {
    relay.metric(&format!(
        "fanfare_connections_closed_total{{source=\"{source}\",reason=\"{reason}\"}}"
    ))
}

#[tokio::test]
async fn a_source_that_is_added_is_served_and_the_others_go_on() {
    let (origin, other) = (TestOrigin::start().await, TestOrigin::start().await);
    let setup = Setup::over(&origin);
    let (relay, mut conn) = setup.start_with(&origin).await;
    let mut client = relay.client().await;
    conn.event("data: 1").await;
    assert_eq!(client.next_event().await.data, "1");
    assert_eq!(get("/more").answer(relay.address).await.head.status, 404);

    let said = relay.reload(&with(&setup, "more", "/more", &other));
    assert_eq!(said[0], "source more: added");
    let mut more = opened(&other).await;
    let mut newcomer = relay.open(&get("/more")).await;
    assert_eq!(relay.metric("fanfare_deliveries_total{source=\"more\"}"), 0.0);
    more.event("data: m").await;
    conn.event("data: 2").await;
    assert_eq!(newcomer.next_event().await.data, "m");
    assert_eq!(client.next_event().await.data, "2");
    // The log stayed: a client that comes now finds what came before.
    let mut late = relay
        .open(&get(&format!("{PATH}?lastEventId={}", client_id(&relay).await)))
        .await;
    conn.event("data: 3").await;
    assert_eq!(late.next_event().await.data, "3");
    assert!(
        !origin.is_called_within(Duration::from_millis(50)).await,
        "it stayed connected"
    );
}

/// The id at the head of the source `s`.
async fn client_id(relay: &TestRelay) -> String {
    relay.status().await["sources"][0]["head"]["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_source_that_is_removed_ends_its_clients_in_order_and_is_404() {
    let (origin, other) = (TestOrigin::start().await, TestOrigin::start().await);
    let setup = Setup::over(&origin).top(SPREAD);
    let relay = with(&setup, "more", "/more", &other).start();
    let (mut conn, mut more) = (opened(&origin).await, opened(&other).await);
    relay.upstream_connected().await;
    let mut client = relay.client().await;
    let mut leaving = Vec::new();
    for request in [get("/more"), get("/more").http10(), get("/more")] {
        leaving.push(relay.open(&request).await);
    }
    let waits = poll(&relay, "/more?wait=30");
    relay
        .eventually_metric("fanfare_clients{source=\"more\",protocol=\"http/1.1\"}", 3.0)
        .await;
    more.event("data: last").await;
    let polled = waits.await.unwrap();
    assert!(polled.body.contains("last"), "{polled:?}");
    for client in &mut leaving {
        assert_eq!(client.next_event().await.data, "last");
    }
    let waits = poll(&relay, "/more?wait=30");
    relay
        .eventually_metric("fanfare_clients{source=\"more\",protocol=\"http/1.1\"}", 3.0)
        .await;

    let said = relay.reload(&setup);
    assert_eq!(said[0], "source more: removed");
    more.closed().await;
    // One that waits is told at once.
    assert_eq!(waits.await.unwrap().head.status, 404);
    for (n, client) in leaving.iter_mut().enumerate() {
        let end = client.end().await;
        assert!(matches!(end, End::LastChunk | End::Closed), "{n}: {end:?}");
        assert_eq!(client.retries.len(), 2, "{n}: told when to come back");
    }
    get("/more").answer(relay.address).await.assert_problem(404);
    assert_eq!(ask("HEAD", "/more").answer(relay.address).await.head.status, 404);
    eventually("three to be counted", || closed(&relay, "more", "removed") == 3.0).await;

    // The gauges are gone, what has been counted can still be scraped.
    let text = relay.relay.status_provider().metrics().render();
    let left: Vec<&str> = text.lines().filter(|line| line.contains("source=\"more\"")).collect();
    let is_counter = |line: &&str| {
        line.contains("_total{") || line.contains("_bucket{") || line.contains("_sum{") || line.contains("_count{")
    };
    assert!(left.iter().all(is_counter), "{left:#?}");
    let status = relay.status().await;
    assert_eq!(status["sources"].as_array().unwrap().len(), 1);

    conn.event("data: goes on").await;
    assert_eq!(client.next_event().await.data, "goes on");
}

/// Each client's end is drawn from the spread: they don't come back together.
#[tokio::test]
async fn the_ends_are_spread() {
    let (origin, other) = (TestOrigin::start().await, TestOrigin::start().await);
    let setup = Setup::over(&origin).top("drain: { spread: 2s }");
    let relay = with(&setup, "more", "/more", &other).start();
    let _conns = (opened(&origin).await, opened(&other).await);
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(relay.open(&get("/more")).await);
    }
    relay.reload(&setup);
    let began = Instant::now();
    for client in &mut clients {
        assert_eq!(client.end().await, End::LastChunk);
    }
    let took = began.elapsed();
    assert!(took > Duration::from_millis(900), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn jobs_end_with_their_source_and_one_that_waits_for_its_origin_is_told() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).top(SPREAD);
    let jobs = setup.clone().beside(&format!(
        "jobs: {{ path: \"/jobs/{{job}}\", upstream: \"{}/{{job}}\" }}",
        origin.url("/jobs")
    ));
    let relay = jobs.start();
    let _conn = opened(&origin).await;
    let first = get("/jobs/1").send(relay.address).await;
    let mut job = opened(&origin).await;
    let mut first = first;
    first.read_head().await;
    first.opened().await;
    let waiting = tokio::spawn({
        let address = relay.address;
        async move { get("/jobs/2").answer(address).await }
    });
    let mut silent = origin.accept().await;

    relay.reload(&setup);
    job.closed().await;
    silent.closed().await;
    waiting.await.unwrap().assert_problem(404);
    assert_eq!(first.end().await, End::LastChunk);
    get("/jobs/3").answer(relay.address).await.assert_problem(404);
    relay
        .eventually_metric("fanfare_clients{source=\"jobs\",protocol=\"http/1.1\"}", 0.0)
        .await;
}

#[tokio::test]
async fn another_path_is_another_source() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).top(SPREAD);
    let (relay, mut before) = setup.start_with(&origin).await;
    let mut client = relay.client().await;
    let said = relay.reload(&setup.clone().path("/elsewhere"));
    assert_eq!(said[0], "source s: replaced");
    before.closed().await;
    let mut after = opened(&origin).await;
    assert_eq!(client.end().await, End::LastChunk);
    get(PATH).answer(relay.address).await.assert_problem(404);
    let mut again = relay.open(&get("/elsewhere")).await;
    after.event("data: x").await;
    assert_eq!(again.next_event().await.data, "x");
}

/// A client that waits for a job's first response asks the new source: a 404 would stop its
/// EventSource for ever.
#[tokio::test]
async fn one_that_waits_for_a_source_that_is_replaced_gets_the_new_one() {
    let origin = TestOrigin::start().await;
    let jobs = |ids: &str| {
        Setup::at(&origin.url("/jobs/{job}"))
            .path("/jobs/{job}")
            .top(SPREAD)
            .source(ids)
    };
    let relay = jobs("").start();
    let mut client = get("/jobs/1").send(relay.address).await;
    let waits = poll(&relay, "/jobs/1?wait=30");
    let mut silent = origin.accept().await;
    relay.eventually_clients(2).await;
    relay.reload(&jobs("ids: assign"));
    silent.closed().await;
    let mut conn = opened(&origin).await;
    assert_eq!(client.read_head().await.status, 200);
    client.opened().await;
    conn.event("data: x").await;
    assert_eq!(client.next_event().await.data, "x");
    let polled = waits.await.unwrap();
    assert!(polled.head.status == 200 && polled.body.contains("\"x\""), "{polled:?}");
}

#[tokio::test]
async fn a_further_path_of_a_plain_source_cuts_nobody() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin);
    let (relay, mut conn) = setup.start_with(&origin).await;
    let mut client = relay.client().await;
    relay.reload(&setup.clone().path("[/events, /too]"));
    let mut other = relay.open(&get("/too")).await;
    conn.event("data: x").await;
    for client in [&mut client, &mut other] {
        assert_eq!(client.next_event().await.data, "x");
    }
}

/// The same name again, after it was gone: another source, and the counters go on.
#[tokio::test]
async fn a_source_that_comes_back_begins_anew() {
    let (origin, other) = (TestOrigin::start().await, TestOrigin::start().await);
    let setup = Setup::over(&origin).top(SPREAD);
    let both = with(&setup, "more", "/more", &other);
    let relay = both.start();
    let _conn = opened(&origin).await;
    for round in 1..=3 {
        let mut more = opened(&other).await;
        let mut client = relay.open(&get("/more")).await;
        more.event(&format!("data: {round}")).await;
        assert_eq!(client.next_event().await.data, round.to_string());
        relay.reload(&setup);
        assert_eq!(client.end().await, End::LastChunk);
        more.closed().await;
        relay.reload(&both);
        relay
            .eventually_metric("fanfare_events_received_total{source=\"more\"}", f64::from(round))
            .await;
    }
}
