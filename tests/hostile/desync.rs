//! Messages that two readers could take apart differently, in both directions: what one side sent
//! as one message is never two, or none, on the other.
//!
//! More of what is refused at once is in `stories/proxy/smuggling.rs` and `stories/requests.rs`.

use crate::support::origin::within;
use crate::support::relay::TestRelay;
use crate::support::wire::{Start, Wire};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A relay that passes everything to an origin at which nothing happens by itself.
struct Between {
    relay: TestRelay,
    asked: mpsc::UnboundedReceiver<(Wire, Start)>,
    asking: mpsc::UnboundedSender<(Wire, Start)>,
}

impl Between {
    async fn stand() -> Self {
        let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = origin.local_addr().unwrap();
        let yaml = format!(
            "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nworkers: 1\n\
             sources: {{ s: {{ path: /events, upstream: \"http://{}/sse\" }} }}\n\
             pass: [{{ prefix: /, to: \"http://{at}\" }}]\n",
            unused().await
        );
        let (asking, asked) = mpsc::unbounded_channel();
        let accepted = asking.clone();
        tokio::spawn(async move {
            while let Ok((io, _)) = origin.accept().await {
                tokio::spawn(read_head(Wire::over(io), accepted.clone()));
            }
        });
        Self {
            relay: TestRelay::read(&yaml),
            asked,
            asking,
        }
    }

    async fn client(&self) -> Wire {
        Wire::connect(self.relay.address).await
    }

    /// The next request's head at the origin, and its connection. The relay opens some that it
    /// does not need.
    async fn next(&mut self) -> (Wire, Start) {
        within("a request at the origin", self.asked.recv()).await.unwrap()
    }

    /// Waits for another request on a connection.
    fn keep(&self, connection: Wire) {
        tokio::spawn(read_head(connection, self.asking.clone()));
    }
}

async fn read_head(mut connection: Wire, asking: mpsc::UnboundedSender<(Wire, Start)>) {
    if let Some(head) = connection.whenever_it_starts().await {
        let _ = asking.send((connection, head));
    }
}

/// An address at which nobody answers.
async fn unused() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

const BEHIND: &str = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A head as a strict reader takes it: one framing, and lines that are lines.
fn assert_strict(asked: &Start) {
    let lengths = asked.all("content-length");
    let codings = asked.all("transfer-encoding");
    assert!(lengths.len() + codings.len() <= 1, "{asked:?}");
    assert!(
        lengths
            .iter()
            .all(|length| length.bytes().all(|byte| byte.is_ascii_digit())),
        "{asked:?}"
    );
    assert!(codings.iter().all(|coding| *coding == "chunked"), "{asked:?}");
    for (name, value) in &asked.fields {
        let is_token = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        assert!(is_token && !value.contains(['\r', '\n', '\0']), "{asked:?}");
    }
    assert_eq!(asked.line.split(' ').count(), 3, "{asked:?}");
}

