//! Quiet streams, their lifetime, and requests that open none.

use crate::support::client::{Ask, End, Head, TestClient, ask, connect, get, speaks_http2};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay};
use crate::support::tls::dial;
use crate::support::wire::Wire;
use std::time::{Duration, Instant};

async fn relayed(source: &str) -> (TestRelay, Conn) {
    let origin = TestOrigin::start().await;
    Setup::over(&origin).source(source).start_with(&origin).await
}

#[tokio::test]
async fn a_quiet_client_gets_a_comment_now_and_then() {
    let (relay, _conn) = relayed("heartbeat: { every: 200ms }").await;
    for request in [get(PATH), get(PATH).http10()] {
        // Before its stream begins: on a busy machine it reads that late.
        let began = Instant::now();
        let mut client = relay.open(&request).await;
        for _ in 0..3 {
            assert_eq!(client.next_comment().await, ":");
        }
        assert!(began.elapsed() >= Duration::from_millis(550), "{:?}", began.elapsed());
        assert_eq!(client.incomplete(), b"");
    }
}

#[tokio::test]
async fn or_the_event_that_the_source_names() {
    let (relay, mut conn) = relayed("ids: pass\nheartbeat: { every: 100ms, as: \"data: ping\" }").await;
    conn.event("id: 7\ndata: x").await;
    relay.received(1).await;
    let mut client = relay.client().await;
    for _ in 0..2 {
        let event = client.next_event().await;
        assert_eq!(
            (event.data.as_str(), event.id()),
            ("ping", "7"),
            "it leaves the place alone"
        );
    }
}

