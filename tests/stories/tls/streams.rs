//! Streams over TLS: how they end, what a slow client gets, and what an origin is told.

use super::{Secured, open, secured, secured_with};
use crate::support::client::{End, TestClient, ask, get};
use crate::support::origin::within;
use crate::support::relay::PATH;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The raw end of a connection: `true`, if it was said (`close_notify`).
async fn end_is_said(io: &mut (impl tokio::io::AsyncRead + Unpin)) -> bool {
    let mut rest = Vec::new();
    match within("the end", io.read_to_end(&mut rest)).await {
        Ok(_) => true,
        Err(error) => {
            let kind = error.kind();
            assert!(
                matches!(
                    kind,
                    std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset
                ),
                "{error}"
            );
            false
        }
    }
}

#[tokio::test]
async fn an_end_in_order_is_said_and_a_cut_is_not() {
    for version in ["HTTP/1.1", "HTTP/1.0"] {
        let secured = secured_with("", "drain: { spread: 0s }").await;
        let mut io = secured.client().connect(secured.relay.address).await;
        io.write_all(format!("GET {PATH} {version}\r\nHost: a\r\n\r\n").as_bytes())
            .await
            .unwrap();
        secured.relay.eventually_clients(1).await;
        assert!(secured.relay.relay.drain().await);
        assert!(end_is_said(&mut io).await, "{version}");
    }
    let secured = secured().await;
    let mut io = secured.client().connect(secured.relay.address).await;
    io.write_all(&get(PATH).bytes()).await.unwrap();
    secured.relay.eventually_clients(1).await;
    drop(secured.relay);
    assert!(!end_is_said(&mut io).await);
}

#[tokio::test]
async fn an_answer_ends_and_the_connection_goes_on() {
    let secured = secured().await;
    let mut io = secured.client().connect(secured.relay.address).await;
    for _ in 0..3 {
        io.write_all(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut head = vec![0; 12];
        io.read_exact(&mut head).await.unwrap();
        assert_eq!(head, b"HTTP/1.1 404");
        let mut read = Vec::new();
        while !read.ends_with(b"}") {
            assert!(within("the body", io.read_buf(&mut read)).await.unwrap() > 0);
        }
    }
    io.write_all(&get(PATH).bytes()).await.unwrap();
    secured.relay.eventually_clients(1).await;
    io.shutdown().await.unwrap();
    secured.relay.eventually_clients(0).await;
}

#[tokio::test]
async fn a_client_that_says_its_end_gets_its_answer_and_no_stream() {
    let secured = secured().await;
    for (request, status) in [
        ("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Some("404")),
        (format!("GET {PATH} HTTP/1.1\r\nHost: a\r\n\r\n"), None),
    ] {
        let mut io = secured.client().connect(secured.relay.address).await;
        io.write_all(request.as_bytes()).await.unwrap();
        // `close_notify`, without closing the socket's half: TLS alone says it.
        io.get_mut().1.send_close_notify();
        io.flush().await.unwrap();
        let mut answer = Vec::new();
        let _ = within("the end", io.read_to_end(&mut answer)).await;
        if let Some(status) = status {
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        }
    }
    secured.relay.eventually_clients(0).await;
}

/// A client that stops reading while records are on their way is evicted: what it has got is whole,
/// and what it has not, it resumes.
#[tokio::test]
async fn a_slow_client_gets_whole_records_and_resumes() {
    let Secured {
        authority,
        relay,
        mut conn,
        _origin,
    } = secured_with("", "").await;
    let dial = authority.client(super::NAME, super::VERSIONS, None);
    let tcp = crate::support::client::connect(relay.address, Some(4096)).await;
    let io = dial.over(tcp).await.unwrap();
    let mut client = TestClient::new(Box::new(io), &get(PATH)).await;
    client.read_head().await;
    client.opened().await;
    let data = "x".repeat(50_000);
    let evicted = r#"fanfare_evictions_total{source="s",reason="bytes"}"#;
    let mut sent = 0;
    while relay.metric(evicted) == 0.0 {
        sent += 1;
        conn.event(&format!("id: {sent}\ndata: {data}")).await;
        assert!(sent < 2_000, "never evicted");
    }
    relay.eventually_clients(0).await;
    let mut last = 0;
    while let Some(event) = client.try_next_event().await {
        last += 1;
        assert!(event.id() == last.to_string() && event.data == data, "{}", event.id());
    }
    assert!(last < sent);
    let mut client = open(&dial, relay.address, &get(PATH).last_event_id(last.to_string())).await;
    let next = client.next_event().await;
    assert!(next.gap().is_some() || next.id() == (last + 1).to_string());
}

#[tokio::test]
async fn batches_of_every_size_arrive_as_they_are() {
    let mut secured = secured().await;
    let mut clients = Vec::new();
    for version in super::VERSIONS {
        let dial = secured.authority.client(super::NAME, &[version], None);
        clients.push(open(&dial, secured.relay.address, &get(PATH)).await);
    }
    for (n, len) in [1, 200, 16_000, 16_384, 16_400, 40_000, 200_000]
        .into_iter()
        .enumerate()
    {
        let data = format!("{n}:{}", "y".repeat(len));
        secured.conn.event(&format!("id: {n}\ndata: {data}")).await;
        for client in &mut clients {
            assert!(client.next_event().await.data == data, "{len}");
        }
    }
}

#[tokio::test]
async fn an_end_comes_behind_everything() {
    let secured = secured_with("", "drain: { spread: 0s }").await;
    let mut client = open(&secured.client(), secured.relay.address, &get(PATH)).await;
    assert!(secured.relay.relay.drain().await);
    assert_eq!(client.end().await, End::LastChunk);
}

#[tokio::test]
async fn a_poll_is_answered() {
    let secured = secured().await;
    let io = secured.client().connect(secured.relay.address).await;
    let poll = ask("GET", &format!("{PATH}?wait=0"))
        .header("Accept", "application/json")
        .header("Connection", "close");
    let answer = TestClient::new(Box::new(io), &poll).await.answer().await;
    assert_eq!(answer.head.status, 200, "{answer:?}");
}
