//! What can become of an origin in the middle of a stream. Clients notice nothing but heartbeats:
//! they stay, `/readyz` says why, and afterwards they get everything, or are told that they don't.

use crate::support::client::TestClient;
use crate::support::origin::{Conn, PATIENCE, TestOrigin};
use crate::support::relay::{Setup, TestRelay};
use std::time::{Duration, Instant};

/// How an origin goes wrong.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// Its connection breaks, and then it answers with this.
    Answers(&'static str),
    /// Its connection breaks, and then it accepts and says nothing.
    SaysNothing,
    /// Its connection breaks, and then its answer comes byte by byte and never whole.
    TricklesItsHead,
    /// Its connection breaks, and then its answer's head has no end.
    EndlessHead,
    /// It has gone without a word: the connection stands, and nothing comes any more.
    HalfOpen,
    /// The stream itself turns into something that is no HTTP.
    Garbage,
}

impl Trouble {
    /// Lets it happen to a stream.
    async fn befall(self, origin: &TestOrigin, mut conn: Conn) -> Conn {
        match self {
            Trouble::HalfOpen => return conn,
            Trouble::Garbage => {
                conn.send("no size of a chunk\r\n").await;
                return conn;
            }
            _ => conn.reset(),
        }
        let mut conn = origin.accept().await;
        match self {
            Trouble::Answers(answer) => conn.send(answer).await,
            Trouble::TricklesItsHead => {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream";
                conn.trickle(head, Duration::from_millis(5)).await;
            }
            Trouble::EndlessHead => {
                conn.send("HTTP/1.1 200 OK\r\nX: ").await;
                // Far more than is read; the relay leaves in the middle of it.
                while conn.try_send(vec![b'x'; 1 << 16]).await.is_ok() {}
            }
            Trouble::SaysNothing | Trouble::HalfOpen | Trouble::Garbage => {}
        }
        conn
    }
}

/// Until `/readyz` gives this reason.
async fn unready(relay: &TestRelay, reason: &str) {
    let began = Instant::now();
    loop {
        let (status, body) = relay.readyz().await;
        if status == 503 && body["reasons"][0]["reason"] == reason {
            assert_eq!(body["reasons"][0]["source"], "s", "{body}");
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{status} {body} instead of {reason}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn heartbeats(clients: &mut [TestClient]) {
    for client in clients {
        client.next_comment().await;
        client.next_comment().await;
    }
}

/// The trouble in the middle of two streams: one that can be resumed, and one that can't.
async fn outage(trouble: Trouble, upstream: &str, reason: &str) {
    for with_ids in [true, false] {
        let origin = TestOrigin::start().await;
        let relay = Setup::over(&origin)
            .source("heartbeat: { every: 100ms }")
            .upstream(&format!("reconnect: 20ms, reconnect_max: 100ms, {upstream}"))
            .start();
        let mut conn = origin.accept().await;
        conn.chunked_stream_head().await;
        relay.upstream_connected().await;
        let mut clients = [relay.client().await, relay.client().await];
        let event = |n: u32| match with_ids {
            true => format!("id: {n}\ndata: {n}"),
            false => format!("data: {n}"),
        };
        conn.event(&event(1)).await;
        for client in &mut clients {
            assert_eq!(client.next_event().await.data, "1");
        }
        let held = trouble.befall(&origin, conn).await;
        heartbeats(&mut clients).await;
        unready(&relay, reason).await;

        let mut conn = origin.accept().await;
        let asked = conn.request().header("last-event-id").map(str::to_owned);
        assert_eq!(asked.as_deref(), with_ids.then_some("1"), "{trouble:?}");
        conn.stream_head().await;
        conn.event(&event(2)).await;
        for client in &mut clients {
            if !with_ids {
                let gap = client.next_event().await;
                assert_eq!(gap.gap().as_deref(), Some("upstream_reconnected"), "{trouble:?}");
            }
            assert_eq!(client.next_event().await.data, "2", "{trouble:?}");
        }
        assert_eq!(relay.readyz().await.0, 200);
        assert_eq!(relay.clients(), 2.0, "everyone has stayed");
        drop(held);
    }
}

#[tokio::test]
async fn it_answers_with_a_status() {
    let answer = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    outage(Trouble::Answers(answer), "", "status").await;
}

#[tokio::test]
async fn it_answers_with_a_page() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\n<p>";
    outage(Trouble::Answers(answer), "", "content_type").await;
}

#[tokio::test]
async fn it_compresses_although_nobody_asked() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n\x1f\u{0}\u{0}";
    outage(Trouble::Answers(answer), "", "content_encoding").await;
}

#[tokio::test]
async fn it_redirects_to_nowhere() {
    let answer = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n";
    outage(Trouble::Answers(answer), "", "redirect").await;
}

#[tokio::test]
async fn it_speaks_another_protocol() {
    outage(Trouble::Answers("SSH-2.0-OpenSSH_9.9\r\n"), "", "protocol").await;
}

#[tokio::test]
async fn it_accepts_and_says_nothing() {
    outage(Trouble::SaysNothing, "connect_timeout: 2s", "timeout").await;
}

#[tokio::test]
async fn its_answer_comes_byte_by_byte() {
    outage(Trouble::TricklesItsHead, "connect_timeout: 2s", "timeout").await;
}

#[tokio::test]
async fn its_answer_has_no_end() {
    outage(Trouble::EndlessHead, "", "protocol").await;
}

#[tokio::test]
async fn it_is_gone_and_nobody_was_told() {
    outage(Trouble::HalfOpen, "read_timeout: 1s", "silence").await;
}

#[tokio::test]
async fn its_stream_turns_into_garbage() {
    outage(Trouble::Garbage, "", "protocol").await;
}

/// A byte now and then is a sign of life, however few they are.
#[tokio::test]
async fn a_trickle_is_no_silence() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).upstream("read_timeout: 1s, reconnect: 20ms, reconnect_max: 50ms");
    let (relay, mut conn) = setup.start_with(&origin).await;
    let mut client = relay.client().await;
    conn.trickle("data: slowly\n\n", Duration::from_millis(150)).await;
    assert_eq!(client.next_event().await.data, "slowly");
    let text = relay.relay.status_provider().metrics().render();
    let mut silences = text.lines().filter(|line| line.contains(r#"reason="silence"}"#));
    assert!(silences.all(|line| line.ends_with(" 0")), "{text}");
}
