//! What an entry's origin is asked for at one time, and how it is counted.

use super::front::{answer, front_with, get};

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

#[tokio::test]
async fn an_entry_has_so_many_requests_at_one_time() {
    let front = front_with("    connections_max: 2\n", "").await;
    let mut inside = Vec::new();
    for _ in 0..2 {
        let mut client = front.client().await;
        client.send(get("/slow")).await;
        let mut origin = front.accept().await;
        origin.start().await;
        inside.push((client, origin));
    }
    let mut refused = front.client().await;
    refused.send(get("/third")).await;
    let head = refused.start().await;
    assert_eq!(head.status(), 503);
    assert!(head.value("retry-after").is_some(), "{head:?}");
    assert_eq!(front.refused("passes"), 1.0);
    for (client, origin) in &mut inside {
        origin.send(answer("text/plain", "x", "Connection: close\r\n")).await;
        let head = client.start().await;
        assert_eq!(client.content(&head).await.bytes, b"x");
    }
    front
        .relay
        .eventually_metric(r#"fanfare_proxied_requests_total{code="200"}"#, 2.0)
        .await;
    front
        .relay
        .eventually_metric("fanfare_proxied_request_seconds_count", 2.0)
        .await;
    let mut client = front.client().await;
    client.send(get("/fourth")).await;
    assert_eq!(front.accept().await.start().await.line, "GET /fourth HTTP/1.1");
}

#[tokio::test]
async fn event_streams_that_are_proxied_are_counted() {
    let front = front_with("", "").await;
    let mut client = front.client().await;
    client.send(get("/other/sse")).await;
    let mut origin = front.accept().await;
    origin.start().await;
    origin.send(STREAM).await;
    client.start().await;
    let streams = "fanfare_proxied_streams";
    assert_eq!(front.relay.metric(streams), 1.0);
    origin.chunk("data: a\n\n").await;
    assert_eq!(client.next_chunk().await.as_deref(), Some(&b"data: a\n\n"[..]));
    drop(client);
    front.relay.eventually_metric(streams, 0.0).await;
    assert!(origin.try_start().await.is_none(), "the origin learns of it");
}

#[tokio::test]
async fn traces_are_not_proxied() {
    let front = front_with("", "").await;
    let mut client = front.client().await;
    client
        .send("TRACE /x HTTP/1.1\r\nHost: h\r\nCookie: secret\r\n\r\n")
        .await;
    assert_eq!(client.start().await.status(), 405);
    assert_eq!(front.refused("method"), 1.0);
}
