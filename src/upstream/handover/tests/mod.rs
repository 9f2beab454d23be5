//! One upstream runs, holds still, and is given to another of the same process: what the two read
//! together is what one would have read, and the origin is not asked again.

mod every_byte;
mod harness;

use super::Doing;
use crate::upstream::{Phase, Reason, Resume, StatusCell};
use harness::{CHUNKED, Origin, PATIENCE, Running, Told, UNTIL_CLOSE, chunk, start};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A stream that is open, its first event read.
async fn open(origin: &Origin, room: usize) -> (Running, TcpStream) {
    let mut running = start(origin.config(), room, None);
    let (mut conn, _) = origin.accept().await;
    conn.write_all(CHUNKED.as_bytes()).await.unwrap();
    conn.write_all(&chunk("id: 1\ndata: a\n\nda")).await.unwrap();
    assert_eq!(running.told().await, Told::Connected(Resume::First));
    assert_eq!(running.told().await, Told::Item("id: 1\ndata: a\n\n".to_owned()));
    (running, conn)
}

#[tokio::test]
async fn one_that_is_thawed_goes_on_as_if_nothing_had_been() {
    let origin = Origin::start().await;
    let (mut running, mut conn) = open(&origin, usize::MAX).await;
    for n in 0..3 {
        drop(running.give().await);
        conn.write_all(&chunk(&format!("ta: {n}\n\nda"))).await.unwrap();
        assert_eq!(running.told_already(), []);
        running.status.hold().thaw();
        assert_eq!(running.told().await, Told::Item(format!("data: {n}\n\n")));
    }
    assert!(origin.is_not_called().await);
}

