//! What others name comes out again in heads, URLs, events and logs: ids, parameters, hosts,
//! locations. Nothing in them ends a line or adds one.

use crate::support::client::{Ask, TestClient, ask, get};
use crate::support::origin::TestOrigin;
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};
use crate::support::wire::Wire;

/// Ends of lines in the spellings that requests can hold.
const ENDS: [&str; 6] = ["%0d%0a", "%0a", "%0D", "%E5%98%8A%E5%98%8D", "%00", "%C2%85"];

fn jobs(setup: Setup, origin: &TestOrigin) -> Setup {
    let url = origin.url("/x/{job}?of={job}");
    setup.beside(&format!("jobs: {{ path: \"/jobs/{{job}}\", upstream: \"{url}\" }}"))
}

#[tokio::test]
async fn a_parameter_stays_one_segment_and_one_value_at_the_origin() {
    let origin = TestOrigin::start().await;
    let other = TestOrigin::start().await;
    let relay = jobs(Setup::over(&origin), &other).start();
    for (sent, asked) in [
        ("a%3Fb=c%26d%23e", "/x/a%3Fb%3Dc%26d%23e?of=a%3Fb%3Dc%26d%23e"),
        ("%252e%252e%252f", "/x/%252e%252e%252f?of=%252e%252e%252f"),
        ("%7Bjob%7D", "/x/%7Bjob%7D?of=%7Bjob%7D"),
        ("@other:80", "/x/%40other%3A80?of=%40other%3A80"),
        ("a%20HTTP/1.1", ""),
        (
            "a%20HTTP%E2%88%951.1",
            "/x/a%20HTTP%E2%88%951.1?of=a%20HTTP%E2%88%951.1",
        ),
        (
            "%E5%98%8A%E5%98%8DX:%20y",
            "/x/%E5%98%8A%E5%98%8DX%3A%20y?of=%E5%98%8A%E5%98%8DX%3A%20y",
        ),
    ] {
        let client = get(&format!("/jobs/{sent}")).send(relay.address).await;
        if asked.is_empty() {
            assert_eq!(client.answer().await.head.status, 404, "{sent}");
            continue;
        }
        let mut conn = other.accept().await;
        assert_eq!(conn.request().line(), format!("GET {asked} HTTP/1.1"));
        assert_eq!(conn.request().header("x"), None);
        conn.stream_head().await;
    }
    for end in ENDS.iter().filter(|end| !end.starts_with("%E5")) {
        let refused = get(&format!("/jobs/a{end}X:%20y")).send(relay.address).await;
        assert_eq!(refused.answer().await.head.status, 400, "{end}");
    }
}

/// A last event ID that ends a line, as a header can't and the query can.
#[tokio::test]
async fn an_id_that_a_client_names_adds_no_line_anywhere() {
    let origin = TestOrigin::start().await;
    let (relay, mut conn) = Setup::over(&origin).start_with(&origin).await;
    conn.event("id: 1\ndata: one").await;
    relay.received(1).await;
    for end in ENDS {
        let target = format!("{PATH}?lastEventId=x{end}{end}event:%20evil{end}data:%20injected{end}{end}");
        let mut client = get(&target).open(relay.address).await;
        client.opened().await;
        let gap = client.next_event().await;
        assert_eq!(gap.gap().as_deref(), Some("unknown_id"), "{end}: {gap:?}");
        assert!(!gap.data.contains("injected"), "{gap:?}");
        assert_eq!(client.next_event().await.data, "one", "{end}");
        let poll = ask("GET", &target).header("Accept", "application/json");
        let answer = poll.answer(relay.address).await;
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["gap"]["reason"], "unknown_id", "{body}");
        assert!(!answer.body.contains("injected"), "{body}");
    }
}

/// An origin whose ids, types and data hold what ends lines elsewhere.
#[tokio::test]
async fn what_an_origin_names_adds_no_line_to_the_next_request() {
    let origin = TestOrigin::start().await;
    let (relay, mut conn) = Setup::over(&origin).start_with(&origin).await;
    let mut client = relay.client().await;
    let evil = "1\x0bX-Injected: y\x0c\u{85}\u{2028}X: z";
    conn.event(&format!("id: {evil}\nevent: {evil}\ndata: {evil}")).await;
    let event = client.next_event().await;
    assert_eq!((event.id(), &event.event_type[..], &event.data[..]), (evil, evil, evil));
    conn.close().await;
    let conn = origin.accept().await;
    assert_eq!(
        (conn.request().header("x-injected"), conn.request().header("x")),
        (None, None)
    );
    let lines = conn.request().text.trim_end().split("\r\n").count();
    assert!(
        lines <= 8 && !conn.request().text.contains('\x0b'),
        "{:?}",
        conn.request().text
    );
}

