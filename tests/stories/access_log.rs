//! The access log: a line for each stream that has ended and each request that was passed on, which
//! says whose it was and how it went, and nothing that lets somebody in.

use crate::support::client::{TestClient, ask, get, protocol};
use crate::support::filler::filler;
use crate::support::origin::{Conn, PATIENCE, TestOrigin};
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};
use crate::support::wire::Wire;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

const STREAM: &str = "stream ended";
const REQUEST: &str = "request passed";

/// A relay with an access log, its origin, and whose stream goes on.
async fn running(source: &str, top: &str) -> (TestProcess, Conn) {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin)
        .source(source)
        .top(&format!("access_log: true\n{top}"));
    let process = TestProcess::start(&setup).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    process.logged("connected to the origin").await;
    (process, conn)
}

/// So many lines with this message, once they are there.
async fn lines(process: &TestProcess, message: &str, wanted: usize) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let lines = process.log_lines(message);
        if lines.len() >= wanted {
            assert_eq!(lines.len(), wanted, "{lines:#?}");
            return lines;
        }
        assert!(began.elapsed() < PATIENCE, "{wanted} lines of {message:?}: {lines:#?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn opened(process: &TestProcess, target: &str) -> TestClient {
    let mut client = get(target).open(process.address).await;
    client.opened().await;
    client
}

#[tokio::test]
async fn a_stream_that_has_ended_has_a_line() {
    let (process, mut conn) = running("", "").await;
    let mut client = opened(&process, PATH).await;
    for n in 1..=3 {
        conn.event(&format!("id: {n}\ndata: event {n}")).await;
        client.next_event().await;
    }
    let address = client.local_address().to_string();
    drop(client);
    let line = &lines(&process, STREAM, 1).await[0];
    // Each is one chunk of 20 bytes in the log, with its size line and its end.
    for (name, value) in [
        ("client", json!(address)),
        ("source", json!("s")),
        ("protocol", json!(protocol())),
        ("events", json!(3)),
        ("bytes", json!(3 * ("14\r\nid: 1\ndata: event 1\n\n\r\n".len()))),
        ("last_id", json!("3")),
        ("lag_events", json!(0)),
        ("lag_bytes", json!(0)),
        ("reason", json!("client")),
        ("level", json!("INFO")),
        ("target", json!("fanfare::access_log")),
        ("user", Value::Null),
    ] {
        assert_eq!(line[name], value, "{name}: {line:#}");
    }
    assert!(line["duration_ms"].is_u64());
    // One that got nothing.
    drop(opened(&process, PATH).await);
    let second = &lines(&process, STREAM, 2).await[1];
    assert_eq!(
        (&second["events"], &second["bytes"]),
        (&json!(0), &json!(0)),
        "{second:#}"
    );
    // And one that came back and got what it had missed.
    let mut back = get(PATH).last_event_id("1").open(process.address).await;
    back.until_data("event 3").await;
    drop(back);
    let third = &lines(&process, STREAM, 3).await[2];
    assert_eq!(
        (&third["events"], &third["last_id"]),
        (&json!(2), &json!("3")),
        "{third:#}"
    );
}

