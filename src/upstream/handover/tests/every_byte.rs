//! The connection is given after each byte of the body, once.

use super::harness::{CHUNKED, Origin, Running, Told, UNTIL_CLOSE, start};
use crate::upstream::Resume;
use crate::upstream::handover::Doing;
use crate::upstream::http1::Decoder;
use tokio::io::AsyncWriteExt as _;

/// A stream with all that can be cut: a BOM, each line end, comments, ids, an end.
const STREAM: &[u8] =
    b"\xef\xbb\xbfid: 1\ndata: a\r\n\r\n: c\rdata: b\rid: 2\r\rretry: 70\nevent: e\ndata: c\ndata: d\n\n";

fn chunks(stream: &[u8], size: usize) -> Vec<u8> {
    let mut chunked = Vec::new();
    for chunk in stream.chunks(size) {
        chunked.extend_from_slice(format!("{:x};ext=1\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    [&chunked[..], b"0\r\nTrailer: x\r\n\r\n"].concat()
}

/// What one upstream is told of a body that is cut nowhere.
async fn told_of(head: &str, body: &[u8]) -> Vec<Told> {
    let origin = Origin::start().await;
    let mut running = start(origin.config(), usize::MAX, None);
    let (mut conn, _) = origin.accept().await;
    conn.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    drop(conn);
    all_of(&mut running, Vec::new()).await
}

async fn all_of(running: &mut Running, mut told: Vec<Told>) -> Vec<Told> {
    loop {
        told.push(running.told().await);
        if let Some(Told::Failed(_)) = told.last() {
            return told;
        }
    }
}

/// The connection is given after each byte of the body, once.
async fn is_given_at_every_byte(head: &str, decoder: Decoder, body: &[u8]) {
    let expected = told_of(head, body).await;
    for cut in 0..body.len() {
        let origin = Origin::start().await;
        let mut first = start(origin.config(), usize::MAX, None);
        let (mut conn, _) = origin.accept().await;
        conn.write_all(&[head.as_bytes(), &body[..cut]].concat()).await.unwrap();
        assert_eq!(first.told().await, Told::Connected(Resume::First));
        let (bytes, _) = decoder.clone().decode(&mut body[..cut].to_vec());
        first.has_read(bytes as u64).await;
        let taken = first.give().await;
        let came_to_its_end = decoder.clone().decode(&mut body[..cut].to_vec()).0 == STREAM.len();
        assert!(
            matches!(taken.carried.doing, Doing::Reading(_)) || came_to_its_end,
            "{:?}",
            taken.carried.doing
        );
        first.status.hold().let_go();
        let mut second = start(origin.config(), usize::MAX, Some(taken));
        conn.write_all(&body[cut..]).await.unwrap();
        drop(conn);
        let mut told = vec![Told::Connected(Resume::First)];
        told.extend(first.told_already());
        let told = all_of(&mut second, told).await;
        assert_eq!(told, expected, "given after {cut} bytes");
        assert_eq!(first.told_already(), [], "after it was let go");
    }
}

#[tokio::test]
async fn a_chunked_stream_is_given_at_every_byte() {
    let body = chunks(STREAM, 7);
    is_given_at_every_byte(CHUNKED, Decoder::chunked(), &body).await;
}

#[tokio::test]
async fn a_stream_that_ends_with_its_connection_is_given_at_every_byte() {
    is_given_at_every_byte(UNTIL_CLOSE, Decoder::until_close(), STREAM).await;
}

#[tokio::test]
async fn a_stream_of_a_given_length_is_given_at_every_byte() {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {}\r\n\r\n",
        STREAM.len()
    );
    is_given_at_every_byte(&head, Decoder::length(STREAM.len() as u64), STREAM).await;
}
