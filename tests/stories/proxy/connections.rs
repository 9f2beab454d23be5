//! Connections: reused, taken over by other protocols and by event streams, counted, and drained.

use super::front::{answer, front, front_with, get, yaml};
use crate::support::client::{TestClient, speaks_http2};
use crate::support::origin::{TestOrigin, within};
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};
use crate::support::wire::Wire;
use std::time::Duration;
use tokio::net::TcpListener;

#[tokio::test]
async fn a_connection_to_the_origin_is_used_again() {
    let front = front().await;
    let mut client = front.client().await;
    client.send(get("/0")).await;
    let mut origin = front.accept().await;
    for n in 0..5 {
        let asked = origin.start().await;
        assert_eq!(asked.line, format!("GET /{n} HTTP/1.1"));
        origin.send(answer("text/plain", "x", "")).await;
        let head = client.start().await;
        assert_eq!(client.content(&head).await.bytes, b"x");
        // By the same client and by others.
        if n == 2 {
            client = front.client().await;
        }
        client.send(get(&format!("/{}", n + 1))).await;
    }
}

#[tokio::test]
async fn a_request_that_meets_a_closing_connection_is_made_again_if_that_is_safe() {
    let front = front().await;
    for (request, is_safe) in [
        (get("/again"), true),
        (
            "POST /once HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".to_owned(),
            false,
        ),
    ] {
        let mut client = front.client().await;
        client.send(get("/first")).await;
        let mut origin = front.accept().await;
        origin.start().await;
        origin.send(answer("text/plain", "x", "")).await;
        let head = client.start().await;
        client.content(&head).await;
        client.send(&request).await;
        origin.start().await;
        // It was closed for being idle as the request was on its way.
        drop(origin);
        if is_safe {
            let mut origin = front.accept().await;
            assert_eq!(origin.start().await.line, "GET /again HTTP/1.1");
            origin.send(answer("text/plain", "", "Connection: close\r\n")).await;
            assert_eq!(client.start().await.status(), 200);
        } else {
            assert_eq!(client.start().await.status(), 502);
        }
    }
}

#[tokio::test]
async fn a_first_connection_that_is_cut_is_not_tried_again() {
    let front = front().await;
    let mut client = front.client().await;
    client.send(get("/")).await;
    let mut origin = front.accept().await;
    origin.start().await;
    drop(origin);
    assert_eq!(client.start().await.status(), 502);
    assert_eq!(front.refused("origin"), 1.0);
}

#[tokio::test]
async fn a_connection_can_pass_requests_and_then_follow_a_stream() {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = origin.local_addr().unwrap();
    let yaml = yaml("", "", at, &format!("http://{at}/sse"));
    let relay =
        crate::support::relay::TestRelay::start(fanfare::config::read(&yaml, "s.yaml", &|_| None).unwrap().config);
    let mut upstream = Wire::accept(&origin).await;
    assert_eq!(upstream.start().await.line, "GET /sse HTTP/1.1");
    upstream
        .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        .await;
    relay.upstream_connected().await;
    let mut client = Wire::connect(relay.address).await;
    // All at once: two that pass, and one that stays.
    let large = "x".repeat(3 << 20);
    client
        .send(format!("{}{}{}", get("/one"), get("/two"), get(PATH)))
        .await;
    let mut passed = Wire::accept(&origin).await;
    for target in ["/one", "/two"] {
        assert_eq!(passed.start().await.line, format!("GET {target} HTTP/1.1"));
        let sending = passed.send(answer("text/plain", &large, ""));
        let reading = async {
            let head = client.start().await;
            assert!(client.content(&head).await.bytes == large.as_bytes(), "{target}");
        };
        tokio::join!(sending, reading);
    }
    let head = client.start().await;
    assert_eq!(head.value("content-type"), Some("text/event-stream"));
    relay.eventually_clients(1).await;
    upstream.send("data: after all\n\n").await;
    let mut seen = String::new();
    while !seen.contains("data: after all\n\n") {
        seen += &String::from_utf8(client.next_chunk().await.unwrap()).unwrap();
    }
}

#[tokio::test]
async fn who_waits_for_the_origin_is_not_waiting_to_send() {
    let front = front_with("", "limits: { header_timeout: 300ms }").await;
    let mut client = front.client().await;
    client.send(get("/slow")).await;
    let mut origin = front.accept().await;
    origin.start().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(5)).await;
    tokio::time::resume();
    origin.send(answer("text/plain", "late", "")).await;
    let head = client.start().await;
    assert_eq!(client.content(&head).await.bytes, b"late");
}

async fn process(descriptors: Option<u32>, top: &str) -> (TestProcess, TcpListener) {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = origin.local_addr().unwrap();
    let pass = format!("{top}\npass: [{{ prefix: /, to: \"http://{at}\" }}]");
    // Nobody listens at the source's.
    let setup = Setup::at("http://127.0.0.1:9/sse").top(&pass);
    (TestProcess::start_limited(&setup, descriptors).await, origin)
}

