//! What can't go over is drained by the old process as it promises, while the new one serves all who
//! come: clients over TLS and HTTP/2, proxied requests and streams, polls.

use super::House;
use super::numbered::{NumberedOrigin, joined, next};
use crate::support::client::{TestClient, ask, get};
use crate::support::frames::{DATA, END_STREAM, FramePeer, HEADERS};
use crate::support::origin::{TestOrigin, within};
use crate::support::relay::{PATH, Setup};
use crate::support::tls::{Authority, Dial, NAME, VERSIONS};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Streams that are drained end within this.
const SPREAD: Duration = Duration::from_secs(1);
const DRAIN: &str = "drain: { spread: 1s, timeout: 5s }\n";

/// A house with TLS at its only listener.
fn secured(origin: &NumberedOrigin) -> (House, Authority) {
    let authority = Authority::new();
    authority.issue("relay", &[NAME, "127.0.0.1"]);
    authority.ca();
    let house = House::of(Setup::at(&origin.url).top(DRAIN));
    let tls = authority.tls("relay", "");
    let listen = format!("{{ address: '127.0.0.1:0', tls: {tls} }}");
    house.write(&house.setup().listen(&listen).yaml());
    (house, authority)
}

pub(super) async fn over_tls(dial: &Dial, address: SocketAddr) -> TestClient {
    let io = dial.connect(address).await;
    let mut client = TestClient::new(Box::new(io), &get(PATH)).await;
    assert_eq!(client.read_head().await.status, 200);
    client.opened().await;
    client
}

/// Its stream ends in order within the spread, and it is told when to come back.
pub(super) async fn assert_drained(client: &mut TestClient) {
    let began = Instant::now();
    assert_eq!(client.try_next_event().await.map(|event| event.data), None);
    assert!(
        began.elapsed() < SPREAD + Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    assert!(client.retries.len() >= 2, "{:?}", client.retries);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_over_tls_are_drained_and_come_back_to_the_new_process() {
    let origin = NumberedOrigin::start(10).await;
    let (house, authority) = secured(&origin);
    let mut process = house.start().await;
    origin.connected().await;
    let dial = authority.client(NAME, VERSIONS, None);
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(over_tls(&dial, process.address).await);
    }
    let first = origin.publish();
    for client in &mut clients {
        assert_eq!(next(client).await, first);
    }
    // A handshake that has begun and one that waits for its request are drained, too.
    let waiting = dial.connect(process.address).await;
    let new = house.take_over().await;
    assert_eq!(new.address, process.address);
    let mut newcomer = over_tls(&dial, new.address).await;
    for client in &mut clients {
        assert_drained(client).await;
    }
    assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
    drop(waiting);
    let second = origin.publish();
    assert_eq!(next(&mut newcomer).await, second);
    let came_back = get(PATH).last_event_id(first.to_string());
    let io = dial.connect(new.address).await;
    let mut came_back = TestClient::new(Box::new(io), &came_back).await;
    assert_eq!(came_back.read_head().await.status, 200);
    assert_eq!(next(&mut came_back).await, second, "nothing is missing");
    let drained = "fanfare_handed_over_total{outcome=\"drained\"}";
    new.eventually_metric(drained, 5.0).await;
    assert_eq!(new.metric("fanfare_handed_over_total{outcome=\"cut\"}").await, 0.0);
}

/// Streams of one HTTP/2 connection, beside a client in clear text that goes over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_over_http_2_are_drained() {
    let origin = NumberedOrigin::start(10).await;
    let house = House::of(Setup::at(&origin.url).top(DRAIN));
    let mut process = house.start().await;
    origin.connected().await;
    let mut goes_over = joined(process.address).await;
    let mut peer = FramePeer::open(process.address).await;
    for stream in [1, 3] {
        peer.get(stream, PATH).await;
        peer.until(stream, "retry: ").await;
    }
    process
        .eventually_metric("fanfare_clients{source=\"s\",protocol=\"http/2\"}", 2.0)
        .await;
    let new = house.take_over().await;
    let (mut ended, began) = (0, Instant::now());
    within("both streams to end", async {
        while ended < 2 {
            let frame = peer.next().await.expect("the streams end before the connection does");
            if frame.kind == DATA || frame.kind == HEADERS {
                ended += usize::from(frame.flags & END_STREAM != 0);
            }
        }
    })
    .await;
    assert!(began.elapsed() < SPREAD + Duration::from_secs(3));
    assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
    let n = origin.publish();
    assert_eq!(next(&mut goes_over).await, n);
    let mut again = FramePeer::open(new.address).await;
    again.get(1, PATH).await;
    again.until(1, "retry: ").await;
    new.eventually_metric("fanfare_handed_over_total{outcome=\"drained\"}", 2.0)
        .await;
}

/// An answer that comes late is the old process's to pass on; a proxied stream ends in its turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxied_requests_get_their_answers_and_streams_their_ends() {
    let (origin, behind) = (NumberedOrigin::start(10).await, TestOrigin::start().await);
    let pass = format!("pass: [ {{ prefix: /app/, to: \"{}\" }} ]\n", behind.url(""));
    let house = House::of(Setup::at(&origin.url).top(DRAIN).top(&pass));
    let mut process = house.start().await;
    origin.connected().await;
    let address = process.address;
    let late = tokio::spawn(async move { ask("GET", "/app/late").answer(address).await });
    let mut late_conn = behind.accept().await;
    let streaming = tokio::spawn(async move { get("/app/stream").open(address).await });
    let mut stream_conn = behind.accept().await;
    stream_conn.chunked_stream_head().await;
    stream_conn.event("data: a").await;
    let mut stream = streaming.await.unwrap();
    assert_eq!(stream.next_event().await.data, "a");
    let new = house.take_over().await;
    let meanwhile = tokio::spawn(async move { ask("GET", "/app/new").answer(address).await });
    let mut conn = behind.accept().await;
    conn.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew").await;
    assert_eq!(meanwhile.await.unwrap().body, "new");
    late_conn.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").await;
    let answer = late.await.unwrap();
    assert_eq!((answer.head.status, &*answer.body), (200, "late"));
    // It ends in its turn, which may be before this.
    let _ = stream_conn.try_send("9\r\ndata: b\n\n\r\n").await;
    let last = stream.try_next_event().await.map(|event| event.data);
    assert!(last.is_none_or(|data| data == "b"));
    assert!(stream.try_next_event().await.is_none());
    assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
    drop(new);
}

/// Over TLS a poll that waits is answered at once, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_over_tls_is_answered_at_once() {
    let origin = NumberedOrigin::start(10).await;
    let (house, authority) = secured(&origin);
    let mut process = house.start().await;
    origin.connected().await;
    let dial = authority.client(NAME, VERSIONS, None);
    let poll = ask("GET", &format!("{PATH}?wait=20")).header("Accept", "application/json");
    let io = dial.connect(process.address).await;
    let mut client = TestClient::new(Box::new(io), &poll).await;
    process.eventually_clients(1).await;
    let new = house.take_over().await;
    let began = Instant::now();
    assert_eq!(client.read_head().await.status, 200);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
    drop(new);
}
