//! Content Store change logs: the proxy's own file, and the stream found in a feed.

use crate::relay;
use crate::support::client::{ask, get};
use crate::support::origin::{Conn, TestOrigin};

/// What the Content Store builds from the request's `Host`.
fn change(section: u32) -> String {
    format!("http://cue.example.com/webservice/escenic/changelog/section/{section}")
}

fn base(origin: &TestOrigin) -> String {
    format!("http://{}", origin.address())
}

/// The next request for the stream, as the Content Store wants it.
async fn stream(origin: &TestOrigin) -> Conn {
    let mut conn = origin.accept().await;
    let request = conn.request();
    assert_eq!(request.target(), "/webservice/escenic/changelog/sse");
    assert_eq!(request.header("host"), Some("cue.example.com"));
    assert_eq!(request.header("authorization"), Some("Basic cmVsYXk6c2VjcmV0"));
    conn.stream_head().await;
    conn
}

#[tokio::test]
async fn the_proxys_own_file_does_what_it_did() {
    let (one, two) = (TestOrigin::start().await, TestOrigin::start().await);
    let relay = relay(
        "sse-proxy.yaml",
        &[
            ("EDITORIAL_1", base(&one)),
            ("EDITORIAL_2", base(&two)),
            ("CONTENT_STORE_PASSWORD", "secret".to_owned()),
        ],
    );
    let mut conns = [stream(&one).await, stream(&two).await];
    relay.upstream_connected().await;
    let page = get("/").header("Origin", "https://cue.example.com");
    let mut root = page.send(relay.address).await;
    let head = root.read_head().await;
    assert_eq!(
        head.header("access-control-allow-origin"),
        Some("https://cue.example.com")
    );
    assert_eq!(head.header("access-control-allow-credentials"), Some("true"));
    let mut sse = relay.open(&get("/sse")).await;
    root.opened().await;
    for (n, conn) in conns.iter_mut().enumerate() {
        let data = change(n as u32);
        conn.event(&format!("data: {data}")).await;
        for client in [&mut root, &mut sse] {
            let event = client.next_event().await;
            assert_eq!((event.event_type.as_str(), &event.data), ("message", &data));
            assert!(!event.id.is_empty());
        }
    }
    let preflight = ask("OPTIONS", "/sse")
        .header("Origin", "https://cue.example.com")
        .header("Access-Control-Request-Method", "GET")
        .answer(relay.address)
        .await;
    assert_eq!(preflight.head.status, 204);
    assert_eq!(preflight.head.header("access-control-max-age"), Some("1800"));
    // What its monitoring asks for.
    for (path, wanted) in [("/ping", "pong"), ("/healthcheck", "")] {
        let answer = ask("GET", path).answer(relay.admin).await;
        assert_eq!(answer.head.status, 200);
        assert!(answer.body.starts_with(wanted), "{}", answer.body);
    }
}

fn feed(stream: &str) -> String {
    let body = format!(
        "<?xml version=\"1.0\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n<title>Changes</title>\n\
         <link rel=\"self\" href=\"http://cue.example.com/webservice/escenic/changelog/section/1\"/>\n\
         <link rel=\"http://www.vizrt.com/types/relation/changelog\" type=\"text/event-stream\" href=\"{stream}\"/>\n</feed>"
    );
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/atom+xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn the_stream_is_found_in_the_feed_and_a_burst_is_told_once() {
    let (one, two) = (TestOrigin::start().await, TestOrigin::start().await);
    let relay = relay(
        "content-store.yaml",
        &[
            ("EDITORIAL_1", base(&one)),
            ("EDITORIAL_2", base(&two)),
            ("CONTENT_STORE_PASSWORD", "secret".to_owned()),
        ],
    );
    let mut conns = Vec::new();
    for origin in [&one, &two] {
        let link = origin.url("/webservice/escenic/changelog/sse");
        let asked = origin.answer(feed(&link)).await;
        assert_eq!(asked.target(), "/webservice/escenic/changelog/section/1");
        conns.push(stream(origin).await);
    }
    relay.upstream_connected().await;
    let mut client = relay.open(&get("/sse")).await;
    let burst = format!("data: {}\n\n", change(22)).repeat(50);
    for conn in &mut conns {
        conn.body(&burst).await;
    }
    conns[0].event(&format!("data: {}", change(23))).await;
    assert_eq!(client.next_event().await.data, change(22));
    assert_eq!(client.next_event().await.data, change(23));
}
