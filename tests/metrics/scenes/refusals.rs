//! Refusals of each reason, and what is proxied.

use crate::moves::Moves;
use crate::support::client::{ask, connect, get};
use crate::support::origin::TestOrigin;
use crate::support::relay::{PATH, Setup, TestRelay};
use crate::support::wire::Wire;
use tokio::net::TcpListener;

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

fn refused(reason: &str) -> String {
    format!("fanfare_refused_total{{reason=\"{reason}\"}}")
}

pub(crate) async fn play(moves: &mut Moves) {
    for (limits, reason) in [
        ("clients: 1", "clients"),
        ("clients_per_ip: 1", "clients_per_ip"),
        ("accepts_per_second: 1", "rate"),
    ] {
        full(moves, limits, reason).await;
    }
    malformed(moves).await;
    jobs(moves).await;
    filters(moves).await;
    proxied(moves).await;
}

async fn full(moves: &mut Moves, limits: &str, reason: &str) {
    let origin = TestOrigin::start().await;
    let (relay, _conn) = Setup::over(&origin)
        .top(&format!("limits: {{ {limits} }}"))
        .start_with(&origin)
        .await;
    let mut scrapes = moves.of(relay.admin).await;
    let mut clients = Vec::new();
    while relay.metric(&refused(reason)) == 0.0 {
        clients.push(get(PATH).open(relay.address).await);
    }
    scrapes.look().await;
}

async fn malformed(moves: &mut Moves) {
    let origin = TestOrigin::start().await;
    let (relay, _conn) = Setup::over(&origin)
        .top("limits: { header_timeout: 100ms }")
        .start_with(&origin)
        .await;
    let mut scrapes = moves.of(relay.admin).await;
    let _silent = connect(relay.address, None).await;
    for (request, status) in [
        (get("/nowhere"), 404),
        (ask("POST", PATH), 405),
        (ask("GET", PATH).header("Accept", "image/png"), 406),
        (get(PATH).header("Host", "a b"), 400),
    ] {
        assert_eq!(request.answer(relay.address).await.head.status, status);
    }
    relay.eventually_metric(&refused("header_timeout"), 1.0).await;
    scrapes.look().await;
}

async fn jobs(moves: &mut Moves) {
    let origin = TestOrigin::start().await;
    let setup = Setup::at(&origin.url("/jobs/{job}")).path("/jobs/{job}");
    let relay = setup.top("limits: { channels: 1 }").start();
    let mut scrapes = moves.of(relay.admin).await;
    let mut first = get("/jobs/1").send(relay.address).await;
    let asked = origin.accept_request().await;
    let _second = get("/jobs/2").open(relay.address).await;
    relay.eventually_metric(&refused("channels"), 1.0).await;
    let mut asked = asked;
    asked.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(first.read_head().await.status, 404);
    relay.eventually_metric(&refused("origin"), 1.0).await;
    scrapes.look().await;
}

async fn filters(moves: &mut Moves) {
    let origin = TestOrigin::start().await;
    let (relay, _conn) = Setup::over(&origin).source("filters: 1").start_with(&origin).await;
    let mut scrapes = moves.of(relay.admin).await;
    let _first = get(&format!("{PATH}?event=a")).open(relay.address).await;
    let _second = get(&format!("{PATH}?event=b")).open(relay.address).await;
    relay.eventually_metric(&refused("filters"), 1.0).await;
    relay
        .eventually_metric("fanfare_derived_channels{source=\"s\"}", 1.0)
        .await;
    scrapes.look().await;
}

async fn proxied(moves: &mut Moves) {
    let origin = TestOrigin::start().await;
    let behind = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = behind.local_addr().unwrap();
    let top = format!("pass: [{{ prefix: /, to: \"http://{to}\", connections_max: 1 }}]");
    let (relay, _conn) = Setup::over(&origin).top(&top).start_with(&origin).await;
    let mut scrapes = moves.of(relay.admin).await;
    let mut client = Wire::connect(relay.address).await;
    client.send("GET /page HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut page = Wire::accept(&behind).await;
    page.start().await;
    too_many(&relay).await;
    page.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(client.start().await.status(), 200);
    relay
        .eventually_metric("fanfare_proxied_request_seconds_count", 1.0)
        .await;
    client.send("GET /sse HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut stream = Wire::accept(&behind).await;
    stream.start().await;
    stream.send(STREAM).await;
    relay.eventually_metric("fanfare_proxied_streams", 1.0).await;
    scrapes.look().await;
}

async fn too_many(relay: &TestRelay) {
    let mut other = Wire::connect(relay.address).await;
    other.send("GET /other HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(other.start().await.status(), 503);
    relay.eventually_metric(&refused("passes"), 1.0).await;
}
