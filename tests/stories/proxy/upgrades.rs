//! Protocols that are switched to, and how they end. HTTP/2 has no such switch (browsers open
//! WebSockets over HTTP/1.1).

use super::front::{front, get};
use crate::support::process::TestProcess;
use crate::support::relay::Setup;
use crate::support::wire::Wire;
use tokio::net::TcpListener;

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

#[tokio::test]
async fn a_web_socket_passes() {
    let front = front().await;
    let mut client = front.client().await;
    let early = b"\x81\x85mask!early";
    client
        .send("GET /chat HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n")
        .await;
    client.send(early).await;
    let mut origin = front.accept().await;
    let asked = origin.start().await;
    assert_eq!(asked.value("upgrade"), Some("websocket"));
    assert_eq!(
        asked.value("connection").map(str::to_lowercase).as_deref(),
        Some("upgrade")
    );
    assert_eq!(asked.value("sec-websocket-key"), Some("k"));
    origin
        .send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: a\r\n\r\nhello")
        .await;
    let head = client.start().await;
    assert_eq!((head.status(), head.value("upgrade")), (101, Some("websocket")));
    assert_eq!(
        head.value("connection").map(str::to_lowercase).as_deref(),
        Some("upgrade")
    );
    assert_eq!(head.value("sec-websocket-accept"), Some("a"));
    assert_eq!(client.bytes(5).await, b"hello");
    assert_eq!(origin.bytes(early.len()).await, early);
    for n in 0..3_u8 {
        let data = vec![n; 100_000];
        client.send(&data).await;
        assert!(origin.bytes(data.len()).await == data);
        origin.send(&data).await;
        assert!(client.bytes(data.len()).await == data);
    }
    // The end of one side is the end of the other.
    origin.send("bye").await;
    drop(origin);
    assert_eq!(client.rest().await, b"bye");
}

#[tokio::test]
async fn a_client_that_leaves_a_tunnel_ends_it() {
    let front = front().await;
    let mut client = front.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: any/2\r\n\r\n")
        .await;
    let mut origin = front.accept().await;
    origin.start().await;
    origin
        .send("HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: any/2\r\n\r\n")
        .await;
    client.start().await;
    client.send("last words").await;
    drop(client);
    assert_eq!(origin.rest().await, b"last words");
}

#[tokio::test]
async fn an_upgrade_that_is_refused_is_an_answer_like_any_other() {
    let front = front().await;
    let mut client = front.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    let mut origin = front.accept().await;
    origin.start().await;
    origin
        .send("HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno")
        .await;
    let head = client.start().await;
    assert_eq!(
        (head.status(), client.content(&head).await.bytes),
        (400, b"no".to_vec())
    );
    client.send(get("/next")).await;
    assert_eq!(origin.start().await.line, "GET /next HTTP/1.1");
}

#[tokio::test]
async fn a_drain_ends_what_has_no_end_of_its_own() {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = origin.local_addr().unwrap();
    let top = format!("drain: {{ spread: 300ms, timeout: 19s }}\npass: [{{ prefix: /, to: \"http://{at}\" }}]");
    // Nobody listens at the source's.
    let mut process = TestProcess::start_limited(&Setup::at("http://127.0.0.1:9/sse").top(&top), None).await;
    let mut stream = Wire::connect(process.address).await;
    stream.send(get("/other/sse")).await;
    let mut streaming = Wire::accept(&origin).await;
    streaming.start().await;
    streaming.send(STREAM).await;
    // One event, and a part of the next.
    streaming.chunk("data: a\n\ndata: b").await;
    stream.start().await;
    assert_eq!(stream.next_chunk().await.as_deref(), Some(&b"data: a\n\ndata: b"[..]));
    let mut socket = Wire::connect(process.address).await;
    socket
        .send("GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    let mut chatting = Wire::accept(&origin).await;
    chatting.start().await;
    chatting
        .send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    assert_eq!(socket.start().await.status(), 101);
    process.terminate();
    process.logged("draining").await;
    streaming.chunk("\n\ndata: c").await;
    let mut seen = Vec::new();
    while let Some(piece) = stream.next_chunk().await {
        seen.extend(piece);
    }
    // Whether its turn came before that piece or after it: the end is in order.
    let seen = String::from_utf8(seen).unwrap();
    assert!(["", "\n\n", "\n\ndata: c"].contains(&seen.as_str()), "{seen:?}");
    assert!(socket.rest().await.is_empty() && chatting.rest().await.is_empty());
    assert_eq!(process.exit().await.code(), Some(0));
}
