//! Peers that make no handshake, or never finish it.

use super::{open, secured, secured_with};
use crate::support::client::{ask, connect, get};
use crate::support::origin::within;
use crate::support::relay::PATH;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What a peer gets that sends these bytes and waits.
async fn answer_to(address: std::net::SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut io = connect(address, None).await;
    io.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = within("the end", io.read_to_end(&mut answer)).await;
    answer
}

#[tokio::test]
async fn a_request_in_clear_text_is_told_so() {
    let secured = secured().await;
    let answer = answer_to(secured.relay.address, &get(PATH).bytes()).await;
    let text = String::from_utf8(answer).unwrap();
    assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{text}");
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert!(body["status"] == 400 && body["detail"].as_str().unwrap().contains("https://"));
    secured.handshakes("not_tls", 1).await;
}

#[tokio::test]
async fn garbage_gets_an_alert_and_no_more() {
    let secured = secured().await;
    for garbage in [
        &[0; 100][..],
        &[22, 3, 1, 0xff, 0xff, 0, 0],
        &[23, 3, 3, 0, 3, 1, 2, 3],
        &[21, 3, 3, 0, 2, 2, 40],
        b"ssh-2.0-x\r\n",
    ] {
        let answer = answer_to(secured.relay.address, garbage).await;
        assert!(
            answer.is_empty() || (answer[0] == 21 && answer.len() == 7),
            "{answer:?}"
        );
    }
    open(&secured.client(), secured.relay.address, &get(PATH)).await;
}

#[tokio::test]
async fn who_says_nothing_or_little_is_let_go_in_time() {
    let secured = secured_with("handshake_timeout: 300ms", "").await;
    let began = Instant::now();
    let mut silent = connect(secured.relay.address, None).await;
    let slow = connect(secured.relay.address, None).await;
    let (mut read, mut write) = slow.into_split();
    let dribble = tokio::spawn(async move {
        for byte in [22, 3, 1, 2, 0].into_iter().chain(std::iter::repeat(1)) {
            if write.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    within("the silent one to be let go", silent.read(&mut [0; 10]))
        .await
        .unwrap();
    let _ = within("the slow one to be let go", read.read(&mut [0; 10])).await;
    assert!(began.elapsed() >= Duration::from_millis(300));
    secured.handshakes("timeout", 2).await;
    dribble.abort();
}

#[tokio::test]
async fn who_connects_and_leaves_is_counted() {
    let secured = secured().await;
    drop(connect(secured.relay.address, None).await);
    let reset = connect(secured.relay.address, None).await;
    socket2::SockRef::from(&reset).set_linger(Some(Duration::ZERO)).unwrap();
    drop(reset);
    secured.handshakes("closed", 2).await;
}

#[tokio::test]
async fn too_many_handshakes_are_refused_at_once() {
    let secured = secured_with("", "limits: { handshakes: 2 }").await;
    let silent = [
        connect(secured.relay.address, None).await,
        connect(secured.relay.address, None).await,
    ];
    let opened = "fanfare_connections_opened_total";
    secured.relay.eventually_metric(opened, 2.0).await;
    let mut third = connect(secured.relay.address, None).await;
    let read = within("it to be refused", third.read(&mut [0; 10])).await;
    assert!(matches!(read, Ok(0) | Err(_)));
    secured
        .relay
        .eventually_metric(r#"fanfare_refused_total{reason="handshakes"}"#, 1.0)
        .await;
    drop(silent);
    secured.handshakes("closed", 2).await;
    open(&secured.client(), secured.relay.address, &get(PATH)).await;
}

/// Those that say nothing keep no client out for longer than a second.
#[tokio::test]
async fn a_crowd_of_silent_ones_makes_room() {
    let secured = secured_with("", "limits: { handshakes: 16 }").await;
    let dial = secured.client();
    let mut client = open(&dial, secured.relay.address, &get(PATH)).await;
    let mut crowd: Vec<TcpStream> = Vec::new();
    for _ in 0..60 {
        crowd.push(connect(secured.relay.address, None).await);
    }
    let refused = || secured.relay.metric(r#"fanfare_refused_total{reason="handshakes"}"#);
    crate::support::relay::eventually("some to be refused", || refused() == 44.0).await;
    let began = Instant::now();
    while dial.try_connect(secured.relay.address).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    secured.handshakes("timeout", 1).await;
    // Who was in before noticed nothing.
    let mut conn = secured.conn;
    conn.event("id: 1\ndata: still here").await;
    assert_eq!(client.next_event().await.data, "still here");
    drop(crowd);
}

#[tokio::test]
async fn the_admin_speaks_no_tls() {
    let secured = secured().await;
    assert_eq!(ask("GET", "/livez").answer(secured.relay.admin).await.head.status, 200);
}
