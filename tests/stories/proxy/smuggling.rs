//! Requests that two readers could understand differently: the origin sees one request where the
//! client sent one, or none.

use super::front::{answer, front, front_with, get};
use crate::support::wire::Wire;

/// The status that the client gets, while nothing comes to the origin.
pub async fn refused(request: &str) -> u16 {
    let front = front().await;
    let mut client = front.client().await;
    client.send(request).await;
    let status = client.start().await.status();
    // Whatever was behind it is no request either: the connection ends.
    client.rest().await;
    // The next one is the first that the origin sees.
    let mut other = front.client().await;
    other.send(get("/next")).await;
    assert_eq!(
        front.accept().await.start().await.line,
        "GET /next HTTP/1.1",
        "{request:?}"
    );
    status
}

#[tokio::test]
async fn what_is_ambiguous_reaches_no_origin() {
    let behind = "\r\nGET /admin HTTP/1.1\r\nHost: h\r\n\r\n";
    for fields in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Content-Length: 0\r\nContent-Length: 40\r\n",
        "Content-Length: 0, 40\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 1_0\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: \tchunked, x\r\n",
        "Transfer-Encoding\t: chunked\r\n",
        "X: y\r\n Transfer-Encoding: chunked\r\n",
        "X: y\rTransfer-Encoding: chunked\r\n",
        "Transfer_Encoding : chunked\r\n",
    ] {
        let request = format!("POST /page HTTP/1.1\r\nHost: h\r\n{fields}{behind}");
        assert_eq!(refused(&request).await, 400, "{fields:?}");
    }
    for line in [
        "GET /page HTTP/1.1 x",
        "GET  /page HTTP/1.1",
        "GET\t/page HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /page\0 HTTP/1.1",
    ] {
        assert_eq!(refused(&format!("{line}\r\nHost: h\r\n\r\n")).await, 400, "{line:?}");
    }
}

/// A request with a body, and the next one right behind it: each is one at the origin.
#[tokio::test]
async fn requests_in_a_row_stay_apart() {
    let front = front().await;
    let mut client = front.client().await;
    let inside = "GET /inside HTTP/1.1\r\nHost: h\r\n\r\n";
    client
        .send(format!(
            "POST /first HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{inside}{}",
            inside.len(),
            get("/second")
        ))
        .await;
    let mut origin = front.accept().await;
    let first = origin.start().await;
    assert_eq!(first.line, "POST /first HTTP/1.1");
    assert_eq!(origin.content(&first).await.bytes, inside.as_bytes());
    origin.send(answer("text/plain", "one", "")).await;
    let one = client.start().await;
    assert_eq!(client.content(&one).await.bytes, b"one");
    assert_eq!(origin.start().await.line, "GET /second HTTP/1.1");
    origin.send(answer("text/plain", "two", "")).await;
    let two = client.start().await;
    assert_eq!(client.content(&two).await.bytes, b"two");
}

/// What a client says of its own address, in every spelling that some origin reads.
#[tokio::test]
async fn nobody_says_of_himself_where_he_comes_from() {
    const SPELLINGS: [&str; 8] = [
        "X-Forwarded-For",
        "X_Forwarded_For",
        "x-forwarded_for",
        "X-Real-IP",
        "X_Real_IP",
        "X-Client-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
    ];
    let fields: String = SPELLINGS.map(|name| format!("{name}: 192.0.2.66\r\n")).concat();
    let request = format!("GET /page HTTP/1.1\r\nHost: h\r\n{fields}Connection: close, X-Real-IP\r\n\r\n");
    for (top, is_trusted) in [("", false), ("trusted_proxies: [127.0.0.1]", true)] {
        let front = front_with("", top).await;
        let mut client: Wire = front.client().await;
        client.send(&request).await;
        let mut origin = front.accept().await;
        let asked = origin.start().await;
        let claims: Vec<&str> = asked
            .fields
            .iter()
            .filter(|(_, value)| value.contains("192.0.2.66"))
            .map(|(name, _)| name.as_str())
            .collect();
        if is_trusted {
            assert!(
                claims.contains(&"x_forwarded_for") && claims.contains(&"true-client-ip"),
                "{asked:?}"
            );
            assert!(
                asked
                    .value("x-forwarded-for")
                    .is_some_and(|said| said.starts_with("192.0.2.66")),
                "{asked:?}"
            );
        } else {
            assert!(claims.is_empty(), "{asked:?}");
            assert_eq!(asked.all("x-forwarded-for"), ["127.0.0.1"]);
        }
        origin.send(answer("text/plain", "", "")).await;
        client.start().await;
    }
}
