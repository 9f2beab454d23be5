//! Feeds and headers in which the relay takes the place of the origin's event streams.

use super::front::{Front, answer, front_with, get, yaml};
use crate::support::relay::{PATH, TestRelay};
use crate::support::tls::scheme;
use crate::support::wire::Wire;
use tokio::net::TcpListener;

const ATOM: &str = "application/atom+xml;type=feed";

/// The change log of systems.md 1, whose origin builds URLs from the request's host.
fn change_log(stream: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<!-- <link type=\"text/event-stream\" href=\"{stream}\"/> -->\r\n\
         <feed xmlns=\"http://www.w3.org/2005/Atom\">\r\n  <title>Änderungen &amp; mehr</title>\r\n  \
         <link rel=\"self\" href=\"http://cue.test/webservice/escenic/changelog\"/>\r\n  \
         <link rel=\"http://www.vizrt.com/types/relation/changelog\" type=\"text/event-stream\" href='{stream}'/>\r\n\
         </feed>\r\n"
    )
}

/// A relay whose source is at the origin too, and follows it.
async fn whole_origin(entry: &str, top: &str) -> (Front, Wire) {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = origin.local_addr().unwrap();
    let yaml = yaml(entry, top, at, &format!("http://{at}/webservice/sse"));
    let relay = TestRelay::start(fanfare::config::read(&yaml, "story.yaml", &|_| None).unwrap().config);
    let mut upstream = Wire::accept(&origin).await;
    upstream.start().await;
    let stream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = Front {
        origin,
        at,
        relay,
        _stream: stream,
    };
    (front, upstream)
}

/// systems.md 1, with the file that the repository ships for it.
#[tokio::test]
async fn a_whole_content_store_stands_behind_the_relay() {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = origin.local_addr().unwrap();
    let environment = |name: &str| match name {
        "CONTENT_STORE" => Some(format!("http://{at}")),
        "PUBLIC_HOST" => Some("cue.test".to_owned()),
        "FANFARE_LISTEN" | "FANFARE_ADMIN" => Some("127.0.0.1:0".to_owned()),
        _ => None,
    };
    let file = include_str!("../../../deploy/examples/content-store-in-front.yaml");
    let relay = TestRelay::start(
        fanfare::config::read(file, "example.yaml", &environment)
            .unwrap()
            .config,
    );
    // The relay finds the stream in the feed. Both are built from the host that it presents.
    let feed = change_log("http://cue.test/webservice/escenic/changelog/sse");
    let mut upstream = Wire::accept(&origin).await;
    let asked = upstream.start().await;
    assert_eq!(asked.line, "GET /webservice/escenic/changelog/section/481 HTTP/1.1");
    assert_eq!(asked.value("host"), Some("cue.test"));
    upstream.send(answer(ATOM, &feed, "Connection: close\r\n")).await;
    let mut upstream = Wire::accept(&origin).await;
    assert_eq!(
        upstream.start().await.line,
        "GET /webservice/escenic/changelog/sse HTTP/1.1"
    );
    upstream
        .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        .await;
    relay.upstream_connected().await;
    // A client behind the proxy that speaks TLS reads the feed.
    let mut client = Wire::connect(relay.address).await;
    client
        .send(
            "GET /webservice/escenic/changelog/section/22 HTTP/1.1\r\nHost: cue.test\r\nX-Forwarded-Proto: https\r\n\
             Authorization: Basic x\r\n\r\n",
        )
        .await;
    let mut passed = Wire::accept(&origin).await;
    let asked = passed.start().await;
    assert_eq!(
        (asked.value("host"), asked.value("authorization")),
        (Some("cue.test"), Some("Basic x"))
    );
    passed.send(answer(ATOM, &feed, "")).await;
    let head = client.start().await;
    let body = String::from_utf8(client.content(&head).await.bytes).unwrap();
    let ours = feed.replace(
        "href='http://cue.test/webservice/escenic/changelog/sse'",
        "href='https://cue.test/changelog/sse'",
    );
    assert_eq!(body, ours);
    // And follows the link, over the same connection.
    client
        .send("GET /changelog/sse HTTP/1.1\r\nHost: cue.test\r\nAccept: text/event-stream\r\n\r\n")
        .await;
    assert_eq!(client.start().await.value("content-type"), Some("text/event-stream"));
}

const REWRITING: &str =
    "    rewrite_links: true\n    rewrite_headers: [x-ccapi-sse-proxy]\n    body_bytes_max: 64KiB\n";

