//! An origin that can't be reached, says nothing, or says nonsense.

use super::front::{Front, assert_problem, front, get};
use std::time::Duration;

#[tokio::test]
async fn an_answer_that_is_none_is_a_bad_gateway() {
    let front = front().await;
    let nonsense: [&[u8]; 7] = [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 999999 Huh\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ];
    for (nth, answer) in nonsense.into_iter().enumerate() {
        let mut client = front.client().await;
        client.send(get("/?token=secret")).await;
        let mut origin = front.accept().await;
        origin.start().await;
        origin.send(answer).await;
        origin.finish().await;
        assert_problem(&mut client, 502, &front).await;
        assert_eq!(front.refused("origin"), (nth + 1) as f64);
        // The client's connection is as good as before.
        client.send(get("/")).await;
        let mut origin = front.accept().await;
        origin.start().await;
        origin
            .send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            .await;
        assert_eq!(client.start().await.status(), 200);
    }
}

#[tokio::test]
async fn an_origin_that_refuses_or_resets_is_a_bad_gateway() {
    let front = front().await;
    let mut client = front.client().await;
    client.send(get("/")).await;
    let mut origin = front.accept().await;
    origin.start().await;
    origin.reset();
    assert_problem(&mut client, 502, &front).await;
    let Front {
        origin,
        at,
        relay,
        _stream,
    } = front;
    drop(origin);
    client.send(get("/")).await;
    let gone = Front {
        origin: tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(),
        at,
        relay,
        _stream,
    };
    assert_problem(&mut client, 502, &gone).await;
    assert_eq!(gone.refused("origin"), 2.0);
    // Also one that sends first and reads afterwards.
    let mut client = gone.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n")
        .await;
    client.send(vec![b'x'; 4_000_000]).await;
    assert_problem(&mut client, 502, &gone).await;
}

#[tokio::test]
async fn an_origin_that_says_nothing_is_given_up() {
    let front = front().await;
    let mut client = front.client().await;
    client.send(get("/")).await;
    let mut origin = front.accept().await;
    origin.start().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(59)).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(client.is_quiet());
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    assert_problem(&mut client, 504, &front).await;
    assert_eq!(front.refused("origin"), 1.0);
    assert!(origin.try_start().await.is_none(), "the connection goes with it");
}

#[tokio::test]
async fn a_client_that_does_not_send_its_body_is_told_so() {
    let front = front().await;
    let mut client = front.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf")
        .await;
    let mut origin = front.accept().await;
    origin.start().await;
    assert_eq!(origin.bytes(4).await, b"half");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    assert_problem(&mut client, 408, &front).await;
    assert!(client.try_start().await.is_none());
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_seen_to_break_off() {
    let front = front().await;
    let mut client = front.client().await;
    client.send(get("/")).await;
    let mut origin = front.accept().await;
    origin.start().await;
    origin
        .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .await;
    client.start().await;
    assert_eq!(client.next_chunk().await.unwrap(), b"abc");
    drop(origin);
    assert_eq!(client.rest().await, b"", "no last chunk");
}

#[tokio::test]
async fn a_request_that_breaks_off_is_seen_to_break_off() {
    let front = front().await;
    let mut client = front.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .await;
    let mut origin = front.accept().await;
    origin.start().await;
    assert_eq!(origin.next_chunk().await.unwrap(), b"abc");
    drop(client);
    assert_eq!(origin.rest().await, b"", "no last chunk");
}