#[tokio::test]
async fn an_origin_may_speak_tls() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let roots = dir.path().join("roots.pem");
    std::fs::write(&roots, certificate.pem()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .unwrap();
    let origin = TestOrigin::start_tls(std::sync::Arc::new(tls)).await;
    let port = origin.address().port();
    let pass = format!(
        "pass: [{{ prefix: /good/, to: \"https://localhost:{port}\" }}, {{ prefix: /bad/, to: \"https://127.0.0.1:{port}\" }}]"
    );
    let setup = Setup::at("http://127.0.0.1:9/sse").top(&pass);
    let roots = [("SSL_CERT_FILE", roots.to_str().unwrap())];
    let process = TestProcess::start_in(&setup, None, &roots).await;
    let mut client = Wire::connect(process.address).await;
    client.send(get("/good/")).await;
    let mut passed = origin.accept().await;
    assert_eq!(passed.request().header("host"), Some("cue.test"));
    passed.send(answer("text/plain", "secured", "")).await;
    let head = client.start().await;
    assert_eq!(client.content(&head).await.bytes, b"secured");
    // The certificate is for another name.
    client.send(get("/bad/")).await;
    let (refused, failed) = tokio::join!(client.start(), origin.try_accept());
    assert_eq!(refused.status(), 502);
    assert!(failed.is_err());
}

#[tokio::test]
async fn only_so_many_pass_at_one_time() {
    let (process, origin) = process(Some(128), "limits: { clients: 1 }").await;
    let mut inside = Vec::new();
    let refused = loop {
        let mut client = Wire::connect(process.address).await;
        client.send(get("/")).await;
        let answered = tokio::select! {
            head = client.start() => Some(head),
            mut passed = Wire::accept(&origin) => {
                passed.start().await;
                inside.push((client, passed));
                None
            }
        };
        if let Some(head) = answered {
            break head;
        }
        assert!(inside.len() < 64, "nobody is refused");
    };
    assert_eq!(refused.status(), 503);
    let after: u64 = refused.value("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&after));
    assert_eq!(refused.value("content-type"), Some("application/problem+json"));
    // With so few descriptors it is these that are missing.
    assert_eq!(
        process.metric(r#"fanfare_refused_total{reason="descriptors"}"#).await,
        1.0
    );
    // Connections that say nothing take nobody's place.
    let mut idle: Vec<TestClient> = Vec::new();
    for _ in 0..100 {
        let io = crate::support::client::connect(process.address, None).await;
        idle.push(TestClient::over(Box::new(io), false));
    }
    for (client, passed) in &mut inside {
        passed.send(answer("text/plain", "x", "")).await;
        let head = client.start().await;
        assert_eq!(client.content(&head).await.bytes, b"x");
    }
    drop(idle);
    drop(inside);
    let mut client = Wire::connect(process.address).await;
    client.send(get("/again")).await;
    assert_eq!(Wire::accept(&origin).await.start().await.line, "GET /again HTTP/1.1");
}

#[tokio::test]
async fn a_drain_waits_for_what_is_being_passed() {
    let (mut process, origin) = process(None, "drain: { spread: 0s, timeout: 15s }").await;
    let mut client = Wire::connect(process.address).await;
    client.send(get("/slow")).await;
    let mut passed = Wire::accept(&origin).await;
    passed.start().await;
    // One whose answer has begun.
    let mut halfway = Wire::connect(process.address).await;
    halfway.send(get("/halfway")).await;
    let mut other = Wire::accept(&origin).await;
    other.start().await;
    other.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc").await;
    let begun = halfway.start().await;
    assert_eq!(halfway.bytes(3).await, b"abc");
    process.terminate();
    process.logged("draining").await;
    let refused = async { while tokio::net::TcpStream::connect(process.address).await.is_ok() {} };
    within("the listener to be closed", refused).await;
    assert!(!process.has_ended());
    passed.send(answer("text/plain", "done", "")).await;
    let head = client.start().await;
    assert_eq!(client.content(&head).await.bytes, b"done");
    // Over HTTP/2 a GOAWAY says it.
    assert!(speaks_http2() || head.value("connection") == Some("close"), "{head:?}");
    assert!(client.try_start().await.is_none());
    assert!(!process.has_ended());
    other.send("def").await;
    assert_eq!(begun.value("content-length"), Some("6"));
    assert_eq!(halfway.rest().await, b"def");
    assert_eq!(process.exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_drain_cuts_what_does_not_end() {
    let (mut process, origin) = process(None, "drain: { spread: 0s, timeout: 500ms }").await;
    let mut client = Wire::connect(process.address).await;
    client.send(get("/endless")).await;
    let mut passed = Wire::accept(&origin).await;
    passed.start().await;
    process.terminate();
    assert_eq!(process.exit().await.code(), Some(1));
    assert!(client.try_start().await.is_none());
}

#[tokio::test]
async fn places_are_given_back() {
    let front = front().await;
    for n in 0..3 {
        let mut client = front.client().await;
        client.send(get("/")).await;
        let mut origin = front.accept().await;
        origin.start().await;
        if n == 0 {
            // The client breaks off; the origin learns of it.
            client.reset();
            assert!(origin.try_start().await.is_none());
            continue;
        }
        origin.send(answer("text/plain", "", "Connection: close\r\n")).await;
        client.start().await;
    }
    let relay = front.relay;
    let drained = tokio::spawn(relay.relay.drain());
    assert!(within("the relay to drain", drained).await.unwrap());
}
