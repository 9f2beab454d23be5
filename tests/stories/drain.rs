//! The process leaves: in order, in time, and with an exit code that says which.

use crate::support::client::{End, TestClient, ask, get};
use crate::support::filler::filler;
use crate::support::origin::{Conn, TestOrigin};
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup, readyz};
use crate::support::tls::dial;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Signals that come within this time are one.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

async fn running(drain: &str) -> (TestProcess, Conn) {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin)
        .top(&format!("drain: {drain}"))
        .source("slow_client: { bytes: 64MiB }");
    let process = TestProcess::start(&setup).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    process.logged("connected to the origin").await;
    (process, conn)
}

async fn client(process: &TestProcess) -> TestClient {
    let mut client = get(PATH).open(process.address).await;
    client.opened().await;
    client
}

/// A client that stops reading in the middle of a large event.
async fn stalled(process: &TestProcess, conn: &mut Conn) -> (TestClient, String) {
    let mut client = get(PATH).small_receive_buffer().open(process.address).await;
    client.opened().await;
    let data = filler((1 << 20) - 8);
    let mut other = self::client(process).await;
    conn.event(&format!("data: {data}")).await;
    other.next_event().await;
    (client, data)
}

#[tokio::test]
async fn readiness_goes_first_and_streams_end_spread_in_time() {
    let (mut process, mut conn) = running("{ spread: 2s, timeout: 20s }").await;
    assert_eq!(readyz(process.admin).await.0, 200);
    let mut clients = Vec::new();
    for _ in 0..40 {
        clients.push(client(&process).await);
    }
    let began = Instant::now();
    process.terminate();
    process.logged("draining").await;
    let (status, body) = readyz(process.admin).await;
    assert_eq!(
        (status, &body["reasons"][0]["reason"]),
        (503, &"draining".into()),
        "{body}"
    );
    assert_eq!(ask("GET", "/livez").answer(process.admin).await.head.status, 200);
    // Streams go on until it is their turn.
    conn.event("data: meanwhile").await;
    let ends = clients.into_iter().map(|mut client| {
        tokio::spawn(async move {
            assert_eq!(client.end().await, End::LastChunk);
            assert_eq!(client.incomplete(), b"");
            assert_eq!(client.retries.len(), 2, "told when to come back");
            (began.elapsed(), client.retries[1])
        })
    });
    let (mut times, mut retries) = (Vec::new(), Vec::new());
    for end in ends.collect::<Vec<_>>() {
        let (time, retry) = end.await.unwrap();
        times.push(time);
        retries.push(retry);
    }
    times.sort();
    // Forty draws of two seconds: all within half of it is one in 2⁴⁰.
    assert!(times[39] - times[0] > Duration::from_secs(1), "{times:?}");
    retries.sort_unstable();
    retries.dedup();
    assert!(
        retries.len() > 20 && retries.iter().all(|ms| (1_500..=4_500).contains(ms)),
        "{retries:?}"
    );
    assert_eq!(process.exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_spread_that_is_longer_than_the_timeout_is_shortened_to_it() {
    let (mut process, _conn) = running("{ spread: 1h, timeout: 2s }").await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(client(&process).await);
    }
    process.terminate();
    for client in &mut clients {
        assert_eq!(client.end().await, End::LastChunk, "everyone's turn comes in time");
        assert_eq!(client.retries.len(), 2, "told when to come back");
    }
    assert_eq!(process.exit().await.code(), Some(0));
}

#[tokio::test]
async fn nobody_comes_in_any_more() {
    let (mut process, _conn) = running("{ spread: 1s, timeout: 20s }").await;
    let mut inside = client(&process).await;
    // Accepted before, its request comes after.
    let early = dial(process.address, None).await;
    process.eventually_metric("fanfare_connections_opened_total", 2.0).await;
    process.terminate();
    process.logged("draining").await;
    let refused = async {
        // The listener is closed a moment after the line is written.
        while TcpStream::connect(process.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    crate::support::origin::within("the listener to be closed", refused).await;
    let mut late = TestClient::new(early, &get(PATH)).await;
    assert_eq!(late.read_head().await.status, 200);
    assert_eq!(late.end().await, End::LastChunk);
    assert_eq!(late.retries.len(), 1, "come back, elsewhere");
    assert_eq!(inside.end().await, End::LastChunk);
    assert_eq!(process.exit().await.code(), Some(0));
}

#[tokio::test]
async fn sigint_with_nobody_inside_ends_at_once() {
    let (mut process, _conn) = running("{ spread: 10s, timeout: 30s }").await;
    let began = Instant::now();
    process.signal(rustix::process::Signal::INT);
    assert_eq!(process.exit().await.code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_hangup_ends_nothing() {
    let (process, mut conn) = running("{ spread: 10s, timeout: 30s }").await;
    let mut client = get(PATH).open(process.address).await;
    process.signal(rustix::process::Signal::HUP);
    process
        .eventually_metric("fanfare_config_reloads_total{outcome=\"unchanged\"}", 1.0)
        .await;
    conn.event("data: x").await;
    assert_eq!(client.next_event().await.data, "x");
}

#[tokio::test]
async fn who_does_not_read_is_cut_at_the_timeout() {
    let (mut process, mut conn) = running("{ spread: 0s, timeout: 1500ms }").await;
    let (mut slow, _) = stalled(&process, &mut conn).await;
    let began = Instant::now();
    process.terminate();
    let exit = process.exit().await;
    assert!(began.elapsed() >= Duration::from_millis(1300), "{:?}", began.elapsed());
    assert_eq!(exit.code(), Some(1), "not all went in time");
    assert_eq!(slow.end().await, End::Reset);
    assert_eq!(slow.events_so_far(), []);
}

#[tokio::test]
async fn who_stands_in_a_large_event_gets_the_rest_of_it() {
    let (mut process, mut conn) = running("{ spread: 0s, timeout: 20s }").await;
    let (mut slow, data) = stalled(&process, &mut conn).await;
    process.terminate();
    // Everybody else has gone.
    process.eventually_clients(1).await;
    assert!(slow.next_event().await.data == data);
    assert_eq!(slow.end().await, End::LastChunk);
    assert_eq!(slow.retries.len(), 2);
    assert_eq!(process.exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_cuts_at_once() {
    let (mut process, _conn) = running("{ spread: 30s, timeout: 60s }").await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(client(&process).await);
    }
    let began = Instant::now();
    process.terminate();
    process.logged("draining").await;
    // It has taken the first one by now: what comes a second from here is another one, however late
    // a busy machine lets it take that.
    let taken = Instant::now();
    // The first one said twice: `timeout` signals its child, and its group.
    process.terminate();
    tokio::time::sleep_until((taken + SAME_SIGNAL + Duration::from_millis(10)).into()).await;
    assert!(!process.has_ended());
    process.terminate();
    assert_eq!(process.exit().await.code(), Some(1), "not all went in order");
    assert!(began.elapsed() < Duration::from_secs(15));
    let mut in_order = 0;
    for client in &mut clients {
        // Between events, but without a farewell; or its turn had come.
        in_order += usize::from(client.end().await == End::LastChunk);
        assert_eq!(client.incomplete(), b"");
    }
    assert!(in_order < clients.len(), "nobody was cut");
}

#[tokio::test]
async fn readiness_goes_before_anybody_is_refused() {
    let (mut process, mut conn) = running("{ delay: 2s, spread: 0s, timeout: 20s }").await;
    let mut before = client(&process).await;
    let began = Instant::now();
    process.terminate();
    process.logged("draining").await;
    assert_eq!(readyz(process.admin).await.0, 503);
    // Whoever has not noticed yet is served.
    let mut after = client(&process).await;
    conn.event("data: x").await;
    assert_eq!(before.next_event().await.data, "x");
    assert_eq!(after.next_event().await.data, "x");
    assert_eq!(before.end().await, End::LastChunk);
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert_eq!(process.exit().await.code(), Some(0));
}
