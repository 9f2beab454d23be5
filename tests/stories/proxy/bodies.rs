//! Bodies: streamed both ways, whatever their size, and read no sooner than they are wanted.

use super::front::{Front, front, get};
use crate::support::wire::Wire;
use std::time::Duration;

/// Far more than any buffer on the way.
const LARGE_BYTES: usize = 48 << 20;

/// The bytes from here on of something that does not repeat soon.
fn piece(from: usize, len: usize) -> Vec<u8> {
    (from..from + len)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

/// A request with these lines that has reached the origin.
async fn begun(front: &Front, lines: &str) -> (Wire, Wire) {
    let mut client = front.client().await;
    client
        .send(format!("POST /up HTTP/1.1\r\nHost: h\r\n{lines}\r\n"))
        .await;
    let mut origin = front.accept().await;
    let asked = origin.start().await;
    for line in lines.lines().filter(|line| !line.starts_with("TE")) {
        let (name, value) = line.split_once(": ").unwrap();
        assert_eq!(asked.value(&name.to_ascii_lowercase()), Some(value), "{asked:?}");
    }
    (client, origin)
}

#[tokio::test]
async fn a_large_request_is_streamed() {
    let front = front().await;
    let (mut client, mut origin) = begun(&front, &format!("Content-Length: {LARGE_BYTES}\r\n")).await;
    // The first piece is there before the second is sent.
    client.send(piece(0, 1000)).await;
    assert_eq!(origin.bytes(1000).await, piece(0, 1000));
    // While the origin takes nothing, neither does the relay, beyond what buffers hold.
    let mut sent = 1000;
    let mut refused = 0;
    while refused < 50 {
        match client.offer(&piece(sent, 64 * 1024)) {
            Ok(more) => (sent, refused) = (sent + more, 0),
            // Whoever else has something to do.
            Err(_) => {
                refused += 1;
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
            }
        }
        assert!(sent < LARGE_BYTES, "the relay took it all");
    }
    let sending = tokio::spawn(async move {
        while sent < LARGE_BYTES {
            let len = (LARGE_BYTES - sent).min(256 * 1024);
            client.send(piece(sent, len)).await;
            sent += len;
        }
        client
    });
    let mut taken = 1000;
    while taken < LARGE_BYTES {
        let len = (LARGE_BYTES - taken).min(256 * 1024);
        assert!(origin.bytes(len).await == piece(taken, len), "at {taken}");
        taken += len;
    }
    let mut client = sending.await.unwrap();
    origin.send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.start().await.status(), 201);
}

#[tokio::test]
async fn a_large_answer_is_streamed() {
    let front = front().await;
    let mut client = front.client().await;
    client.send(get("/down")).await;
    let mut origin = front.accept().await;
    origin.start().await;
    origin
        .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    let head = client.start().await;
    origin.chunk(piece(0, 1000)).await;
    assert_eq!(client.next_chunk().await.unwrap(), piece(0, 1000));
    let sending = tokio::spawn(async move {
        let mut sent = 1000;
        while sent < LARGE_BYTES {
            let len = (LARGE_BYTES - sent).min(256 * 1024);
            origin.chunk(piece(sent, len)).await;
            sent += len;
        }
        origin.send("0\r\n\r\n").await;
    });
    let content = client.content(&head).await;
    assert!(content.bytes == piece(1000, LARGE_BYTES - 1000));
    sending.await.unwrap();
}

