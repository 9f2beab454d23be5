//! Connections to origins go over: the origin notices nothing, wherever it is in its stream.

use super::House;
use crate::support::client::{TestClient, get};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Long enough for a connection that would be made, were it made.
const QUIET: Duration = Duration::from_millis(200);

const RECEIVED: &str = "fanfare_bytes_received_total{source=\"s\"}";

fn house(origin: &TestOrigin, lines: &str) -> House {
    House::of(
        Setup::over(origin)
            .source(lines)
            .top("drain: { spread: 0s, timeout: 5s }\n"),
    )
}

async fn joined(process: &TestProcess) -> TestClient {
    let mut client = get(PATH).open(process.address).await;
    client.opened().await;
    client
}

/// The next process, once the one before has left.
async fn next(house: &House, process: &mut TestProcess) {
    let new = house.take_over().await;
    assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
    *process = new;
}

/// Bytes of the body that the process has read.
async fn has_read(process: &TestProcess, bytes: usize) {
    process.eventually_metric(RECEIVED, bytes as f64).await;
}

fn chunk_begun(bytes: usize, part: &str) -> String {
    format!("{bytes:x}\r\n{part}")
}

/// In the middle of a chunk, of an event, of a line end, of a chunk's size, and of nothing: one
/// connection for all of them.
#[tokio::test]
async fn an_origin_sees_no_connection_wherever_it_is() {
    let origin = TestOrigin::start().await;
    let house = house(&origin, "");
    let mut process = house.start().await;
    let mut conn = origin.accept().await;
    conn.chunked_stream_head().await;
    let mut client = joined(&process).await;
    // (what comes before the upgrade, what of it is body, what comes after it).
    let event = "id: 1\ndata: whole\n\n";
    let cuts = [
        (chunk_begun(event.len(), "id: 1\nda"), 8, "ta: whole\n\n\r\n".to_owned()),
        (chunk_begun(event.len(), event), event.len(), "\r\n".to_owned()),
        ("1".to_owned(), 0, format!("3\r\n{event}\r\n")),
        (
            format!("6\r\nid: 1\n\r\n{}", "c\r\ndata: whole"),
            17,
            "\r\r\n2\r\n\n\n\r\n".to_owned(),
        ),
    ];
    for (n, (before, bytes, after)) in cuts.iter().enumerate() {
        let before = before.replace("id: 1", &format!("id: {n}"));
        let after = after.replace("id: 1", &format!("id: {n}"));
        conn.send(&before).await;
        has_read(&process, *bytes).await;
        next(&house, &mut process).await;
        conn.send(&after).await;
        let told = client.next_event().await;
        assert_eq!(
            (told.id(), &*told.data),
            (&*n.to_string(), "whole"),
            "{before:?} {after:?}"
        );
        // Each process counts its own.
        next(&house, &mut process).await;
    }
    assert!(!origin.is_called_within(QUIET).await);
    assert!(client.is_open());
    let status = process.status().await;
    let upstream = &status["sources"][0]["upstreams"][0];
    assert_eq!(
        (&upstream["state"], &upstream["reconnects"]),
        (&"connected".into(), &0.into()),
        "{upstream}"
    );
}

