//! Paths: which entry takes them, in which spellings, and whose a source's path is.

use super::front::{answer, get, yaml};
use crate::support::relay::{PATH, TestRelay};
use crate::support::wire::Wire;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// A relay whose entries are these, in front of an origin; its source is at `/app/sse`.
async fn relay_with(entries: &[&str]) -> (TestRelay, TcpListener) {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = origin.local_addr().unwrap();
    let entries: String = entries
        .iter()
        .map(|prefix| format!("  - {{ prefix: \"{prefix}\", to: \"http://{at}\" }}\n"))
        .collect();
    // Nobody listens at the source's.
    let yaml = format!(
        "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nsources: {{ s: {{ path: /app/sse, upstream: \"http://127.0.0.1:9/\" }}, \
         j: {{ path: \"/app/jobs/{{job}}\", upstream: \"http://127.0.0.1:9/{{job}}\" }} }}\npass:\n{entries}"
    );
    (TestRelay::read(&yaml), origin)
}

async fn status(relay: SocketAddr, target: &str) -> u16 {
    let mut client = Wire::connect(relay).await;
    client.send(get(target)).await;
    client.start().await.status()
}

/// Asks for a target; the origin must get it as it was written.
async fn passes(relay: &TestRelay, origin: &TcpListener, target: &str) {
    let mut client = Wire::connect(relay.address).await;
    client.send(get(target)).await;
    let mut conn = Wire::accept(origin).await;
    assert_eq!(conn.start().await.line, format!("GET {target} HTTP/1.1"));
    conn.send(answer("text/plain", "", "Connection: close\r\n")).await;
    assert_eq!(client.start().await.status(), 200, "{target}");
}

#[tokio::test]
async fn the_first_prefix_takes_it() {
    let (relay, origin) = relay_with(&["/a/", "/b"]).await;
    for target in ["/", "/c", "/a"] {
        assert_eq!(status(relay.address, target).await, 404, "{target}");
    }
    assert_eq!(relay.metric(r#"fanfare_refused_total{reason="not_found"}"#), 3.0);
    for target in ["/a/", "/a/x/y?z=/../", "/b", "/bc"] {
        passes(&relay, &origin, target).await;
    }
}

#[tokio::test]
async fn equivalent_spellings_pass_as_they_were_written() {
    let (relay, origin) = relay_with(&["/app/"]).await;
    for target in [
        "/%61pp/x",
        "/app//x",
        "/app/x;v=1/y",
        "/app/a%2fb",
        "/app/%C3%A4%7E",
        "/app/...",
        "/app/%252e%252e/x",
    ] {
        passes(&relay, &origin, target).await;
    }
}

#[tokio::test]
async fn what_could_be_read_as_another_path_is_refused() {
    let (relay, _origin) = relay_with(&["/app/"]).await;
    let targets = [
        "/app/../admin/x",
        "/app/./../admin/x",
        "/app//../admin/x",
        "/app/%2e/../admin/x",
        "/app/..%2fadmin/x",
        "/app/%2e%2e%2fadmin/x",
        "/app/.;a/../../admin/x",
        "/app/..;a/admin/x",
        "/app/%5c../admin/x",
        "/app\\..\\admin/x",
        "/app/..%5cadmin/x",
        "/app;x/../admin/x",
        "/app;x/admin/x",
        "/app%2fx",
        "//app/admin/x",
        "//x/app/admin/x",
        "/app/.",
        "/app/%2E",
        "/x/../app/y",
        "/app/..%3bx/admin",
    ];
    for target in targets {
        assert_eq!(status(relay.address, target).await, 400, "{target}");
    }
    let refused = relay.metric(r#"fanfare_refused_total{reason="bad_request"}"#);
    assert_eq!(refused, targets.len() as f64);
}

/// Spellings of a source's path that all origins, or some, read as that.
const SPELLINGS: [&str; 14] = [
    "/app/sse",
    "/app//sse",
    "//app/sse",
    "/app/%73se",
    "/app/sse;x=1",
    "/app;v=2/sse",
    "/app/sse%3bx",
    "/app%2fsse",
    "/app/./sse",
    "/app/x/../sse",
    "/app/%2e/sse",
    "/app/x/..;a/sse",
    "//host/app/sse",
    "/app/;x/sse",
];

#[tokio::test]
async fn a_source_is_never_passed_in_any_spelling() {
    let (relay, _origin) = relay_with(&["/"]).await;
    for target in SPELLINGS {
        let mut client = Wire::connect(relay.address).await;
        client
            .send(format!(
                "HEAD {target} HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n"
            ))
            .await;
        let head = client.start().await;
        match head.status() {
            200 => assert_eq!(head.value("content-type"), Some("text/event-stream"), "{target}"),
            status => assert_eq!(status, 400, "{target}"),
        }
        let mut client = Wire::connect(relay.address).await;
        client
            .send(format!(
                "POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
            ))
            .await;
        assert!(matches!(client.start().await.status(), 400 | 405), "{target}");
    }
    for target in [
        "/app/jobs/a%2fb",
        "/app/jobs;x/a%2fb",
        "/app/jobs%2fa",
        "/app/%6aobs%2Fa",
        "/app/jobs/a/..%2fb",
    ] {
        assert_eq!(status(relay.address, target).await, 400, "{target}");
    }
    assert_eq!(
        relay.metric(r#"fanfare_refused_total{reason="origin"}"#),
        0.0,
        "none was sent on"
    );
}

#[tokio::test]
async fn spellings_make_no_second_connection_at_the_origin() {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = origin.local_addr().unwrap();
    // The source's own path at the origin is the one that clients use: nothing but the spelling
    // could tell them apart.
    let yaml = yaml("", "", at, &format!("http://{at}{PATH}"));
    let relay = TestRelay::read(&yaml);
    let mut upstream = Wire::accept(&origin).await;
    assert_eq!(upstream.start().await.line, format!("GET {PATH} HTTP/1.1"));
    upstream
        .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        .await;
    relay.upstream_connected().await;
    let name = PATH.trim_start_matches('/');
    let spellings = [
        PATH.to_owned(),
        format!("//{name}"),
        format!("/./{name}"),
        format!("/x/../{name}"),
        format!("{PATH};x"),
        format!("/%{:02x}{}", name.as_bytes()[0], &name[1..]),
        format!("{PATH}%3bx"),
        format!("//host/{name}"),
        format!("/%2e/{name}"),
        format!("/x%2f..%2f{name}"),
    ];
    let mut streams = Vec::new();
    for spelling in spellings.iter().cycle().take(300) {
        let mut client = Wire::connect(relay.address).await;
        client.send(get(spelling)).await;
        match client.start().await.status() {
            200 => streams.push(client),
            status => assert_eq!(status, 400, "{spelling}"),
        }
    }
    relay.eventually_clients(streams.len()).await;
    assert_eq!(streams.len(), 120, "four spellings of ten mean the path");
    let second = std::future::poll_fn(|cx| std::task::Poll::Ready(origin.poll_accept(cx).is_ready())).await;
    assert!(!second, "somebody reached the origin beside the source");
}