#[tokio::test]
async fn an_event_stream_of_the_origins_own_is_flushed_at_once() {
    let front = front().await;
    let mut client = front.client().await;
    client.send(get("/other/stream")).await;
    let mut origin = front.accept().await;
    origin.start().await;
    origin
        .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        .await;
    let head = client.start().await;
    assert_eq!(head.value("content-type"), Some("text/event-stream"));
    for n in 0..3 {
        let event = format!("data: {n}\n\n");
        origin.send(&event).await;
        assert_eq!(client.next_chunk().await.unwrap(), event.as_bytes());
    }
    // Whoever leaves is missed.
    drop(client);
    assert!(origin.try_start().await.is_none());
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let front = front().await;
    let lines = "TE: trailers\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n";
    let mut client = front.client().await;
    client
        .send(format!("POST / HTTP/1.1\r\nHost: h\r\nConnection: TE\r\n{lines}\r\n"))
        .await;
    client.send("3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n").await;
    let mut origin = front.accept().await;
    let asked = origin.start().await;
    assert_eq!(
        (asked.value("trailer"), asked.value("te")),
        (Some("X-Sum"), Some("trailers"))
    );
    let content = origin.content(&asked).await;
    assert_eq!(
        (&content.bytes[..], &content.trailers[..]),
        (&b"abc"[..], &[("x-sum".into(), "1".into())][..])
    );
    origin
        .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Took, X-Sum\r\n\r\n2\r\nde\r\n0\r\nX-Took: 2\r\nX-Sum: 3\r\n\r\n")
        .await;
    let head = client.start().await;
    assert_eq!(head.value("trailer"), Some("X-Took, X-Sum"));
    let mut content = client.content(&head).await;
    content.trailers.sort();
    assert_eq!(content.bytes, b"de");
    assert_eq!(
        content.trailers,
        [("x-sum".into(), "3".into()), ("x-took".into(), "2".into())]
    );
}

#[tokio::test]
async fn a_chunked_get_keeps_its_body_and_an_empty_post_its_length() {
    let front = front().await;
    let (asked, _, _) = front
        .exchange(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        )
        .await;
    assert_eq!(
        (asked.value("content-length"), asked.value("transfer-encoding")),
        (Some("0"), None)
    );
    let mut client = front.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
        .await;
    let mut origin = front.accept().await;
    let asked = origin.start().await;
    assert_eq!(origin.content(&asked).await.bytes, b"hi");
}

#[tokio::test]
async fn a_body_that_is_waited_for_comes_when_the_origin_wants_it() {
    let front = front().await;
    let (mut client, mut origin) = begun(&front, "Expect: 100-continue\r\nContent-Length: 4\r\n").await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(client.is_quiet(), "nobody has asked for it yet");
    origin.send("HTTP/1.1 100 Continue\r\n\r\n").await;
    assert_eq!(client.start().await.status(), 100);
    client.send("body").await;
    assert_eq!(origin.bytes(4).await, b"body");
    origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let head = client.start().await;
    assert_eq!(
        (head.status(), client.content(&head).await.bytes),
        (200, b"ok".to_vec())
    );
}

#[tokio::test]
async fn a_body_that_the_origin_refuses_is_never_asked_for() {
    let front = front().await;
    let (mut client, mut origin) = begun(&front, "Expect: 100-continue\r\nContent-Length: 4\r\n").await;
    origin
        .send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!")
        .await;
    let head = client.start().await;
    assert_eq!(
        (head.status(), client.content(&head).await.bytes),
        (413, b"no!".to_vec())
    );
    // Neither end of the exchange can be used again: nobody knows whether a body follows.
    assert!(client.try_start().await.is_none());
    assert!(origin.try_start().await.is_none());
}

#[tokio::test]
async fn an_origin_that_does_not_know_100_gets_the_body_a_little_later() {
    let front = front().await;
    let (mut client, mut origin) = begun(&front, "Expect: 100-continue\r\nContent-Length: 4\r\n").await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3)).await;
    tokio::time::resume();
    assert_eq!(client.start().await.status(), 100);
    client.send("body").await;
    assert_eq!(origin.bytes(4).await, b"body");
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let front = front().await;
    let (mut client, mut origin) = begun(&front, "Content-Length: 50000000\r\n").await;
    client.send(piece(0, 1000)).await;
    origin.bytes(1000).await;
    origin
        .send("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno!")
        .await;
    // With bytes unread: the connection is reset.
    drop(origin);
    // It sends on, and reads afterwards, as simple clients do.
    let mut sent = 1000;
    while sent < 4 << 20 && client.try_send(piece(sent, 64 * 1024)).await.is_ok() {
        sent += 64 * 1024;
    }
    let head = client.start().await;
    assert_eq!(
        (head.status(), client.content(&head).await.bytes),
        (413, b"no!".to_vec())
    );
}