#[tokio::test]
async fn a_feeds_link_leads_to_the_relay() {
    let (front, _upstream) = whole_origin(REWRITING, "").await;
    let theirs = change_log("http://cue.test/webservice/sse");
    let request = "GET /webservice/log?a HTTP/1.1\r\nHost: cue.test\r\nAccept-Encoding: gzip\r\n\r\n";
    let more = "ETag: \"17\"\r\nContent-MD5: x\r\nAccept-Ranges: bytes\r\nLast-Modified: x\r\n";
    let (asked, head, content) = front.exchange(request, answer(ATOM, &theirs, more)).await;
    assert_eq!(asked.all("accept-encoding"), ["identity"]);
    let ours = theirs.replace(
        "href='http://cue.test/webservice/sse'",
        &format!("href='{}://cue.test{PATH}'", scheme()),
    );
    assert_eq!(String::from_utf8(content.bytes).unwrap(), ours);
    assert_eq!(head.all("content-length"), [ours.len().to_string().as_str()]);
    assert_eq!(head.value("etag"), Some("W/\"17\""));
    assert_eq!((head.value("content-md5"), head.value("accept-ranges")), (None, None));
    assert_eq!(
        (head.value("content-type"), head.value("last-modified")),
        (Some(ATOM), Some("x"))
    );

    // By the name that the configuration has, too, and in chunks.
    let named = change_log(&format!("http://{}/webservice/sse", front.at));
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{named}\r\n0\r\n\r\n",
        named.len()
    );
    let (_, head, content) = front.exchange(&get("/x"), chunked).await;
    assert!(
        String::from_utf8(content.bytes.clone())
            .unwrap()
            .contains(&format!("href='{}://cue.test{PATH}'", scheme()))
    );
    assert_eq!(
        head.value("content-length"),
        Some(content.bytes.len().to_string().as_str())
    );
}

#[tokio::test]
async fn the_public_url_is_configured_or_the_proxys_or_the_requests() {
    let theirs = change_log("http://elsewhere:1/events");
    let request = "GET /log HTTP/1.1\r\nHost: inner.test\r\nX-Forwarded-Proto: https\r\n\r\n";
    for (top, public) in [
        ("", &format!("{}://inner.test", scheme())[..]),
        ("trusted_proxies: [127.0.0.0/8]", "https://inner.test"),
        (
            "public_url: https://cue.example.com:8443",
            "https://cue.example.com:8443",
        ),
    ] {
        let front = front_with(REWRITING, top).await;
        let (_, _, content) = front.exchange(request, answer(ATOM, &theirs, "")).await;
        let body = String::from_utf8(content.bytes).unwrap();
        assert!(body.contains(&format!("href='{public}/events'/>")), "{top}: {body}");
    }
}

#[tokio::test]
async fn a_header_that_is_named_leads_to_the_relay() {
    let front = front_with(REWRITING, "").await;
    let (asked, head, content) = front
        .exchange(
            "POST /v1/process HTTP/1.1\r\nHost: cloud.test:444\r\nx-ccapi-enable-sse: true\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 202 Accepted\r\nx-ccapi-sse-proxy: https://proxy-host:443/events\r\nX-Other: https://proxy-host:443/events\r\n\
             Content-Length: 2\r\n\r\n{}",
        )
        .await;
    assert_eq!(asked.value("x-ccapi-enable-sse"), Some("true"));
    assert_eq!(head.status(), 202);
    assert_eq!(
        head.all("x-ccapi-sse-proxy"),
        [format!("{}://cloud.test:444/events", scheme())]
    );
    assert_eq!(head.value("x-other"), Some("https://proxy-host:443/events"));
    assert_eq!(content.bytes, b"{}");
}

#[tokio::test]
async fn what_needs_no_rewriting_stays_byte_for_byte() {
    let front = front_with(REWRITING, "").await;
    let feed = change_log("http://other.test/other");
    let more = "ETag: \"17\"\r\nContent-MD5: x\r\nAccept-Ranges: bytes\r\n";
    let served = change_log("http://other.test/events");
    for (content_type, body) in [(ATOM, &feed), ("text/html", &served), ("application/json", &served)] {
        let (_, head, content) = front.exchange(&get("/"), answer(content_type, body, more)).await;
        assert_eq!(String::from_utf8(content.bytes).unwrap(), *body, "{content_type}");
        for (name, value) in [("etag", "\"17\""), ("content-md5", "x"), ("accept-ranges", "bytes")] {
            assert_eq!(head.value(name), Some(value));
        }
    }
    // Nobody asked for it.
    let plain = front_with("", "").await;
    let (_, _, content) = plain.exchange(&get("/"), answer(ATOM, &served, "")).await;
    assert_eq!(content.bytes, served.as_bytes());
}

