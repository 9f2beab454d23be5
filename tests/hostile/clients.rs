//! Clients that mean harm: the audience notices nothing of their waves, and each wave arrives.

use crate::attacker::Attacker;
use crate::audience::{Audience, HEAVY, SMALL, Size};
use crate::support::client::{ask, get};
use crate::support::origin::{PATIENCE, within};
use crate::support::relay::{PATH, Setup, series_value};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Limits that end what is slow within a test.
const TOP: &str = "limits: { header_timeout: 1s, keep_alive: 1s }";
const SOURCE: &str = "slow_client: { stall: 1s, bytes: 256KiB }";

/// An origin behind the relay: `/passed/large` is a page of many megabytes, and everything else is
/// read and never answered. What goes into the configuration.
pub async fn passed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((io, _)) = listener.accept().await {
            tokio::spawn(serve(io));
        }
    });
    format!("pass: [{{ prefix: /passed/, to: \"http://{at}\" }}]")
}

async fn serve(mut io: TcpStream) {
    const PAGE_BYTES: usize = 64 * 1024 * 1024;
    let mut read = vec![0; 64 * 1024];
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match io.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    if head.starts_with(b"GET /passed/large") {
        let begun = io
            .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {PAGE_BYTES}\r\n\r\n").as_bytes())
            .await;
        let mut sent = 0;
        while begun.is_ok() && sent < PAGE_BYTES && io.write_all(&read).await.is_ok() {
            sent += read.len();
        }
    }
    while io.read(&mut read).await.is_ok_and(|read| read > 0) {}
}

/// One wave against a relay with an audience; who was refused for which reason, afterwards.
async fn withstands(wave: &str) -> Audience {
    withstand(wave, SMALL).await
}

async fn withstand(wave: &str, size: Size) -> Audience {
    let passed = passed().await;
    let adapt = |setup: Setup| setup.top(TOP).top(&passed).source(SOURCE);
    let audience = Audience::gather(size, adapt).await;
    let mut attacker = Attacker::start(wave, audience.address(), Duration::ZERO);
    attacker.a_wave().await;
    attacker.end().await;
    // Afterwards, too, a new client is let in, and a poll is answered.
    get(PATH).open(audience.address()).await.opened().await;
    let poll = ask("GET", "/events?wait=0").header("Accept", "application/json");
    assert_eq!(poll.answer(audience.address()).await.head.status, 200);
    audience
}

/// Waits until so many were refused for one of these reasons.
async fn until_refused(audience: &Audience, reasons: &[&str], at_least: f64) {
    let began = Instant::now();
    loop {
        let scrape = ask("GET", "/metrics").answer(audience.relay.admin).await.body;
        let refused = |reason: &&str| series_value(&scrape, &format!("fanfare_refused_total{{reason=\"{reason}\"}}"));
        let all: f64 = reasons.iter().map(refused).sum();
        if all >= at_least {
            return;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "{all} refused for {reasons:?}, not {at_least}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// On a busy machine some of an attacker's requests don't come in time.
const LATE: &str = "header_timeout";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_heads_are_given_up() {
    let audience = withstands("slow_heads").await;
    until_refused(&audience, &[LATE], 300.0).await;
    audience.dismiss().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_bodies_are_not_waited_for() {
    let audience = withstands("slow_bodies").await;
    until_refused(&audience, &["method", LATE], 300.0).await;
    audience.dismiss().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_bodies_to_an_origin_hold_up_no_stream() {
    let audience = withstands("slow_passed_bodies").await;
    audience.dismiss().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_are_cut() {
    let audience = withstand("slow_readers", HEAVY).await;
    assert!(audience.evictions().await >= 100.0);
    audience.dismiss().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_of_pages_hold_up_no_stream() {
    let audience = withstands("slow_pages").await;
    // A page is not read from its origin faster than its client takes it.
    let resident = audience.relay.resident_kib();
    assert!(resident < 200 * 1024, "{resident} KiB");
    audience.dismiss().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_without_end_are_refused() {
    let audience = withstands("header_bombs").await;
    until_refused(&audience, &["bad_request", LATE], 200.0).await;
    audience.dismiss().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_say_nothing_take_no_place_away() {
    let audience = withstands("silent_connects").await;
    audience.dismiss().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_reset_leave_nothing_behind() {
    for wave in ["connect_and_reset", "stream_and_reset"] {
        let audience = withstands(wave).await;
        audience.relay.eventually_clients(SMALL.clients).await;
        audience.dismiss().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_protocols_are_told_apart() {
    let audience = withstands("other_protocols").await;
    until_refused(&audience, &["bad_request", LATE], 1000.0).await;
    audience.dismiss().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_whose_answers_are_not_read_stop_at_some_point() {
    let audience = withstands("pipelines").await;
    until_refused(&audience, &["not_found", LATE], 50.0).await;
    audience.dismiss().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_http2_frames_end_with_their_connections() {
    for wave in ["rapid_resets", "small_frames"] {
        let audience = withstands(wave).await;
        audience.relay.eventually_clients(SMALL.clients).await;
        audience.dismiss().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_streams_with_open_windows_that_are_not_read_are_cut() {
    let audience = withstand("slow_streams", HEAVY).await;
    assert!(audience.evictions().await > 0.0);
    audience.dismiss().await;
}

/// All places of an entry are taken by requests that never end: the next ones are refused at once,
/// and a source's are served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_every_place_of_an_origin_takes_no_stream_away() {
    let passed = passed().await.replace(" }]", ", connections_max: 10 }]");
    let audience = Audience::gather(SMALL, |setup| setup.top(&passed)).await;
    let mut held = Vec::new();
    for _ in 0..30 {
        held.push(ask("GET", "/passed/x").send(audience.address()).await);
    }
    until_refused(&audience, &["passes"], 20.0).await;
    within("a new client", get(PATH).open(audience.address())).await;
    audience.dismiss().await;
}