#[tokio::test]
async fn no_heartbeat_while_events_flow() {
    let (relay, mut conn) = relayed("heartbeat: { every: 2s }").await;
    let mut client = relay.client().await;
    let began = Instant::now();
    let mut n = 0;
    while began.elapsed() < Duration::from_secs(4) {
        conn.event(&format!("data: {n}")).await;
        assert_eq!(client.next_event().await.data, n.to_string());
        n += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(client.comments, [":"]);
}

#[tokio::test]
async fn never_in_the_middle_of_an_event() {
    let (relay, mut conn) =
        relayed("heartbeat: { every: 50ms, as: \"data: ping\" }\nslow_client: { bytes: 8MiB }").await;
    let mut client = relay.open(&get(PATH).small_receive_buffer()).await;
    let data = "x".repeat(1_000_000);
    conn.event(&format!("event: large\ndata: {data}")).await;
    // It takes the event in pieces, each later than a heartbeat would be due.
    let mut pings = 0;
    let mut read = 0;
    loop {
        let Some(event) = client
            .events_so_far()
            .into_iter()
            .find(|event| event.event_type == "large")
        else {
            client.read_more().await;
            read += 1;
            if read % 8 == 0 {
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
            continue;
        };
        assert!(event.data == data, "something got into it");
        break;
    }
    while pings < 2 {
        pings += u32::from(client.next_event().await.data == "ping");
    }
}

#[tokio::test]
async fn a_stream_ends_when_it_is_old() {
    let (relay, mut conn) = relayed("max_age: 500ms").await;
    let began = Instant::now();
    let mut client = relay.client().await;
    conn.event("data: x").await;
    assert_eq!(client.end().await, End::LastChunk);
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
    assert_eq!((client.incomplete(), client.retries.len()), (&b""[..], 2));
    assert_eq!(client.events_so_far()[0].data, "x");
    relay
        .eventually_metric(r#"fanfare_connections_closed_total{source="s",reason="max_age"}"#, 1.0)
        .await;
}

#[tokio::test]
async fn an_old_stream_ends_behind_the_event_under_way() {
    if speaks_http2() {
        return; // It looks at the socket.
    }
    let (relay, mut conn) = relayed("max_age: 500ms\nslow_client: { bytes: 8MiB }").await;
    let mut client = relay.open(&get(PATH).small_receive_buffer()).await;
    let data = "x".repeat(1_000_000);
    conn.event(&format!("data: {data}")).await;
    // Long past its age, and past any short grace, it goes on reading.
    client.readable().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(client.next_event().await.data == data);
    assert_eq!(client.end().await, End::LastChunk);
}

#[tokio::test]
async fn head_answers_the_head() {
    let (relay, _conn) = relayed("cors: { origins: [\"https://a.test\"] }").await;
    let answer = ask("HEAD", PATH)
        .header("Origin", "https://a.test")
        .answer(relay.address)
        .await;
    assert_eq!((answer.head.status, answer.body.as_str()), (200, ""));
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-cache, no-transform"),
        ("x-accel-buffering", "no"),
        ("vary", "Accept"),
        ("access-control-allow-origin", "https://a.test"),
    ] {
        assert_eq!(answer.head.header(name), Some(value), "{name}");
    }
    // RFC 9110, 9.3.2: what GET would say, and GET has no length.
    assert_eq!(answer.head.header("content-length"), None, "{answer:?}");
    assert_eq!(relay.clients(), 0.0);
}

#[tokio::test]
async fn head_answers_the_head_of_what_get_would_answer() {
    let (relay, _conn) = relayed("").await;
    for (accept, status, content_type) in [
        ("*/*", 200, "text/event-stream"),
        ("application/json", 200, "application/json"),
        ("image/png", 406, "application/problem+json"),
    ] {
        let asked = ask("HEAD", PATH).header("Accept", accept);
        let answer = asked.answer(relay.address).await;
        assert_eq!(answer.head.status, status, "{accept}");
        assert_eq!(answer.head.header("content-type"), Some(content_type));
        assert_eq!(answer.body, "");
    }
    let answer = ask("HEAD", "/elsewhere").answer(relay.address).await;
    assert_eq!((answer.head.status, answer.body.as_str()), (404, ""));
}

#[tokio::test]
async fn what_will_not_heal_is_a_status_with_problem_details() {
    let (relay, _conn) = relayed("").await;
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let answer = ask(method, PATH)
            .header("Content-Length", "0")
            .answer(relay.address)
            .await;
        answer.assert_problem(405);
        assert_eq!(answer.head.header("allow"), Some("GET, HEAD, OPTIONS"));
    }
    ask("GET", PATH)
        .header("Accept", "image/png")
        .answer(relay.address)
        .await
        .assert_problem(406);
    get("/elsewhere").answer(relay.address).await.assert_problem(404);
    get("/events/").answer(relay.address).await.assert_problem(404);
    for accept in ["text/event-stream", "*/*", "text/*", "text/html, */*;q=0.1"] {
        let head = ask("GET", PATH)
            .header("Accept", accept)
            .send(relay.address)
            .await
            .read_head()
            .await;
        assert_eq!(head.status, 200, "{accept}");
    }
    let refused = |reason| relay.metric(&format!(r#"fanfare_refused_total{{reason="{reason}"}}"#));
    assert_eq!(
        (refused("method"), refused("not_acceptable"), refused("not_found")),
        (4.0, 1.0, 2.0)
    );
}

#[tokio::test]
async fn a_path_may_be_written_in_any_equivalent_way() {
    if speaks_http2() {
        return; // A target is a path there.
    }
    let (relay, _conn) = relayed("").await;
    for target in [
        "/%65vents",
        "//events",
        "/events?x=1",
        "http://elsewhere.test:1/events",
        "/event%73?",
        "//events",
        "/events;v=1",
    ] {
        let head = get(target).send(relay.address).await.read_head().await;
        assert_eq!(head.status, 200, "{target}");
    }
    for target in ["/events%2F", "/Events", "/%2565vents"] {
        get(target).answer(relay.address).await.assert_problem(404);
    }
}

#[tokio::test]
async fn a_request_that_is_none_is_refused_and_harms_nobody() {
    if speaks_http2() {
        return; // What is none there is in `http2/requests.rs`.
    }
    let (relay, mut conn) = relayed("").await;
    let mut good = relay.client().await;
    let many = "X: y\r\n".repeat(200);
    for (bytes, status) in [
        (&b"\0\0\0\0\r\n\r\n"[..], 400),
        (b"GET /events HTTP/9.9\r\n\r\n", 505),
        (b"GET /events HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n", 400),
        (b"GET /events HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (format!("GET /events HTTP/1.1\r\n{many}\r\n").as_bytes(), 431),
    ] {
        let io = connect(relay.address, None).await;
        let mut client = TestClient::over(Box::new(io), false);
        client.write(bytes).await.unwrap();
        client.answer().await.assert_problem(status);
    }
    // Behind one that is answered.
    let mut wire = Wire::connect(relay.address).await;
    wire.send("GET /elsewhere HTTP/1.1\r\nHost: a\r\n\r\n\0\r\n\r\n").await;
    for status in [404, 400] {
        let start = wire.start().await;
        assert_eq!(
            (start.status(), start.value("content-type")),
            (status, Some("application/problem+json"))
        );
        assert!(wire.content(&start).await.bytes.ends_with(b"}"));
    }
    let long = "x".repeat(70_000);
    let too_long = get(&format!("/{long}")).answer(relay.address).await;
    too_long.assert_problem(414);
    let too_large = get(PATH).header("X-Long", &long).answer(relay.address).await;
    too_large.assert_problem(431);
    let head = ask("HEAD", PATH).header("X-Long", &long).answer(relay.address).await;
    assert_eq!((head.head.status, head.body.as_str()), (431, ""));
    conn.event("data: x").await;
    assert_eq!(good.next_event().await.data, "x");
}

/// Who goes on sending what nobody reads gets the answer all the same.
#[tokio::test]
async fn a_refusal_of_a_head_without_end_arrives() {
    let (relay, _conn) = relayed("").await;
    let mut client = TestClient::over(dial(relay.address, None).await, false);
    client.write("GET /events HTTP/1.1\r\nX: ").await.unwrap();
    for _ in 0..32 {
        client.write("x".repeat(16 * 1024)).await.unwrap();
    }
    client.answer().await.assert_problem(431);
}

fn preflight(origin: &str) -> Ask {
    ask("OPTIONS", PATH)
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "GET")
        .header("Access-Control-Request-Headers", "last-event-id")
}

/// The head of a stream that a page of this origin opens.
async fn head_for(relay: &TestRelay, origin: &str) -> Head {
    let mut client = get(PATH).header("Origin", origin).send(relay.address).await;
    client.read_head().await
}

#[tokio::test]
async fn cross_origin_access() {
    let (relay, _conn) =
        relayed("cors: { origins: [\"https://a.test\", \"https://b.test\"], credentials: true, max_age: 5m }").await;
    let answer = preflight("https://b.test").answer(relay.address).await;
    assert_eq!((answer.head.status, answer.body.as_str()), (204, ""));
    let header = |name| answer.head.header(name).map(str::to_ascii_lowercase);
    assert_eq!(header("access-control-allow-origin").as_deref(), Some("https://b.test"));
    assert_eq!(header("access-control-allow-credentials").as_deref(), Some("true"));
    assert_eq!(header("access-control-max-age").as_deref(), Some("300"));
    assert!(
        header("access-control-allow-headers")
            .unwrap()
            .contains("last-event-id")
    );
    assert!(header("access-control-allow-methods").unwrap().contains("get"));

    let answer = preflight("https://evil.test").answer(relay.address).await;
    assert_eq!(answer.head.header("access-control-allow-origin"), None);
    for (origin, allowed) in [("https://a.test", Some("https://a.test")), ("https://evil.test", None)] {
        let head = head_for(&relay, origin).await;
        assert_eq!(head.header("access-control-allow-origin"), allowed);
        assert_eq!(head.all("vary"), ["Accept", "Origin"]);
    }

    let (relay, _conn) = relayed("cors: { origins: [\"https://*.a.test\"] }").await;
    for (origin, allowed) in [
        ("https://b.a.test", Some("https://b.a.test")),
        ("https://ba.test", None),
    ] {
        let head = head_for(&relay, origin).await;
        assert_eq!(head.header("access-control-allow-origin"), allowed);
    }

    let (relay, _conn) = relayed("cors: { origins: [\"*\"] }").await;
    let head = get(PATH)
        .header("Origin", "https://a.test")
        .send(relay.address)
        .await
        .read_head()
        .await;
    assert_eq!(head.header("access-control-allow-origin"), Some("*"));
    assert_eq!(head.all("vary"), ["Accept", "Origin"]);
}
