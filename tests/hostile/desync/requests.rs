//! What a client sends, and what of it reaches the origin.

use super::{Between, OK, assert_strict};

const BEHIND: &str = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

/// Requests within whose bodies, or behind whose ends, another one is hidden. The origin sees none,
/// or the one that was sent, and then the next client's.
#[tokio::test]
async fn what_is_hidden_in_a_request_is_no_request() {
    let mut between = Between::stand().await;
    for sent in hiding() {
        is_one_or_none(&mut between, &sent).await;
        the_next_is_the_next(&mut between, &sent).await;
    }
}

fn hiding() -> Vec<String> {
    let length = BEHIND.len();
    let hex = format!("{length:x}");
    let post = |fields: &str, body: &str| format!("POST /page HTTP/1.1\r\nHost: h\r\n{fields}\r\n{body}");
    let chunked = "Transfer-Encoding: chunked\r\n";
    vec![
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
        "GET /page HTTP/1.1\r\nHost: h\r\nX: y\rGET /smuggled HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET /page?x HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: upgrade, close\r\n\r\n{BEHIND}"),
        format!("GET /page HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{BEHIND}"),
    ]
}

/// What was sent is one request, or it is refused; behind it there may be another one, which its
/// sender has not hidden: it is as good as if it had come alone.
async fn is_one_or_none(between: &mut Between, sent: &str) {
    let mut client = between.client().await;
    client.send(sent).await;
    client.finish().await;
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
            assert!(is_plainly_two(sent), "{sent:?}");
        }
        let mut origin = origin;
        origin.try_content(&asked).await;
        if origin.try_send(OK).await.is_ok() {
            between.keep(origin);
        }
    }
}

/// The next client's request is the first that the origin sees.
async fn the_next_is_the_next(between: &mut Between, sent: &str) {
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

/// Whether every reader of RFC 9112 takes it for two requests in a row: the first has no body, and
/// its head ends in front of the second.
fn is_plainly_two(sent: &str) -> bool {
    sent.starts_with("GET ") && !sent.contains("Transfer-Encoding") && sent.ends_with(BEHIND)
}
