//! A client that sends no more, or that has gone while its request is at the origin.

use super::{answer, front, front_with, get};
use crate::support::wire::Wire;

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

#[tokio::test]
async fn who_has_said_everything_gets_the_origins_answer() {
    let front = front().await;
    for request in [
        get("/page"),
        "POST /page HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab".to_owned(),
        "POST /page HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n".to_owned(),
        "GET /page HTTP/1.0\r\n\r\n".to_owned(),
    ] {
        let mut client = front.client().await;
        client.send(&request).await;
        client.finish().await;
        let mut origin = front.accept().await;
        let asked = origin.start().await;
        origin.content(&asked).await;
        origin
            .send(answer("text/plain", "hello", "Connection: close\r\n"))
            .await;
        let head = client.start().await;
        assert_eq!(head.status(), 200, "{request:?}");
        assert_eq!(client.rest().await, b"hello", "{request:?}");
    }
}

/// It is asked in between whether it is still there, by an answer that says nothing.
#[tokio::test]
async fn who_has_said_everything_and_waits_long_gets_it_too() {
    let front = front().await;
    let mut client = front.client().await;
    client.send(get("/slow")).await;
    client.finish().await;
    let mut origin = front.accept().await;
    origin.start().await;
    let interim = client.start().await;
    assert_eq!((interim.status(), interim.fields.len()), (100, 0));
    origin
        .send(answer("text/plain", "hello", "Connection: close\r\n"))
        .await;
    let head = client.start().await;
    assert_eq!(head.status(), 200);
    assert_eq!(client.rest().await, b"hello");
    // Never one that does not know such answers.
    let mut old = front.client().await;
    old.send("GET /slow HTTP/1.0\r\n\r\n").await;
    old.finish().await;
    let mut origin = front.accept().await;
    origin.start().await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert!(old.is_quiet());
    origin
        .send(answer("text/plain", "hello", "Connection: close\r\n"))
        .await;
    assert_eq!(old.start().await.status(), 200);
}

/// The origin learns that nobody waits, whatever of its answer has come.
#[tokio::test]
async fn who_has_gone_is_noticed() {
    let front = front_with("    connections_max: 1\n", "").await;
    let mut ended = 0.0;
    for begun in ["", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun"] {
        for request in [
            get("/slow"),
            "POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab".to_owned(),
        ] {
            let mut client = front.client().await;
            client.send(&request).await;
            let mut origin = front.accept().await;
            let asked = origin.start().await;
            origin.content(&asked).await;
            origin.send(begun).await;
            if !begun.is_empty() {
                client.start().await;
                client.bytes(5).await;
            }
            // It closes, with nothing unread: no reset.
            drop(client);
            if !begun.is_empty() {
                // To one that has had a part of its answer nothing else can be sent.
                origin.send("x").await;
            }
            assert!(
                origin.try_start().await.is_none(),
                "{request:?} {begun:?}: the origin is told"
            );
            ended += 1.0;
            front
                .relay
                .eventually_metric("fanfare_proxied_request_seconds_count", ended)
                .await;
        }
    }
    // And the one place of the entry is free.
    let mut client = front.client().await;
    client.send(get("/next")).await;
    assert_eq!(front.accept().await.start().await.line, "GET /next HTTP/1.1");
}

#[tokio::test]
async fn who_breaks_off_is_noticed_at_once() {
    let front = front().await;
    let mut client = front.client().await;
    client.send(get("/slow")).await;
    let mut origin = front.accept().await;
    origin.start().await;
    client.reset();
    assert!(origin.try_start().await.is_none());
}

#[tokio::test]
async fn who_has_left_a_proxied_stream_is_gone() {
    let front = front().await;
    let mut client = front.client().await;
    client.send(get("/sse")).await;
    let mut origin: Wire = front.accept().await;
    origin.start().await;
    origin.send(STREAM).await;
    client.start().await;
    client.finish().await;
    assert!(origin.try_start().await.is_none());
    front.relay.eventually_metric("fanfare_proxied_streams", 0.0).await;
}
