//! A client that has gone while its request is at the origin.

use super::front::{front, front_with, get};

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