/// Whose fault an end was is said as the metrics say it.
#[tokio::test]
async fn the_reason_is_that_of_the_metrics() {
    let (mut process, mut conn) = running(
        "slow_client: { bytes: 64KiB }\nend_when: [ { event: done } ]",
        "drain: { spread: 0s, timeout: 10s }",
    )
    .await;
    let mut good = opened(&process, PATH).await;
    let stalled = get(PATH).small_receive_buffer().send(process.address).await;
    process.eventually_clients(2).await;
    let mut sent = 0;
    // Once it is found to be too slow, its end takes a while that its socket does not take.
    while process
        .metric(r#"fanfare_evictions_total{source="s",reason="bytes"}"#)
        .await
        == 0.0
    {
        conn.event(&format!("data: {}", filler(100_000))).await;
        good.next_event().await;
        good.forget_body();
        sent += 1;
        assert!(sent < 500, "the stalled client stays");
    }
    let line = &lines(&process, STREAM, 1).await[0];
    assert_eq!(line["reason"], "evicted", "{line:#}");
    assert!(line["lag_bytes"].as_u64().unwrap() > 64 * 1024, "{line:#}");
    assert!(line["events"].as_u64().unwrap() < sent, "{line:#}");
    drop(stalled);
    process.terminate();
    good.end().await;
    assert_eq!(lines(&process, STREAM, 2).await[1]["reason"], "drained");
    process.exit().await;
}

#[tokio::test]
async fn what_was_skipped_is_not_counted() {
    let (process, mut conn) = running(
        "slow_client: { policy: skip, bytes: 64KiB }\nlog: { bytes: 64MiB }\nheartbeat: { every: 300ms }",
        "",
    )
    .await;
    let mut good = opened(&process, PATH).await;
    let mut slow = get(PATH).small_receive_buffer().send(process.address).await;
    process.eventually_clients(2).await;
    slow.read_head().await;
    let (mut sent, mut got) = (0_u64, 0);
    let missed = 'skipped: loop {
        for _ in 0..30 {
            conn.event(&format!("data: {}", filler(100_000))).await;
            good.next_event().await;
            good.forget_body();
            sent += 1;
        }
        // A look at its lag lies between two heartbeats. One that was not over its limit then catches
        // up, and falls behind again.
        good.next_comment().await;
        good.next_comment().await;
        while got < sent {
            let event = slow.next_event().await;
            slow.forget_body();
            if event.gap().is_some() {
                break 'skipped event.json()["events"].as_u64().unwrap();
            }
            got += 1;
        }
        assert!(sent < 3000, "nothing is skipped");
    };
    assert_eq!(
        process
            .metric(r#"fanfare_gaps_total{source="s",reason="skipped"}"#)
            .await,
        1.0
    );
    conn.event("data: last").await;
    slow.until_data("last").await;
    drop(slow);
    let line = &lines(&process, STREAM, 1).await[0];
    assert_eq!(line["events"], json!(sent + 1 - missed), "{missed} of {sent}: {line:#}");
    let bytes = line["bytes"].as_u64().unwrap();
    assert!(
        (sent - missed) * 100_000 < bytes && bytes < (sent - missed + 1) * 100_100,
        "{line:#}"
    );
}

/// A relay with an access log that passes everything, and the origin of that.
async fn passing() -> (TestProcess, TcpListener) {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = origin.local_addr().unwrap();
    // Nobody listens at the source's.
    let top = format!("access_log: true\npass: [ {{ prefix: /, to: \"http://{at}\" }} ]");
    let process = TestProcess::start(&Setup::at("http://127.0.0.1:9/sse").top(&top)).await;
    (process, origin)
}

/// Method, the origin's answer, and what the line says: status, bytes and reason.
const PASSED: [(&str, &str, u16, u64, &str); 7] = [
    (
        "GET",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        200,
        5,
        "complete",
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
        200,
        3,
        "complete",
    ),
    (
        "HEAD",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        200,
        0,
        "complete",
    ),
    ("POST", "HTTP/1.1 204 No Content\r\n\r\n", 204, 0, "complete"),
    (
        "GET",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        404,
        0,
        "complete",
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        200,
        4,
        "origin",
    ),
    ("GET", "nonsense\r\n\r\n", 502, 0, "complete"),
];

#[tokio::test]
async fn a_request_that_was_passed_on_has_a_line() {
    let (process, origin) = passing().await;
    for (method, answer, status, bytes, reason) in PASSED {
        let before = process.log_lines(REQUEST).len();
        let mut client = Wire::connect(process.address).await;
        client
            .send(format!("{method} /a//b;c HTTP/1.1\r\nHost: h\r\n\r\n"))
            .await;
        let mut asked = Wire::accept(&origin).await;
        asked.start().await;
        asked.send(answer).await;
        drop(asked);
        let line = lines(&process, REQUEST, before + 1).await.pop().unwrap();
        for (name, value) in [
            ("method", json!(method)),
            ("path", json!("/a//b;c")),
            ("status", json!(status)),
            ("protocol", json!(protocol())),
            ("reason", json!(reason)),
        ] {
            assert_eq!(line[name], value, "{name}: {answer:?} {line:#}");
        }
        // What an answer of ours says is counted as any.
        assert!(line["bytes"] == json!(bytes) || status == 502, "{answer:?} {line:#}");
        assert!(line["client"].as_str().unwrap().starts_with("127.0.0.1:"), "{line:#}");
    }
}

#[tokio::test]
async fn who_leaves_before_the_answer_is_over_has_a_line_too() {
    let (process, origin) = passing().await;
    for (n, begun) in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: a\n\n",
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = Wire::connect(process.address).await;
        client.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").await;
        let mut asked = Wire::accept(&origin).await;
        asked.start().await;
        asked.send(begun).await;
        if !begun.is_empty() {
            client.start().await;
        }
        drop(client);
        let line = &lines(&process, REQUEST, n + 1).await[n];
        let status = if begun.is_empty() { 0 } else { 200 };
        assert_eq!(
            (&line["reason"], &line["status"]),
            (&json!("client"), &json!(status)),
            "{line:#}"
        );
    }
}

