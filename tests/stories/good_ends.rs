//! A terminal event with the end of the body right behind it is a good end: no failure, no
//! reconnect.

use crate::support::client::{Ask, End, get};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay};
use std::time::Duration;

const LAST: &str = "data: last\n\n";

/// How the body, or the connection, ends behind the terminal event.
#[derive(Debug, Clone, Copy)]
enum Ending {
    /// The last chunk comes in the same write.
    ChunkInTheSameWrite,
    LastChunk,
    /// The content's length is reached.
    Length,
    Close,
    /// The connection closes inside a chunk's frame.
    CloseWithoutLastChunk,
    Reset,
    /// Half an event, and the end.
    HalfAnEvent,
}

const ENDINGS: [Ending; 7] = [
    Ending::ChunkInTheSameWrite,
    Ending::LastChunk,
    Ending::Length,
    Ending::Close,
    Ending::CloseWithoutLastChunk,
    Ending::Reset,
    Ending::HalfAnEvent,
];

/// Answers with one event and the terminal one, and ends.
async fn answer(mut conn: Conn, ending: Ending) {
    let body = format!("data: first\n\n{LAST}");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
    match ending {
        Ending::ChunkInTheSameWrite => {
            let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
            conn.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}"))
                .await;
            // The connection stays open: the body's end is all there is.
            conn.closed().await;
        }
        Ending::Length => {
            conn.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))
                .await;
            conn.closed().await;
        }
        Ending::LastChunk | Ending::CloseWithoutLastChunk => {
            conn.chunked_stream_head().await;
            conn.body(&body).await;
            match ending {
                Ending::LastChunk => conn.close().await,
                _ => conn.close_early().await,
            }
        }
        Ending::Close | Ending::Reset | Ending::HalfAnEvent => {
            let rest = if let Ending::HalfAnEvent = ending {
                "data: ha"
            } else {
                ""
            };
            conn.send(format!("{head}Connection: close\r\n\r\n{body}{rest}")).await;
            match ending {
                Ending::Reset => conn.reset(),
                _ => conn.close().await,
            }
        }
    }
}

/// The client has it all, and nothing looks like a failure anywhere.
async fn ended_well(relay: &TestRelay, request: &Ask, ending: Ending) {
    relay.eventually_status("/sources/0/state", "ended").await;
    let mut client = request.open(relay.address).await;
    assert_eq!(client.end().await, End::LastChunk, "{ending:?}");
    let events: Vec<_> = client.events_so_far().into_iter().map(|event| event.data).collect();
    assert_eq!(events, ["first", "last"], "{ending:?}");
    let status = relay.status().await;
    for upstream in status["sources"][0]["upstreams"].as_array().unwrap() {
        assert_eq!(upstream["state"], "ended", "{ending:?}: {upstream:#}");
        assert_eq!(upstream["reconnects"], 0, "{ending:?}: {upstream:#}");
        assert_eq!(
            upstream["last_error"],
            serde_json::Value::Null,
            "{ending:?}: {upstream:#}"
        );
    }
    let text = relay.relay.status_provider().metrics().render();
    let reconnects = text
        .lines()
        .filter(|line| line.starts_with("fanfare_upstream_reconnects_total{"));
    assert_eq!(reconnects.count(), 0, "{ending:?}: {text}");
}

#[tokio::test]
async fn of_a_plain_source() {
    for ending in ENDINGS {
        let origin = TestOrigin::start().await;
        let relay = Setup::over(&origin)
            .source("end_when: [{ data: last }]\nstart: earliest")
            .start();
        answer(origin.accept().await, ending).await;
        ended_well(&relay, &get(PATH), ending).await;
        assert!(!origin.is_called_within(Duration::from_millis(100)).await, "{ending:?}");
    }
}

#[tokio::test]
async fn of_a_job() {
    for ending in ENDINGS {
        let origin = TestOrigin::start().await;
        let relay = Setup::at(&origin.url("/jobs/{job}"))
            .path("/jobs/{job}")
            .source("end_when: [{ data: last }]")
            .start();
        let request = get("/jobs/7");
        let asking = request.open(relay.address);
        let (_first, ()) = tokio::join!(asking, async { answer(origin.accept().await, ending).await });
        ended_well(&relay, &request, ending).await;
        assert!(!origin.is_called_within(Duration::from_millis(100)).await, "{ending:?}");
    }
}

/// The other upstream's connection, or its wait for one, ends as well as the one that brought the
/// event.
#[tokio::test]
async fn of_merged_upstreams() {
    for ending in ENDINGS {
        let (one, two) = (TestOrigin::start().await, TestOrigin::start().await);
        let yaml = format!(
            "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nsources:\n  s:\n    path: {PATH}\n    start: earliest\n    \
             end_when: [{{ data: last }}]\n    upstream:\n      - {{ url: \"{}\" }}\n      - {{ url: \"{}\" }}\n",
            one.url("/a"),
            two.url("/b")
        );
        let relay = TestRelay::read(&yaml);
        let mut other = two.accept().await;
        other.stream_head().await;
        answer(one.accept().await, ending).await;
        other.closed().await;
        ended_well(&relay, &get(PATH), ending).await;
        assert!(!two.is_called_within(Duration::from_millis(50)).await, "{ending:?}");
    }
}