#[tokio::test]
async fn what_can_not_be_rewritten_passes_as_it_is() {
    let front = front_with(REWRITING, "").await;
    let feed = change_log("http://other.test/events");
    let large = feed.replace("</feed>", &format!("{}</feed>", " ".repeat(70 * 1024)));
    let wide = feed.replace("UTF-8", "UTF-16");
    let broken = feed.replace("</feed>", "");
    for (body, more) in [
        (&large, ""),
        (&wide, ""),
        (&broken, ""),
        (&feed, "Content-Encoding: br\r\n"),
    ] {
        let (_, head, content) = front
            .exchange(&get("/"), answer(ATOM, body, &format!("ETag: \"1\"\r\n{more}")))
            .await;
        assert!(content.bytes == body.as_bytes());
        assert_eq!(head.value("etag"), Some("\"1\""));
    }
    // A length that nobody said: as much as was read, and then the rest.
    let until_close = format!("HTTP/1.1 200 OK\r\nContent-Type: {ATOM}\r\nConnection: close\r\n\r\n{large}");
    let (_, _, content) = front.exchange(&get("/"), until_close).await;
    assert!(content.bytes == large.as_bytes());
}

#[tokio::test]
async fn a_body_that_breaks_off_before_it_is_read_is_a_bad_gateway() {
    let front = front_with(REWRITING, "").await;
    let (_, head, _) = front
        .exchange(
            &get("/"),
            format!("HTTP/1.1 200 OK\r\nContent-Type: {ATOM}\r\nContent-Length: 100\r\n\r\n<feed"),
        )
        .await;
    assert_eq!(head.status(), 502);
}

#[tokio::test]
async fn a_part_of_a_feed_is_answered_with_all_of_it() {
    let front = front_with(REWRITING, "").await;
    let mut client = front.client().await;
    client
        .send("GET /log HTTP/1.1\r\nHost: cue.test\r\nRange: bytes=0-9\r\nIf-Range: \"1\"\r\n\r\n")
        .await;
    let mut origin = front.accept().await;
    let asked = origin.start().await;
    assert_eq!(asked.value("range"), Some("bytes=0-9"));
    origin
        .send(format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Type: {ATOM}\r\nContent-Range: bytes 0-9/99\r\nContent-Length: 10\r\n\r\n0123456789"
        ))
        .await;
    let theirs = change_log("http://other.test/events");
    // The first connection, if its answer was read to the end, or another one.
    let (mut origin, asked) = match origin.try_start().await {
        Some(asked) => (origin, asked),
        None => {
            let mut other = front.accept().await;
            let asked = other.start().await;
            (other, asked)
        }
    };
    assert_eq!((asked.value("range"), asked.value("if-range")), (None, None));
    origin.send(answer(ATOM, &theirs, "Connection: close\r\n")).await;
    let head = client.start().await;
    assert_eq!(head.status(), 200);
    let body = String::from_utf8(client.content(&head).await.bytes).unwrap();
    assert!(body.contains(&format!("href='{}://cue.test/events'", scheme())));
    // A part of anything else is one.
    let (_, head, content) = front
        .exchange(
            "GET /film HTTP/1.1\r\nHost: h\r\nRange: bytes=0-1\r\n\r\n",
            "HTTP/1.1 206 Partial Content\r\nContent-Type: video/mp4\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nab",
        )
        .await;
    assert_eq!((head.status(), head.value("content-range")), (206, Some("bytes 0-1/9")));
    assert_eq!(content.bytes, b"ab");
}

#[tokio::test]
async fn the_head_of_a_feed_promises_nothing_that_its_body_would_not_keep() {
    let front = front_with(REWRITING, "").await;
    let (_, head, _) = front
        .exchange(
            "HEAD /log HTTP/1.1\r\nHost: h\r\n\r\n",
            format!("HTTP/1.1 200 OK\r\nContent-Type: {ATOM}\r\nContent-Length: 99\r\nETag: \"1\"\r\n\r\n"),
        )
        .await;
    assert_eq!(
        (head.value("content-length"), head.value("etag")),
        (None, Some("W/\"1\""))
    );
}

#[tokio::test]
async fn not_modified_is_said_of_what_the_client_has() {
    let front = front_with(REWRITING, "").await;
    for (held, tag) in [("W/\"1\"", "W/\"1\""), ("\"1\"", "\"1\"")] {
        let (asked, head, _) = front
            .exchange(
                &format!("GET /log HTTP/1.1\r\nHost: h\r\nIf-None-Match: {held}\r\n\r\n"),
                "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n",
            )
            .await;
        assert_eq!(asked.value("if-none-match"), Some(held));
        assert_eq!((head.status(), head.value("etag")), (304, Some(tag)));
    }
}