/// Events without ids, in chunks that end anywhere, all the time: a lost one or a doubled one could
/// not be mended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_in_full_flow_goes_over_five_times() {
    let origin = TestOrigin::start().await;
    let house = house(&origin, "slow_client: { bytes: 64MiB }");
    let mut process = house.start().await;
    let mut conn = origin.accept().await;
    conn.chunked_stream_head().await;
    let mut client = joined(&process).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let flowing = tokio::spawn(async move {
        let mut sent = 0;
        let mut unsent = Vec::new();
        while !*stopped.borrow() {
            for _ in 0..20 {
                sent += 1;
                unsent.extend_from_slice(format!("data: {sent}\n\n").as_bytes());
            }
            while unsent.len() > 60 {
                let chunk: Vec<u8> = unsent.drain(..1 + fastrand::usize(..60)).collect();
                conn.body(chunk).await;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        conn.body(unsent).await;
        (conn, sent)
    });
    let reading = tokio::spawn(async move {
        let mut last = 0;
        while let Some(event) = client.try_next_event().await {
            if event.data == "end" {
                break;
            }
            last += 1;
            assert_eq!(event.data, last.to_string());
        }
        last
    });
    for _ in 0..5 {
        next(&house, &mut process).await;
    }
    stop.send_replace(true);
    let (mut conn, sent) = flowing.await.unwrap();
    conn.event("data: end").await;
    assert_eq!(reading.await.unwrap(), sent);
    assert!(sent > 1000, "{sent}");
    assert!(!origin.is_called_within(QUIET).await);
}

#[tokio::test]
async fn a_bom_that_has_begun_is_none_of_an_event() {
    let origin = TestOrigin::start().await;
    let house = house(&origin, "");
    let mut process = house.start().await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn.body(b"\xef\xbb").await;
    has_read(&process, 2).await;
    let mut client = joined(&process).await;
    next(&house, &mut process).await;
    conn.body(b"\xbfdata: 1\n\n").await;
    assert_eq!(client.next_event().await.data, "1");
    assert!(!origin.is_called_within(QUIET).await);
}

#[tokio::test]
async fn a_terminal_event_ends_the_stream_though_it_went_over_in_halves() {
    let origin = TestOrigin::start().await;
    let house = house(&origin, "end_when: [{ event: done }]");
    let mut process = house.start().await;
    let mut conn = origin.accept().await;
    conn.chunked_stream_head().await;
    let mut client = joined(&process).await;
    conn.body("event: do").await;
    has_read(&process, 9).await;
    next(&house, &mut process).await;
    conn.body("ne\ndata: last\n\n").await;
    let last = client.next_event().await;
    assert_eq!((&*last.event_type, &*last.data), ("done", "last"));
    conn.closed().await;
    assert!(!origin.is_called_within(QUIET).await);
}

/// What ends a connection after it was given is the new process's to tell, and to mend.
#[tokio::test]
async fn an_origin_that_ends_then_is_asked_by_the_new_process() {
    let origin = TestOrigin::start().await;
    let house = house(&origin, "");
    let mut process = house.start().await;
    let mut conn = origin.accept().await;
    for n in 1..=3 {
        conn.chunked_stream_head().await;
        let mut client = joined(&process).await;
        conn.event(&format!("id: {n}\ndata: x")).await;
        assert_eq!(client.next_event().await.id(), n.to_string());
        next(&house, &mut process).await;
        // In order, early, and by a reset.
        match n {
            1 => conn.close().await,
            2 => conn.close_early().await,
            _ => conn.reset(),
        }
        conn = origin.accept().await;
        assert_eq!(conn.request().header("last-event-id"), Some(&*n.to_string()));
    }
}

/// With another configuration the new process connects by that, behind the last event; the old
/// connection is closed.
#[tokio::test]
async fn a_changed_upstream_connects_anew_and_resumes() {
    let origin = TestOrigin::start().await;
    let house = house(&origin, "");
    let mut process = house.start().await;
    let mut conn = origin.accept().await;
    conn.chunked_stream_head().await;
    let mut client = joined(&process).await;
    conn.event("id: 7\ndata: a").await;
    client.next_event().await;
    let changed = house.setup().upstream("reconnect: 20ms, headers: { X-New: \"1\" }");
    house.write(&changed.yaml());
    next(&house, &mut process).await;
    let mut anew = origin.accept().await;
    assert_eq!(anew.request().header("last-event-id"), Some("7"));
    assert_eq!(anew.request().header("x-new"), Some("1"));
    conn.closed().await;
    anew.chunked_stream_head().await;
    anew.event("id: 8\ndata: b").await;
    assert_eq!(client.next_event().await.id(), "8");
}

/// An upgrade that comes to nothing is none for the origin either.
#[tokio::test]
async fn after_an_upgrade_that_fails_the_origin_is_read_on() {
    let origin = TestOrigin::start().await;
    let house = house(&origin, "");
    let process = house.start().await;
    let mut conn = origin.accept().await;
    conn.chunked_stream_head().await;
    let mut client = joined(&process).await;
    let whole = house.setup().yaml();
    house.write(&format!("{whole}nonsense: true\n"));
    for n in 0..3 {
        conn.send("f\r\ndata: 0").await;
        let (code, said) = house.run(&["serve", "--takeover"]).await;
        assert_eq!(code, 2, "{said}");
        conn.send(format!("12345{n}\n\n\r\n")).await;
        assert_eq!(client.next_event().await.data, format!("012345{n}"));
    }
    assert!(!origin.is_called_within(QUIET).await);
}

/// TLS can't be given: such a connection is closed and opened again. With ids nothing is missing; without
/// any, that is told.
#[tokio::test]
async fn over_tls_the_origin_is_asked_for_what_comes_after_the_last_id() {
    for (first, second, gap) in [("id: 1\n", "id: 2\n", false), ("", "", true)] {
        let dir = tempfile::tempdir().unwrap();
        let (ca, tls) = certified(dir.path());
        let origin = TestOrigin::start_tls(tls).await;
        let keys = format!(
            "reconnect: 20ms, reconnect_max: 100ms, tls: {{ ca: \"{}\" }}",
            ca.display()
        );
        let setup = Setup::over(&origin).upstream(&keys);
        let house = House::of(setup.top("drain: { spread: 0s, timeout: 5s }\n"));
        let mut process = house.start().await;
        let mut conn = origin.accept().await;
        conn.chunked_stream_head().await;
        let mut client = joined(&process).await;
        conn.event(&format!("{first}data: a")).await;
        assert_eq!(client.next_event().await.data, "a");
        let (mut anew, ()) = tokio::join!(origin.accept(), next(&house, &mut process));
        assert_eq!(anew.request().header("last-event-id"), (!gap).then_some("1"));
        conn.closed().await;
        anew.chunked_stream_head().await;
        anew.event(&format!("{second}data: b")).await;
        if gap {
            assert_eq!(client.next_event().await.gap().as_deref(), Some("upstream_reconnected"));
        }
        assert_eq!(client.next_event().await.data, "b");
    }
}

/// A certificate for this machine, that is its own authority, and a server that shows it.
pub(super) fn certified(dir: &Path) -> (PathBuf, Arc<rustls::ServerConfig>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    let ca = dir.join("ca.pem");
    std::fs::write(&ca, certificate.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .unwrap();
    (ca, Arc::new(tls))
}

/// Jobs' connections go over too, each to its own channel.
#[tokio::test]
async fn the_upstreams_of_jobs_go_over() {
    let origin = TestOrigin::start().await;
    let setup = Setup::at(&origin.url("/jobs/{job}")).path("/jobs/{job}");
    let house = House::of(setup.top("drain: { spread: 0s, timeout: 5s }\n"));
    let mut process = house.start().await;
    let mut jobs: Vec<(Conn, TestClient, &str)> = Vec::new();
    for job in ["a", "b%20c"] {
        let address = process.address;
        let path = format!("/jobs/{job}");
        let opening = tokio::spawn(async move { get(&path).open(address).await });
        let mut conn = origin.accept().await;
        conn.chunked_stream_head().await;
        let mut client = opening.await.unwrap();
        client.opened().await;
        jobs.push((conn, client, job));
    }
    for n in 0..2 {
        for (conn, _, job) in &mut jobs {
            conn.body(format!("data: {job} {n}")).await;
        }
        next(&house, &mut process).await;
        for (conn, client, job) in &mut jobs {
            conn.body("!\n\n").await;
            assert_eq!(client.next_event().await.data, format!("{job} {n}!"));
        }
    }
    assert!(!origin.is_called_within(QUIET).await);
}

/// Each at its place: their ids are those of the place.
#[tokio::test]
async fn merged_upstreams_keep_their_places() {
    let (first, second) = (TestOrigin::start().await, TestOrigin::start().await);
    let setup = Setup::over(&first).top("drain: { spread: 0s, timeout: 5s }\n");
    let house = House::of(setup);
    let one = format!(
        "upstream: {{ url: \"{}\", reconnect: 20ms, reconnect_max: 100ms }}",
        first.url("/sse")
    );
    let two = format!(
        "upstream: [{{ url: \"{}\", reconnect: 20ms }}, {{ url: \"{}\", reconnect: 20ms }}]",
        first.url("/sse"),
        second.url("/sse")
    );
    let yaml = house.setup().yaml();
    assert!(yaml.contains(&one), "{yaml}");
    house.write(&yaml.replace(&one, &two));
    let mut process = house.start().await;
    let mut conns = [first.accept().await, second.accept().await];
    let mut client = {
        for conn in &mut conns {
            conn.chunked_stream_head().await;
        }
        joined(&process).await
    };
    for (n, conn) in conns.iter_mut().enumerate() {
        conn.event(&format!("id: {n}\ndata: {n}")).await;
        assert_eq!(client.next_event().await.data, n.to_string());
    }
    next(&house, &mut process).await;
    for (n, conn) in conns.into_iter().enumerate() {
        let origin = [&first, &second][n];
        conn.close().await;
        assert_eq!(
            origin.accept().await.request().header("last-event-id"),
            Some(&*n.to_string())
        );
    }
}
