//! `fanfare tail`: an event stream in the terminal, for people and for pipes.

use crate::support::origin::{TestOrigin, within};
use crate::support::relay::{PATH, Setup};
use crate::support::tls::Authority;
use std::process::{Output, Stdio};
use tokio::process::Command;
use tokio::task::JoinHandle;

fn tail(arguments: &[&str]) -> JoinHandle<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command
        .arg("tail")
        .args(arguments)
        .env_remove("FANFARE_PASSWORD")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    tokio::spawn(async move { command.output().await.expect("the program starts") })
}

async fn ended(tail: JoinHandle<Output>) -> (Option<i32>, String, String) {
    let output = within("tail to end", tail).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn it_resumes_by_itself_and_ends_when_it_has_seen_enough() {
    let origin = TestOrigin::start().await;
    let tail = tail(&[&origin.url("/sse"), "--json", "--count", "2", "--user", "relay:secret"]);
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().header("authorization"), Some("Basic cmVsYXk6c2VjcmV0"));
    conn.stream_head().await;
    conn.event("retry: 10\nid: 7\nevent: change\ndata: a\ndata: b").await;
    conn.close().await;
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().header("last-event-id"), Some("7"));
    conn.stream_head().await;
    conn.event("data: \u{1b}[31m").await;
    let (code, shown, _) = ended(tail).await;
    assert_eq!(code, Some(0));
    assert_eq!(
        shown,
        "{\"id\":\"7\",\"event\":\"change\",\"data\":\"a\\nb\"}\n{\"id\":\"7\",\"event\":\"message\",\"data\":\"\\u001b[31m\"}\n"
    );
}

/// An answer of the origin without a body.
fn empty(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn a_first_contact_that_fails_is_an_error_that_says_why() {
    for (answer, said) in [
        (empty("401 Unauthorized"), "401"),
        (empty("403 Forbidden"), "403"),
        (empty("404 Not Found"), "404"),
        (empty("500 Internal Server Error"), "500"),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>".to_owned(),
            "text/html",
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), "protocol"),
    ] {
        let origin = TestOrigin::start().await;
        let tail = tail(&[&origin.url("/sse")]);
        origin.answer(&answer).await;
        let (code, shown, told) = ended(tail).await;
        assert_eq!((code, shown.as_str()), (Some(1), ""), "{told}");
        let all = [origin.url("/sse").as_str(), said]
            .iter()
            .all(|part| told.contains(part));
        assert!(all && told.lines().count() == 1, "{said} in {told}");
    }
}

#[tokio::test]
async fn nobody_at_the_first_contact_is_an_error_too() {
    let origin = TestOrigin::start().await;
    let url = origin.url("/sse");
    drop(origin);
    for url in [url.as_str(), "http://no-such-host.invalid/sse"] {
        let (code, shown, told) = ended(tail(&[url])).await;
        assert_eq!((code, shown.as_str()), (Some(1), ""), "{told}");
        assert!(told.contains(url) && told.lines().count() == 1, "{told}");
    }
}

#[tokio::test]
async fn an_origin_that_asks_for_patience_gets_it() {
    let origin = TestOrigin::start().await;
    let tail = tail(&[&origin.url("/sse"), "--count", "1"]);
    origin
        .answer("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n")
        .await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn.event("data: a").await;
    let (code, shown, _) = ended(tail).await;
    assert_eq!((code, shown.as_str()), (Some(0), "message a\n"));
}

