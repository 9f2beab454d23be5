//! HTTP/2 where the handshake has agreed on it.

use super::{open, secured, secured_with};
use crate::support::client::{connect, get};
use crate::support::frames::{
    END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, block, frame, setting, window_update,
};
use crate::support::origin::within;
use crate::support::relay::PATH;
use crate::support::tls::Dial;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const H2: &[&[u8]] = &[b"h2"];

/// The status of an answer, and its body.
async fn ask_for(dial: &Dial, address: SocketAddr, url: &str) -> (u16, String) {
    let io = dial.with_alpn(H2).connect(address).await;
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(io));
    let (mut sender, connection) = handshake.await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get(url).header("accept", "application/json");
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let answer = within("an answer", sender.send_request(request)).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    connection.abort();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn a_host_without_a_certificate_is_misdirected() {
    let secured = secured().await;
    let (client, address) = (secured.client(), secured.relay.address);
    for host in ["relay.test", "RELAY.test:443", "127.0.0.1", "[::1]:9443"] {
        let (status, body) = ask_for(&client, address, &format!("https://{host}{PATH}?wait=0")).await;
        assert_eq!(status, 200, "{host}: {body}");
    }
    for host in ["other.test", "relay.test.other", "sub.relay.test"] {
        let (status, body) = ask_for(&client, address, &format!("https://{host}{PATH}?wait=0")).await;
        assert_eq!(status, 421, "{host}: {body}");
        assert!(body.contains("no certificate"), "{body}");
    }
}

#[tokio::test]
async fn it_is_spoken_only_where_it_was_agreed_on() {
    let secured = secured().await;
    for protocols in [&[][..], &[&b"http/1.1"[..]]] {
        let dial = secured.client().with_alpn(protocols);
        let mut io = dial.connect(secured.relay.address).await;
        io.write_all(PREFACE).await.unwrap();
        let mut rest = Vec::new();
        // An end without close_notify is an error of the reader's.
        let _ = within("the end", io.read_to_end(&mut rest)).await;
        assert!(rest.is_empty(), "{rest:?}");
    }
}

/// Its window is open, and its socket shut: nothing of what is encrypted leaves.
#[tokio::test]
async fn who_reads_no_more_is_cut_and_the_others_go_on() {
    let mut secured = secured_with("", "").await;
    let (client, address) = (secured.client(), secured.relay.address);
    let tcp = connect(address, Some(4096)).await;
    let mut shut = client.with_alpn(H2).over(tcp).await.unwrap();
    let head = block(&[
        (":method", "GET"),
        (":scheme", "https"),
        (":path", PATH),
        (":authority", "relay.test"),
        ("accept", "text/event-stream"),
    ]);
    let opening = [
        PREFACE,
        &frame(SETTINGS, 0, 0, &[]),
        &setting(4, i32::MAX as u32),
        &window_update(0, (1 << 30) - 1),
        &frame(HEADERS, END_HEADERS | END_STREAM, 1, &head),
    ];
    shut.write_all(&opening.concat()).await.unwrap();
    shut.flush().await.unwrap();
    secured
        .relay
        .eventually_metric(r#"fanfare_clients{source="s",protocol="http/2"}"#, 1.0)
        .await;
    let mut healthy = open(&client, address, &get(PATH)).await;
    let evicted = |relay: &crate::support::relay::TestRelay| {
        let of = |reason: &str| relay.metric(&format!(r#"fanfare_evictions_total{{source="s",reason="{reason}"}}"#));
        of("bytes") + of("log")
    };
    let mut n = 0;
    while evicted(&secured.relay) == 0.0 {
        assert!(n < 2000, "nothing happens");
        secured
            .conn
            .event(&format!("id: {n}\ndata: {n} {}", "x".repeat(16 * 1024)))
            .await;
        assert!(healthy.next_event().await.data.starts_with(&format!("{n} ")));
        n += 1;
    }
    secured.conn.event("id: last\ndata: last").await;
    assert_eq!(healthy.next_event().await.data, "last");
}