/// A header that names a stream, and a redirect: what is rewritten is one line, and what is not is
/// the origin's.
#[tokio::test]
async fn a_location_that_is_rewritten_is_one_line() {
    let pages = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = pages.local_addr().unwrap();
    let stream = TestOrigin::start().await;
    let pass = format!(
        "pass: [{{ prefix: /, to: \"http://{at}\", rewrite_links: true, rewrite_headers: [location, x-stream] }}]"
    );
    let (relay, _conn) = Setup::over(&stream).top(&pass).start_with(&stream).await;
    for named in [
        format!("http://{at}{PATH}?a=%0d%0aSet-Cookie:%20a=b"),
        format!("http://{at}{PATH}?a=\r\n Set-Cookie: a=b"),
        format!("http://{at}{PATH}?a=\"><script>"),
        format!("//{at}{PATH}#\u{e4}"),
    ] {
        let mut client = Wire::connect(relay.address).await;
        client.send("GET /page HTTP/1.1\r\nHost: cue.test\r\n\r\n").await;
        let mut origin = Wire::accept(&pages).await;
        origin.start().await;
        let fields = format!("Location: {named}\r\nX-Stream: {named}\r\nConnection: close\r\nContent-Length: 0\r\n");
        origin.send(format!("HTTP/1.1 302 Found\r\n{fields}\r\n")).await;
        let head = client.start().await;
        assert_eq!((head.status(), head.value("set-cookie")), (302, None), "{head:?}");
        for name in ["location", "x-stream"] {
            let values = head.all(name);
            assert!(values.len() == 1 && !values[0].contains(['\r', '\n']), "{head:?}");
            assert!(!values[0].contains("set-cookie:"), "{head:?}");
        }
    }
}

/// What is quoted of a request in an answer is text in JSON, and no markup.
#[tokio::test]
async fn what_an_error_quotes_is_no_markup() {
    let origin = TestOrigin::start().await;
    let (relay, _conn) = Setup::over(&origin).start_with(&origin).await;
    for request in [
        ask("GET", "/<script>alert(1)</script>%0d%0aX-Injected:%20y"),
        ask("GET", "/nowhere").header("Origin", "https://a.example\"><script>"),
        ask("DELETE", &format!("{PATH}?<script>")),
        get("/nowhere?x=%0d%0aX-Injected:%20y"),
    ] {
        let answer = answer(&relay.address, &request).await;
        let kind = answer.head.header("content-type");
        assert_eq!(kind, Some("application/problem+json"), "{answer:?}");
        assert_eq!(answer.head.header("x-injected"), None, "{answer:?}");
        serde_json::from_str::<serde_json::Value>(&answer.body).unwrap();
    }
}

async fn answer(at: &std::net::SocketAddr, request: &Ask) -> crate::support::client::Answer {
    request.answer(*at).await
}

/// Lines of the log, at the level that says most: each is one, whatever peers have named.
#[tokio::test]
async fn no_peer_writes_a_line_of_the_log() {
    let origin = TestOrigin::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let unused = || {
        std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
    };
    let setup = jobs(Setup::over(&origin), &origin);
    let process = TestProcess::start_logging_to(&setup, file.reopen().unwrap(), unused(), unused()).await;
    let evil = "%0a{\"level\":\"ERROR\",\"message\":\"forged\"}%0a%1b[31m";
    let _: TestClient = get(&format!("/jobs/{evil}")).send(process.address).await;
    let _ = get(&format!("/nowhere/{evil}?lastEventId={evil}"))
        .answer(process.address)
        .await;
    let mut wire = Wire::connect(process.address).await;
    wire.send("GET / HTTP/1.1\r\nHost: a\r\nX\x1b[31m: y\r\n\r\n").await;
    assert_eq!(wire.start().await.status(), 400);
    // And an origin's own: a type that is none, with what a terminal obeys.
    let mut conn = origin.accept().await;
    conn.send("HTTP/1.1 200 OK\r\nContent-Type: text/\u{9b}31m\x1b\r\n\r\n")
        .await;
    let mut conn = origin.accept().await;
    conn.send("HTTP/1.1 302 Found\r\nLocation: ftp://\u{9b}31m/\r\n\r\n")
        .await;
    origin.accept().await;
    let log = std::fs::read_to_string(file.path()).unwrap();
    assert!(log.lines().count() > 3, "{log}");
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_ne!(line["message"], "forged");
    }
    assert!(!log.contains(['\u{1b}', '\u{9b}']), "{log}");
}
