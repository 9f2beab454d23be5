//! What an origin sends, and what becomes of it at the client.

use super::{Between, OK, assert_strict};
use crate::support::wire::Start;

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