/// Requests within whose bodies, or behind whose ends, another one is hidden. The origin sees none,
/// or the one that was sent, and then the next client's.
#[tokio::test]
async fn what_is_hidden_in_a_request_is_no_request() {
    let mut between = Between::stand().await;
    let length = BEHIND.len();
    let hex = format!("{length:x}");
    let post = |fields: &str, body: &str| format!("POST /page HTTP/1.1\r\nHost: h\r\n{fields}\r\n{body}");
    let chunked = "Transfer-Encoding: chunked\r\n";
    for sent in [
        // Lengths that are written in other ways, or twice.
        post(&format!("Content-Length: 0{length}\r\n"), BEHIND),
        post(&format!("Content-Length: {length}, {length}\r\n"), BEHIND),
        post(&format!("Content-Length: {length}\r\nContent-Length: 0\r\n"), BEHIND),
        post(&format!("Content-Length: {length}\r\nContent_Length: 0\r\n"), BEHIND),
        post(
            &format!("Content-Length: {length}\r\nConnection: content-length\r\n"),
            BEHIND,
        ),
        post(
            &format!("Content-Length: {length}\r\nConnection: close, transfer-encoding\r\n"),
            BEHIND,
        ),
        // Codings in other letters.
        post(
            "Transfer-Encoding: CHUNKED\r\n",
            &format!("{hex}\r\n{BEHIND}\r\n0\r\n\r\n"),
        ),
        post(
            "Transfer-Encoding: chunked \r\n",
            &format!("{hex}\r\n{BEHIND}\r\n0\r\n\r\n"),
        ),
        post("Transfer-Encoding: \"chunked\"\r\n", &format!("0\r\n\r\n{BEHIND}")),
        post("Transfer-Encoding: chunk\r\nContent-Length: 0\r\n", BEHIND),
        post("Transfer-Encoding:\r\n chunked\r\n", &format!("0\r\n\r\n{BEHIND}")),
        post(
            "Transfer-Encoding: chunked\r\nConnection: transfer-encoding\r\n",
            &format!("0\r\n\r\n{BEHIND}"),
        ),
        // Chunks whose sizes and ends others read in other ways.
        post(chunked, &format!("0;\n{hex}\r\n{BEHIND}")),
        post(chunked, &format!("0 \r\n\r\n{BEHIND}")),
        post(chunked, &format!("00000000000000000\r\n\r\n{BEHIND}")),
        post(chunked, &format!("0\r\nContent-Length: {length}\r\n\r\n{BEHIND}")),
        post(chunked, &format!("0\r\nX: y\n\r\n\r\n{BEHIND}")),
        post(chunked, &format!("1\r\nab\r\n0\r\n\r\n{BEHIND}")),
        // A head whose lines end in other ways.
        format!("GET /page HTTP/1.1\nHost: h\n\n{BEHIND}"),
        format!("GET /page HTTP/1.1\r\nHost: h\r\nX: y\r\n\x0b{BEHIND}"),
        format!("GET /page HTTP/1.1\r\nHost: h\r\nX: y\rGET /smuggled HTTP/1.1\r\n\r\n"),
        format!("GET /page?x HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: upgrade, close\r\n\r\n{BEHIND}"),
        format!("GET /page HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{BEHIND}"),
    ] {
        let mut client = between.client().await;
        client.send(&sent).await;
        client.finish().await;
        // What was sent is one request, or it is refused; behind it there may be another one, which
        // its sender has not hidden: it is as good as if it had come alone.
        loop {
            let (origin, asked) = tokio::select! {
                answer = client.try_start() => {
                    let status = answer.map(|answer| answer.status());
                    assert!(matches!(status, None | Some(200 | 400 | 405 | 501 | 502)), "{sent:?}: {status:?}");
                    if status == Some(200) {
                        assert_eq!(client.bytes(2).await, b"ok");
                        continue;
                    }
                    break;
                }
                next = between.next() => next,
            };
            assert_strict(&asked);
            if asked.target() == "/smuggled" {
                assert!(is_plainly_two(&sent), "{sent:?}");
            }
            let mut origin = origin;
            origin.try_content(&asked).await;
            if origin.try_send(OK).await.is_ok() {
                between.keep(origin);
            }
        }
        // The next one is the first that the origin sees.
        let mut other = between.client().await;
        other
            .send("GET /next HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            .await;
        let (mut origin, asked) = loop {
            let (origin, asked) = between.next().await;
            // One that was refused when its body broke off.
            if !asked.target().starts_with("/page") {
                break (origin, asked);
            }
        };
        assert_eq!(asked.target(), "/next", "{sent:?}");
        origin
            .send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            .await;
        assert_eq!(other.start().await.status(), 200);
    }
}

/// Whether every reader of RFC 9112 takes it for two requests in a row: the first has no body, and
/// its head ends in front of the second.
fn is_plainly_two(sent: &str) -> bool {
    sent.starts_with("GET ") && !sent.contains("Transfer-Encoding") && sent.ends_with(BEHIND)
}

/// Answers that go on behind their end. What is too much goes to no one, above all not to the next
/// who asks over the same connection.
#[tokio::test]
async fn what_goes_on_behind_an_answer_is_no_answer() {
    let mut between = Between::stand().await;
    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nX-Poison: yes\r\n\r\npoisoned";
    for (method, answer, body) in [
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "ok",
        ),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", ""),
        ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nextra", ""),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", ""),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nextra", ""),
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nextra\r\n0\r\n\r\n",
            "",
        ),
    ] {
        let mut client = between.client().await;
        client.send(format!("{method} /page HTTP/1.1\r\nHost: h\r\n\r\n")).await;
        let (mut origin, _) = between.next().await;
        origin.send(format!("{answer}{poison}")).await;
        let head = client.start().await;
        assert_eq!(head.value("x-poison"), None, "{answer:?}");
        let is_bodiless = method == "HEAD" || matches!(head.status(), 204 | 304);
        let content = if is_bodiless {
            Default::default()
        } else {
            client.content(&head).await
        };
        assert_eq!(content.bytes, body.as_bytes(), "{answer:?}");
        // The same client, and another one: each is asked for anew.
        for asks in 0..2 {
            if asks == 1 {
                client = between.client().await;
            }
            client.send("GET /other HTTP/1.1\r\nHost: h\r\n\r\n").await;
            let (mut new, asked) = between.next().await;
            assert_eq!(asked.target(), "/other", "{answer:?}");
            new.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nother")
                .await;
            let head = client.start().await;
            assert_eq!(client.content(&head).await.bytes, b"other", "{answer:?}");
        }
    }
}

