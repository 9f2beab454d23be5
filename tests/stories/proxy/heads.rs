//! Heads: what of them passes, and what does not.

use super::front::{answer, front, front_with, get};
use crate::support::client::speaks_http2;
use crate::support::relay::PATH;

#[tokio::test]
async fn a_request_and_its_answer_pass_as_they_came() {
    let front = front().await;
    let target = "/a//b/%2e%7E;x=1/{c}|d?q=%C3%A5&r=a+b&&=?x";
    let request = format!(
        "PUT {target} HTTP/1.1\r\nHost: Cue.test:8443\r\nCookie: a=b\r\nX-Twice: 1\r\nX-Twice: 2\r\nX-Latin: \u{e9}\r\n\
         Authorization: Basic x\r\nAccept-Encoding: br\r\nContent-Length: 2\r\n\r\nhi"
    );
    let (asked, head, content) = front
        .exchange(
            &request,
            "HTTP/1.1 299 Quite Fine\r\nServer: o\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nETag: \"1\"\r\n\
             Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 3\r\n\r\na\r\n",
        )
        .await;
    assert_eq!(asked.line, format!("PUT {target} HTTP/1.1"));
    for (name, value) in [
        ("host", "Cue.test:8443"),
        ("cookie", "a=b"),
        ("authorization", "Basic x"),
        ("accept-encoding", "br"),
        ("content-length", "2"),
    ] {
        assert_eq!(asked.all(name), [value], "{asked:?}");
    }
    assert_eq!(asked.all("x-twice"), ["1", "2"]);
    assert!(asked.value("transfer-encoding").is_none() && asked.value("user-agent").is_none());
    assert_eq!(head.status(), 299);
    // HTTP/2 has no place for words.
    assert!(speaks_http2() || head.line == "HTTP/1.1 299 Quite Fine", "{head:?}");
    assert_eq!(head.all("set-cookie"), ["a", "b"]);
    assert_eq!(head.all("date"), ["Thu, 01 Jan 1970 00:00:00 GMT"]);
    let mut names: Vec<&str> = head.fields.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["content-length", "date", "etag", "server", "set-cookie", "set-cookie"]
    );
    assert_eq!(content.bytes, b"a\r\n");
}

#[tokio::test]
async fn the_origin_learns_for_whom_it_is_asked() {
    let front = front().await;
    let spoofed = "GET / HTTP/1.1\r\nHost: cue.test\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\n\
                   X-Forwarded-Host: evil\r\nForwarded: for=1.1.1.1\r\n\r\n";
    let (asked, _, _) = front.exchange(spoofed, answer("text/plain", "", "")).await;
    assert_eq!(asked.all("x-forwarded-for"), ["127.0.0.1"]);
    let scheme = crate::support::tls::scheme();
    assert_eq!(asked.all("x-forwarded-proto"), [scheme]);
    assert_eq!(asked.all("x-forwarded-host"), ["cue.test"]);
    let element = format!("for=127.0.0.1;host=cue.test;proto={scheme}");
    assert_eq!(asked.all("forwarded"), [&element]);

    let trusting = front_with("", "trusted_proxies: [127.0.0.1]").await;
    let (asked, _, _) = trusting.exchange(spoofed, answer("text/plain", "", "")).await;
    assert_eq!(asked.all("x-forwarded-for"), ["1.1.1.1, 127.0.0.1"]);
    assert_eq!(asked.all("x-forwarded-proto"), ["https"]);
    assert_eq!(asked.all("x-forwarded-host"), ["evil"]);
    assert_eq!(asked.all("forwarded"), [&format!("for=1.1.1.1, {element}")]);
}

#[tokio::test]
async fn a_sources_path_is_the_sources() {
    let front = front().await;
    for (method, status) in [("POST", 405), ("OPTIONS", 204), ("HEAD", 200)] {
        let mut client = front.client().await;
        client
            .send(format!("{method} {PATH} HTTP/1.1\r\nHost: h\r\n\r\n"))
            .await;
        assert_eq!(client.start().await.status(), status, "{method}");
    }
    let mut client = front.client().await;
    client
        .send(format!(
            "GET {PATH} HTTP/1.1\r\nHost: h\r\nAccept: application/xml\r\n\r\n"
        ))
        .await;
    assert_eq!(client.start().await.status(), 406);
    // Its neighbours are not.
    let (asked, _, _) = front
        .exchange(&get(&format!("{PATH}/")), answer("text/plain", "", ""))
        .await;
    assert_eq!(asked.line, format!("GET {PATH}/ HTTP/1.1"));
}

#[tokio::test]
async fn a_request_names_one_host() {
    let front = front().await;
    for fields in ["", "Host: a\r\nHost: b\r\n", "Host: a b\r\n"] {
        let mut client = front.client().await;
        client.send(format!("GET / HTTP/1.1\r\n{fields}\r\n")).await;
        assert_eq!(client.start().await.status(), 400, "{fields}");
    }
    // The target's counts, if it has one (RFC 9112, 3.2.2).
    let (asked, _, _) = front
        .exchange(
            "GET http://real.test/x?y HTTP/1.1\r\nHost: other\r\n\r\n",
            answer("text/plain", "", ""),
        )
        .await;
    assert_eq!(
        (asked.line.as_str(), asked.value("host")),
        ("GET /x?y HTTP/1.1", Some("real.test"))
    );
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let front = front().await;
    let (_, head, _) = front
        .exchange(
            "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nX: y\r\n\r\n",
        )
        .await;
    assert_eq!(
        (head.value("content-length"), head.value("x")),
        (Some("1234"), Some("y"))
    );
    let (_, head, _) = front
        .exchange(
            &get("/"),
            "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nContent-Length: 9\r\n\r\n",
        )
        .await;
    assert_eq!((head.status(), head.value("etag")), (304, Some("\"1\"")));
    let (_, head, _) = front.exchange(&get("/"), "HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(head.status(), 204);
}