/// Frozen again and again while events come, and each time thawed, or given to the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_full_flow_nothing_is_lost_or_doubled() {
    const ROUNDS: usize = 100;
    let origin = Origin::start().await;
    let (mut running, mut conn) = open(&origin, usize::MAX).await;
    let flowing = tokio::spawn(async move {
        // The event that has begun.
        conn.write_all(&chunk("ta: 0\n\n")).await.unwrap();
        for n in 1.. {
            let event = format!("data: {n}\n\n");
            let (begun, rest) = event.split_at(n % event.len());
            let parts = [begun, rest].into_iter().filter(|part| !part.is_empty());
            let bytes: Vec<u8> = parts.flat_map(chunk).collect();
            // The upstream has gone with the end of the test.
            if conn.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut told = Vec::new();
    for round in 0..ROUNDS {
        told.push(running.told().await);
        let taken = running.give().await;
        told.extend(running.told_already());
        if round % 2 == 0 {
            drop(taken);
            running.status.hold().thaw();
        } else {
            running.status.hold().let_go();
            let next = start(origin.config(), usize::MAX, Some(taken));
            running = next;
        }
    }
    running.told().await;
    let expected = (0..told.len()).map(|n| Told::Item(format!("data: {n}\n\n")));
    assert_eq!(told, expected.collect::<Vec<_>>());
    assert!(origin.is_not_called().await);
    drop(running);
    flowing.await.unwrap();
}

#[tokio::test]
async fn status_and_place_go_with_it() {
    let origin = Origin::start().await;
    let (first, conn) = open(&origin, usize::MAX).await;
    let before = first.status.read();
    let taken = first.give().await;
    first.status.hold().let_go();
    let mut second = start(origin.config(), usize::MAX, Some(taken));
    drop(conn);
    // What it was cut by, it tells; then it comes back behind the last event ID.
    assert_eq!(second.told().await, Told::Failed(Reason::Reset));
    let (_conn, head) = origin.accept().await;
    assert!(head.contains("Last-Event-Id: 1\r\n"), "{head}");
    let after = second.status.read();
    assert_eq!(
        (after.connects, after.reconnects),
        (before.connects, before.reconnects + 1)
    );
    assert_eq!(after.url, before.url);
    assert!(after.last_byte_age.is_some());
}

#[tokio::test]
async fn what_the_origin_does_meanwhile_the_next_one_sees() {
    for (end, reason) in [
        ("0\r\n\r\n", Reason::Ended),
        ("xyz\r\n", Reason::Protocol),
        ("", Reason::Reset),
    ] {
        let origin = Origin::start().await;
        let (first, mut conn) = open(&origin, usize::MAX).await;
        let taken = first.give().await;
        conn.write_all(&[chunk("ta: b\n"), chunk("\n")].concat()).await.unwrap();
        conn.write_all(end.as_bytes()).await.unwrap();
        drop(conn);
        first.status.hold().let_go();
        let mut second = start(origin.config(), usize::MAX, Some(taken));
        assert_eq!(second.told().await, Told::Item("data: b\n\n".to_owned()));
        assert_eq!(second.told().await, Told::Failed(reason));
    }
}

/// Where the sink takes no more, what has been read is not handed over; the next one does.
#[tokio::test]
async fn events_that_the_sink_does_not_take_go_with_it() {
    let origin = Origin::start().await;
    let (mut first, mut conn) = open(&origin, 1).await;
    let rest = [&chunk("ta: b\n\ndata: c\n\ndata: d\n\nda")[..], b"0\r\n\r\n"].concat();
    conn.write_all(&rest).await.unwrap();
    drop(conn);
    let taken = first.give().await;
    assert_eq!(first.told_already(), []);
    first.status.hold().let_go();
    let mut second = start(origin.config(), 2, Some(taken));
    for event in ["data: b\n\n", "data: c\n\n"] {
        assert_eq!(second.told().await, Told::Item(event.to_owned()));
    }
    // And once more, in the middle of what was unread.
    let taken = second.give().await;
    assert_eq!(second.told_already(), []);
    second.status.hold().let_go();
    let mut third = start(origin.config(), usize::MAX, Some(taken));
    assert_eq!(third.told().await, Told::Item("data: d\n\n".to_owned()));
    assert_eq!(third.told().await, Told::Failed(Reason::Ended));
    let _ = first.ready.send(true);
}

#[tokio::test]
async fn other_settings_connect_anew_and_resume() {
    let origin = Origin::start().await;
    let (first, mut conn) = open(&origin, usize::MAX).await;
    let taken = first.give().await;
    first.status.hold().let_go();
    let mut config = origin.config();
    config.headers.push(("x-new".parse().unwrap(), "1".parse().unwrap()));
    let mut second = start(config, usize::MAX, Some(taken));
    let (mut other, head) = origin.accept().await;
    assert!(
        head.contains("Last-Event-Id: 1\r\n") && head.contains("X-New: 1\r\n"),
        "{head}"
    );
    other.write_all(UNTIL_CLOSE.as_bytes()).await.unwrap();
    assert_eq!(second.told().await, Told::Connected(Resume::Sent));
    // The connection that was given is closed by both.
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, conn.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_wait_goes_on() {
    let origin = Origin::start().await;
    let mut config = origin.config();
    config.reconnect = Duration::from_secs(3600);
    config.reconnect_max = Duration::from_secs(3600);
    let mut first = start(config.clone(), usize::MAX, None);
    let (mut conn, _) = origin.accept().await;
    conn.write_all(b"HTTP/1.1 503 Busy\r\nRetry-After: 4000\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(first.told().await, Told::Failed(Reason::Status));
    let mut taken = first.give().await;
    let Doing::Waiting { left_ms } = &mut taken.carried.doing else {
        panic!("{:?}", taken.carried)
    };
    assert!((3_590_000..4_400_000).contains(left_ms), "{left_ms}");
    assert_eq!((taken.carried.waits, taken.carried.status.connects), (1, 0));
    // As if the hour were over.
    *left_ms = 1;
    first.status.hold().let_go();
    let second = start(config, usize::MAX, Some(taken));
    origin.accept().await;
    assert_eq!(second.status.read().last_error.unwrap().status, Some(503));
}

#[tokio::test]
async fn an_attempt_begins_anew() {
    let origin = Origin::start().await;
    let mut first = start(origin.config(), usize::MAX, None);
    let (mut conn, _) = origin.accept().await;
    let taken = first.give().await;
    assert_eq!(taken.carried.doing, Doing::Attempting);
    // It was dropped, and is made again if nothing comes of the hand-over.
    assert!(conn.read_u8().await.is_err());
    first.status.hold().thaw();
    let (mut conn, _) = origin.accept().await;
    conn.write_all(UNTIL_CLOSE.as_bytes()).await.unwrap();
    assert_eq!(first.told().await, Told::Connected(Resume::First));
}

#[tokio::test]
async fn of_several_urls_the_same_is_in_use() {
    let (refusing, serving) = (Origin::start().await, Origin::start().await);
    let mut config = refusing.config();
    let url = |origin: &Origin| format!("http://{}/", origin.0.local_addr().unwrap());
    config.target = crate::config::Target::Urls(vec![url(&refusing), url(&serving)]);
    let first = start(config.clone(), usize::MAX, None);
    let (mut conn, _) = refusing.accept().await;
    conn.write_all(b"HTTP/1.1 503 Busy\r\n\r\n").await.unwrap();
    let (mut conn, _) = serving.accept().await;
    conn.write_all(&[UNTIL_CLOSE.as_bytes(), b"data: 1\n\n"].concat())
        .await
        .unwrap();
    first.has_read(9).await;
    let taken = first.give().await;
    first.status.hold().let_go();
    let _second = start(config, usize::MAX, Some(taken));
    drop(conn);
    // One that had lived is asked first.
    serving.accept().await;
}

#[tokio::test]
async fn one_that_does_not_run_is_told_by_its_status() {
    let status = StatusCell::new();
    status.hold().freeze(&std::sync::Arc::default());
    let doing = |status: &StatusCell| status.fetch(Instant::now()).expect("an answer").0.doing;
    assert_eq!(doing(&status), Doing::Attempting);
    status.ended();
    assert!(matches!(doing(&status), Doing::Ended { .. }));
    assert_eq!(status.phase(), Phase::Ended);
}
