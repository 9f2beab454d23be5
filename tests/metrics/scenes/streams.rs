//! Events, clients of all protocols, resumes, gaps, reconnects, and a job.

use crate::moves::Moves;
use crate::support::client::get;
use crate::support::frames::FramePeer;
use crate::support::origin::TestOrigin;
use crate::support::relay::{PATH, Setup, TestRelay, eventually};

fn series(name: &str, label: &str) -> String {
    format!("fanfare_{name}{{source=\"s\",{label}}}")
}

pub(crate) async fn play(moves: &mut Moves) {
    events(moves).await;
    aging(moves).await;
    job(moves).await;
    compressed(moves).await;
}

async fn events(moves: &mut Moves) {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source("event_bytes_max: 1KiB\nlog: { events: 3 }\nids: pass");
    let relay = setup.start();
    let mut scrapes = moves.of(relay.admin).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    relay.upstream_connected().await;
    let mut client = relay.client().await;
    let mut old = get(PATH).http10().open(relay.address).await;
    old.opened().await;
    let mut peer = FramePeer::open(relay.address).await;
    peer.get(1, PATH).await;
    relay
        .eventually_metric(&series("clients", "protocol=\"http/2\""), 1.0)
        .await;
    scrapes.look().await;
    drop(peer);
    for n in 0..6 {
        conn.event(&format!("id: {n}\ndata: {n}")).await;
        client.until_data(&n.to_string()).await;
        old.until_data(&n.to_string()).await;
    }
    conn.event(&format!("id: 6\ndata: {}", "x".repeat(2048))).await;
    relay
        .eventually_metric(&series("gaps_total", "reason=\"oversized_event\""), 1.0)
        .await;
    for (id, outcome, count) in [("5", "exact", 1.0), ("0", "gap", 1.0), ("none", "gap", 2.0)] {
        let _back = relay.resume(id).await;
        relay
            .eventually_metric(&series("resumes_total", &format!("outcome=\"{outcome}\"")), count)
            .await;
    }
    scrapes.look().await;
    // It comes back without having been asked from where: there were no ids any more.
    conn.event("id\ndata: without").await;
    client.until_data("without").await;
    conn.close().await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn.event("data: again").await;
    client.until_data("again").await;
    old.reset();
    drop(client);
    relay.eventually_clients(0).await;
    let mut last = relay.client().await;
    // The histograms are sampled once a second.
    sampled(&relay).await;
    scrapes.look().await;
    conn.close().await;
    origin.answer("HTTP/1.1 204 No Content\r\n\r\n").await;
    last.end().await;
    relay
        .eventually_metric(&series("connections_closed_total", "reason=\"ended\""), 1.0)
        .await;
    scrapes.look().await;
}

async fn sampled(relay: &TestRelay) {
    let began = std::time::Instant::now();
    for histogram in ["fanout_seconds", "lag_events"] {
        while relay.metric(&format!("fanfare_{histogram}_count{{source=\"s\"}}")) == 0.0 {
            assert!(began.elapsed().as_secs() < 20, "no sample of {histogram}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

async fn aging(moves: &mut Moves) {
    let origin = TestOrigin::start().await;
    let relay = Setup::over(&origin).source("max_age: 300ms").start();
    let mut scrapes = moves.of(relay.admin).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    relay.client().await.end().await;
    relay
        .eventually_metric(&series("connections_closed_total", "reason=\"max_age\""), 1.0)
        .await;
    scrapes.look().await;
}

async fn job(moves: &mut Moves) {
    let origin = TestOrigin::start().await;
    let relay = Setup::at(&origin.url("/jobs/{job}"))
        .path("/jobs/{job}")
        .source("idle_timeout: 0s")
        .start();
    let mut scrapes = moves.of(relay.admin).await;
    let client = get("/jobs/1").send(relay.address).await;
    let mut conn = origin.accept_request().await;
    conn.stream_head().await;
    relay.eventually_metric("fanfare_channels{source=\"s\"}", 1.0).await;
    scrapes.look().await;
    drop(client);
    relay.eventually_metric("fanfare_channels{source=\"s\"}", 0.0).await;
}

async fn compressed(moves: &mut Moves) {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source("compress: gzip");
    let (relay, mut conn) = setup.start_with(&origin).await;
    let mut scrapes = moves.of(relay.admin).await;
    let mut client = get(PATH).header("Accept-Encoding", "gzip").open(relay.address).await;
    conn.event(&format!("data: {}", "words ".repeat(100))).await;
    client.next_event().await;
    let counted = |what: &str| relay.metric(&format!("fanfare_{what}_bytes_total{{source=\"s\"}}"));
    eventually("the event to be counted", || counted("uncompressed") > 600.0).await;
    // With the head of the answer.
    assert!(
        (1.0..600.0).contains(&counted("compressed")),
        "{}",
        counted("compressed")
    );
    scrapes.look().await;
}