/// Credentials in every place where a client can put them: none is in the log, whatever its level.
#[tokio::test]
async fn no_secret_is_in_the_log() {
    const SECRET: &str = "s3cret-s3cret-s3cret";
    let files = tempfile::tempdir().unwrap();
    let tokens = files.path().join("tokens");
    std::fs::write(&tokens, format!("ann:{SECRET}\n")).unwrap();
    let access = format!("access: [ {{ bearer: {{ tokens_file: {} }} }} ]", tokens.display());
    let site = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pass = format!(
        "pass: [ {{ prefix: /site/, to: \"http://{}\" }} ]",
        site.local_addr().unwrap()
    );
    let (process, mut conn) = running(&access, &pass).await;
    let query = format!("token={SECRET}&signature={SECRET}&key=k&expires=9");
    let mut client = get(&format!("{PATH}?{query}"))
        .header("Authorization", format!("Bearer {SECRET}"))
        .header("Cookie", format!("session={SECRET}"))
        .open(process.address)
        .await;
    client.opened().await;
    conn.event("id: 7\ndata: x").await;
    client.next_event().await;
    drop(client);
    let line = &lines(&process, STREAM, 1).await[0];
    assert_eq!(line["user"], "bearer:ann", "{line:#}");
    let mut client = ask("GET", &format!("/site/page?{query}"))
        .header("Authorization", format!("Bearer {SECRET}"))
        .header("Cookie", format!("session={SECRET}"))
        .send(process.address)
        .await;
    let mut asked = Wire::accept(&site).await;
    assert!(asked.start().await.target().contains(SECRET), "the origin gets it");
    asked.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    client.read_head().await;
    let line = &lines(&process, REQUEST, 1).await[0];
    assert_eq!(line["path"], "/site/page", "{line:#}");
    assert!(!process.whole_log().contains(SECRET));
}

#[tokio::test]
async fn it_is_off_unless_it_is_asked_for_and_can_be_turned_by_a_reload() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin);
    let process = TestProcess::start(&setup).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    process.logged("connected to the origin").await;
    let before = opened(&process, PATH).await;
    process.write_config(&setup.clone().top("access_log: true").yaml());
    process.reload("applied").await;
    let after = opened(&process, PATH).await;
    // Of a stream that began without it, there is no line.
    drop(before);
    process.eventually_clients(1).await;
    drop(after);
    lines(&process, STREAM, 1).await;
    let last = opened(&process, PATH).await;
    process.write_config(&setup.yaml());
    process.reload("applied").await;
    drop(last);
    process.eventually_clients(0).await;
    lines(&process, STREAM, 1).await;
}

/// More lines than a second may have: each is there, or counted.
#[tokio::test]
async fn lines_that_are_left_out_are_counted() {
    const REQUESTS: usize = 3000;
    const TOGETHER: usize = 100;
    // The origin's port is one at which nobody listens: its refusal is an answer.
    let pass = "access_log: true\npass: [ { prefix: /, to: \"http://127.0.0.1:9\" } ]";
    let process = TestProcess::start(&Setup::at("http://127.0.0.1:9/sse").top(pass)).await;
    let mut wire = Wire::connect(process.address).await;
    for _ in 0..REQUESTS / TOGETHER {
        wire.send("GET /page HTTP/1.1\r\nHost: h\r\n\r\n".repeat(TOGETHER))
            .await;
        for _ in 0..TOGETHER {
            let head = wire.start().await;
            wire.content(&head).await;
        }
    }
    let count = || {
        let left_out = process.log_lines("access log lines were left out");
        let left_out = left_out.iter().map(|line| line["lines"].as_u64().unwrap());
        (process.log_lines(REQUEST).len(), left_out.sum::<u64>() as usize)
    };
    let began = Instant::now();
    while count().0 + count().1 < REQUESTS {
        assert!(began.elapsed() < PATIENCE, "{:?}", count());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (written, left_out) = count();
    assert_eq!(written + left_out, REQUESTS);
}