/// Answers whose length, or whose lines, can be read in two ways: the client gets one that can't,
/// or none.
#[tokio::test]
async fn an_answer_with_two_meanings_gets_one_or_none() {
    let mut between = Between::stand().await;
    let chunked = "Transfer-Encoding: chunked\r\n";
    let ok = "2\r\nok\r\n0\r\n\r\n";
    for (fields, body) in [
        ("Content-Length: 2\r\nContent-Length: 40\r\n".to_owned(), "ok"),
        ("Content-Length: 2, 40\r\n".to_owned(), "ok"),
        ("Content-Length: 2\r\nContent-Length: 2\r\n".to_owned(), "ok"),
        ("Content-Length: +2\r\n".to_owned(), "ok"),
        ("Content-Length: 0x2\r\n".to_owned(), "ok"),
        (format!("Content-Length: 40\r\n{chunked}"), ok),
        (format!("{chunked}Content-Length: 0\r\n"), ok),
        (format!("{chunked}{chunked}"), ok),
        ("Transfer-Encoding: chunked, gzip\r\n".to_owned(), ok),
        ("Transfer-Encoding: identity\r\n".to_owned(), "ok"),
        ("Transfer-Encoding : chunked\r\n".to_owned(), ok),
        ("X: y\r\n Content-Length: 40\r\nContent-Length: 2\r\n".to_owned(), "ok"),
        ("X: y\rSet-Cookie: a=b\r\nContent-Length: 2\r\n".to_owned(), "ok"),
        ("X: y\nSet-Cookie: a=b\nContent-Length: 2\r\n".to_owned(), "ok"),
        ("X: y\0z\r\nContent-Length: 2\r\n".to_owned(), "ok"),
        ("X\u{e4}: y\r\nContent-Length: 2\r\n".to_owned(), "ok"),
        (chunked.to_owned(), "2\nok\n0\n\n"),
        (chunked.to_owned(), "0x2\r\nok\r\n0\r\n\r\n"),
        (chunked.to_owned(), "2\r\nokok\r\n0\r\n\r\n"),
        (chunked.to_owned(), "fffffffffffffffff\r\nok"),
        (
            chunked.to_owned(),
            "2\r\nok\r\n0\r\nContent-Length: 40\r\nSet-Cookie: a=b\r\n\r\n",
        ),
    ] {
        let mut client = between.client().await;
        client
            .send("GET /page HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n")
            .await;
        let (mut origin, _) = between.next().await;
        origin.send(format!("HTTP/1.1 200 OK\r\n{fields}\r\n{body}")).await;
        origin.finish().await;
        // A body that breaks off at once takes its head along.
        let Some(head) = client.try_start().await else { continue };
        assert_strict(&Start {
            line: "GET / HTTP/1.1".to_owned(),
            ..head.clone()
        });
        match head.status() {
            200 => {
                let content = client.try_content(&head).await;
                if let Some(content) = content {
                    assert_eq!(content.bytes, b"ok", "{fields:?} {body:?}");
                    let trailers: Vec<_> = content.trailers.iter().map(|(name, _)| name.as_str()).collect();
                    assert!(!trailers.contains(&"content-length"), "{trailers:?}");
                }
            }
            502 => {}
            other => panic!("{other} for {fields:?} {body:?}"),
        }
    }
}

/// Interim answers: the client gets the last one only.
#[tokio::test]
async fn interim_answers_are_not_the_answer() {
    let mut between = Between::stand().await;
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\nSet-Cookie: early=1\r\n\r\n";
    let mut client = between.client().await;
    client.send("GET /page HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (mut origin, _) = between.next().await;
    origin.send(hint.repeat(50)).await;
    origin.send(OK).await;
    let head = client.start().await;
    assert_eq!((head.status(), head.value("set-cookie")), (200, None));
    assert_eq!(client.content(&head).await.bytes, b"ok");
    between.keep(origin);
    // Without end they are a failure, and at once.
    client.send("GET /page HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (mut origin, _) = between.next().await;
    while origin.try_send(hint.repeat(100)).await.is_ok() {}
    assert_eq!(client.start().await.status(), 502);
}

/// A head without end, and one with more lines than any: no memory is spent on it.
#[tokio::test]
async fn an_answers_head_is_bounded() {
    let mut between = Between::stand().await;
    for (beginning, more) in [
        ("HTTP/1.1 200 OK\r\nX: ", "xxxxxxxxxxxxxxxx"),
        ("HTTP/1.1 200 OK\r\n", "X-Bomb: yyyyyy\r\n"),
        ("HTTP/1.1 200 ", "OK, quite good. "),
    ] {
        let mut client = between.client().await;
        client.send("GET /page HTTP/1.1\r\nHost: h\r\n\r\n").await;
        let (mut origin, _) = between.next().await;
        origin.send(beginning).await;
        let piece = more.repeat(256);
        let mut sent = 0;
        while origin.try_send(&piece).await.is_ok() {
            sent += piece.len();
            assert!(sent < 64 * 1024 * 1024, "read without end");
        }
        assert_eq!(client.start().await.status(), 502, "{beginning:?}");
    }
}
