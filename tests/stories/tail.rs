//! `fanfare tail`: an event stream in the terminal, for people and for pipes.

use crate::support::origin::{TestOrigin, within};
use std::process::{Output, Stdio};
use tokio::process::Command;
use tokio::task::JoinHandle;

fn tail(arguments: &[&str]) -> JoinHandle<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command
        .arg("tail")
        .args(arguments)
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

#[tokio::test]
async fn it_says_why_it_gives_up() {
    let origin = TestOrigin::start().await;
    let tail = tail(&[&origin.url("/sse")]);
    origin
        .answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .await;
    let (code, shown, said) = ended(tail).await;
    assert_eq!((code, shown.as_str()), (Some(1), ""));
    assert!(said.contains("403"), "{said}");
}

#[tokio::test]
async fn an_address_that_is_none_is_a_mistake_of_the_command_line() {
    let (code, _, said) = ended(tail(&["localhost:8080/sse"])).await;
    assert_eq!(code, Some(2));
    assert!(said.contains("http"), "{said}");
}
