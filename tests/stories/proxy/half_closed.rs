//! A client that sends no more. (Over HTTP/2 its request says so, and its connection stays.)

use super::front::{answer, front, get};
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