#[tokio::test]
async fn later_it_comes_back_until_the_stream_has_ended() {
    let origin = TestOrigin::start().await;
    let tail = tail(&[&origin.url("/sse")]);
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn.event("retry: 10\nid: 1\ndata: a").await;
    conn.close().await;
    // A page in the stream's place, and an error: both may pass.
    origin
        .answer("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .await;
    origin.answer(&empty("502 Bad Gateway")).await;
    let request = origin.answer(&empty("204 No Content")).await;
    assert_eq!(request.header("last-event-id"), Some("1"));
    let (code, shown, _) = ended(tail).await;
    assert_eq!((code, shown.as_str()), (Some(0), "1 message a\n"));
}

#[tokio::test]
async fn no_stream_at_all_is_said() {
    let origin = TestOrigin::start().await;
    let tail = tail(&[&origin.url("/sse")]);
    origin.answer(&empty("204 No Content")).await;
    let (code, shown, told) = ended(tail).await;
    assert_eq!((code, shown.as_str()), (Some(0), ""));
    assert!(told.contains("204"), "{told}");
}

#[tokio::test]
async fn an_address_that_is_none_is_a_mistake_of_the_command_line() {
    let (code, _, said) = ended(tail(&["localhost:8080/sse"])).await;
    assert_eq!(code, Some(2));
    assert!(said.contains("http"), "{said}");
}

#[tokio::test]
async fn types_and_text_choose_what_is_shown_and_counted() {
    let origin = TestOrigin::start().await;
    let arguments = [
        "--event",
        "change,message",
        "--match",
        "section/7",
        "--count",
        "2",
        "--json",
    ];
    let tail = tail(&[&[origin.url("/sse").as_str()], arguments.as_slice()].concat());
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    for block in [
        "id: 1\nevent: other\ndata: section/7",
        "id: 2\nevent: change\ndata: section/8",
        "id: 3\nevent: change\ndata: a\ndata: section/77",
        "id: 4\ndata: section/7",
        "id: 5\ndata: section/7",
    ] {
        conn.event(block).await;
    }
    let (code, shown, _) = ended(tail).await;
    assert_eq!(code, Some(0));
    let ids: Vec<serde_json::Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        ids.iter().map(|event| &event["id"]).collect::<Vec<_>>(),
        ["3", "4"],
        "{shown}"
    );
}

#[tokio::test]
async fn events_are_shown_with_the_time_at_which_they_came() {
    let origin = TestOrigin::start().await;
    let tail = tail(&[&origin.url("/sse?a=b"), "--timestamps", "--since", "10m", "-n", "1"]);
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().target(), "/sse?a=b&since=10m");
    conn.stream_head().await;
    let before = std::time::SystemTime::now();
    conn.event("data: a").await;
    let (code, shown, _) = ended(tail).await;
    let (time, rest) = shown.split_once(' ').unwrap();
    assert_eq!((code, rest), (Some(0), "message a\n"));
    let second = |time: std::time::SystemTime| fanfare::timestamp::Timestamp(time).to_string();
    let (from, to) = (second(before), second(std::time::SystemTime::now()));
    let at = format!("{}Z", &time[..from.len() - 1]);
    assert!(
        from <= at && at <= to && time.ends_with('Z') && time.len() == from.len() + 4,
        "{from} {time} {to}"
    );
}

#[tokio::test]
async fn a_certificate_that_no_one_vouches_for_is_taken_on_demand() {
    let authority = Authority::new();
    authority.issue("relay", &["localhost"]);
    let origin = TestOrigin::start().await;
    let listen = format!("{{ address: \"127.0.0.1:0\", tls: {} }}", authority.tls("relay", ""));
    let (relay, mut conn) = Setup::over(&origin)
        .listen(&listen)
        .source("start: latest")
        .start_with(&origin)
        .await;
    conn.event("data: a").await;
    relay.received(1).await;
    let url = format!("https://127.0.0.1:{}{PATH}", relay.address.port());
    let (code, shown, told) = ended(tail(&[&url, "-n", "1"])).await;
    assert_eq!((code, shown.as_str()), (Some(1), ""));
    assert!(told.contains("certificate") && told.contains("--insecure"), "{told}");
    let (code, shown, told) = ended(tail(&[&url, "-n", "1", "--insecure", "--json"])).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(shown.contains("\"data\":\"a\""), "{shown}");
    assert!(told.contains("anyone"), "{told}");
}

#[tokio::test]
async fn a_password_comes_from_a_file_and_is_said_to_no_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "s3cret\n").unwrap();
    let file = file.to_str().unwrap();
    let origin = TestOrigin::start().await;
    let url = origin.url("/sse");
    let followed = tail(&[
        &url,
        "--user",
        "relay",
        "--password-file",
        file,
        "-n",
        "1",
        "--log",
        "trace",
    ]);
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().header("authorization"), Some("Basic cmVsYXk6czNjcmV0"));
    conn.stream_head().await;
    conn.event("data: a").await;
    let (code, shown, told) = ended(followed).await;
    assert_eq!((code, shown.as_str()), (Some(0), "message a\n"));
    assert!(!told.contains("s3cret") && !told.contains("cmVsYXk6czNjcmV0"), "{told}");
    for wrong in [
        &["--user", ":s3cret"][..],
        &["--user", "relay:s3cret", "--password-file", file],
        &["--user", "relay", "--password-file", "/none/s"],
        &["--user", "relay"],
    ] {
        let (code, _, told) = ended(tail(&[&[url.as_str()], wrong].concat())).await;
        assert_eq!(code, Some(2), "{told}");
        assert!(!told.contains("s3cret"), "{told}");
    }
}
