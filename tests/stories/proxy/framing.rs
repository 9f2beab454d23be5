//! What only HTTP/1 has: a connection's own headers, codings and chunks, and a version before it.

use super::front::{answer, assert_problem, front, get};
use super::smuggling::refused;

#[tokio::test]
async fn what_concerns_a_connection_stays_with_it() {
    let front = front().await;
    let (asked, head, _) = front
        .exchange(
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=9\r\nX-Hop: 1\r\n\
             Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic x\r\nTE: gzip\r\nUpgrade: h2c\r\nX-Stays: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nConnection: x-hop\r\nConnection: Keep-Alive\r\nKeep-Alive: timeout=9\r\nX-Hop: 1\r\n\
             X-Stays: 1\r\nContent-Length: 0\r\n\r\n",
        )
        .await;
    for message in [&asked, &head] {
        for name in [
            "connection",
            "keep-alive",
            "x-hop",
            "proxy-connection",
            "te",
            "upgrade",
            "proxy-authorization",
        ] {
            assert_eq!(message.value(name), None, "{message:?}");
        }
        assert_eq!(message.value("x-stays"), Some("1"));
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_is_answered_in_its_way() {
    let front = front().await;
    let (asked, head, content) = front
        .exchange(
            "GET /old HTTP/1.0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
        )
        .await;
    assert_eq!(asked.line, "GET /old HTTP/1.1");
    assert_eq!(asked.value("host"), Some(front.at.to_string().as_str()));
    assert!(head.line.starts_with("HTTP/1.0 200"), "{head:?}");
    assert!(head.value("transfer-encoding").is_none());
    assert_eq!(content.bytes, b"abc");
    // And an origin's answer in HTTP/1.0 is one.
    let (_, head, content) = front.exchange(&get("/"), "HTTP/1.0 200 OK\r\n\r\nuntil the end").await;
    assert!(head.line.starts_with("HTTP/1.1 200"), "{head:?}");
    assert_eq!(content.bytes, b"until the end");
}

#[tokio::test]
async fn a_body_that_is_none_is_the_clients_fault() {
    let front = front().await;
    let mut client = front.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n")
        .await;
    assert_problem(&mut client, 400, &front).await;
    assert_eq!((front.refused("bad_request"), front.refused("origin")), (1.0, 0.0));
}

#[tokio::test]
async fn a_coding_that_nobody_knows_is_refused() {
    let front = front().await;
    let mut client = front.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")
        .await;
    assert_problem(&mut client, 501, &front).await;
}

/// Chunks with what some readers pass over: the origin gets them in a form of ours, or not at all.
#[tokio::test]
async fn chunks_are_written_anew() {
    let front = front().await;
    let mut client = front.client().await;
    client
        .send(
            "POST /page HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
             003;a=\"b\"\r\nabc\r\n0\r\n\r\nGET /admin HTTP/1.1\r\nHost: h\r\n\r\n",
        )
        .await;
    let mut origin = front.accept().await;
    let asked = origin.start().await;
    assert_eq!(
        (asked.value("transfer-encoding"), asked.value("content-length")),
        (Some("chunked"), None)
    );
    let content = origin.content(&asked).await;
    assert_eq!((&content.bytes[..], content.trailers.len()), (&b"abc"[..], 0));
    origin.send(answer("text/plain", "ok", "")).await;
    assert_eq!(client.start().await.status(), 200);
    assert_eq!(client.rest().await, b"ok", "what is behind the chunks is no request");
    assert!(origin.is_quiet());
    for body in [
        "3\nabc\n0\n\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcGET\r\n0\r\n\r\n",
        "ffffffffffffffff1\r\n",
        "-3\r\nabc",
    ] {
        let mut client = front.client().await;
        client
            .send(format!(
                "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
            ))
            .await;
        client.finish().await;
        let status = client.try_start().await.map(|start| start.status());
        assert!(matches!(status, Some(400 | 502) | None), "{body:?}: {status:?}");
    }
}

#[tokio::test]
async fn a_host_beside_the_targets_is_one_too() {
    assert_eq!(refused("GET http://a/page HTTP/1.1\r\nHost: a/b@c\r\n\r\n").await, 400);
    assert_eq!(
        refused("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\nConnection: close\r\n\r\n").await,
        405
    );
}
