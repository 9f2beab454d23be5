//! Peers in numbers, or with too much to say.

use super::{connect, crowd, offer, reset, rest};
use crate::support::client::get;
use crate::support::relay::PATH;
use std::net::SocketAddr;
use tokio::io::AsyncReadExt as _;

/// Connections that one does one after the other.
const EACH: usize = 40;
/// How many are busy at one time.
const AT_ONCE: usize = 50;

/// Heads that are too long: one line without end, lines without end, a target without end. Each is
/// told so, or cut; empty lines in front of a head are passed over until its time is up.
pub async fn header_bombs(at: SocketAddr) {
    let bombs: [(&str, &str); 4] = [
        (
            "GET /events HTTP/1.1\r\nHost: a\r\nX: ",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ),
        ("GET /events HTTP/1.1\r\nHost: a\r\n", "X-Bomb: y\r\n"),
        ("GET /events?", "a=b&a=b&a=b&a=b&a=b&a=b&a=b&a=b&"),
        ("\r\n", "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"),
    ];
    crowd(4 * AT_ONCE, move |n| async move {
        let (beginning, more) = bombs[n % bombs.len()];
        let piece = more.repeat(4096 / more.len());
        let mut io = connect(at).await;
        let mut taken = offer(&mut io, beginning.as_bytes()).await;
        while taken {
            taken = offer(&mut io, piece.as_bytes()).await;
        }
        rest(&mut io).await;
    })
    .await;
}

/// So many connections without a byte, which stay until the last of them is there.
pub async fn silent_connects(at: SocketAddr, count: usize) {
    let mut silent = Vec::new();
    for _ in 0..count {
        silent.push(connect(at).await);
    }
}

/// Connections that are reset before, within and behind their request's head.
pub async fn connect_and_reset(at: SocketAddr) {
    let request = get(PATH).bytes();
    crowd(AT_ONCE, move |n| {
        let request = request.clone();
        async move {
            for m in 0..EACH {
                let mut io = connect(at).await;
                offer(&mut io, &request[..(n * m) % (request.len() + 1)]).await;
                reset(io);
            }
        }
    })
    .await;
}

/// Streams that are opened and reset, some while their beginning is being written.
pub async fn stream_and_reset(at: SocketAddr) {
    crowd(AT_ONCE, move |n| async move {
        for m in 0..EACH {
            let mut io = connect(at).await;
            offer(&mut io, &get(PATH).bytes()).await;
            if (n + m) % 2 == 0 {
                let _ = io.read(&mut [0; 64]).await;
            }
            reset(io);
        }
    })
    .await;
}

/// Connections that speak something else: each is told so or closed.
pub async fn other_protocols(at: SocketAddr) {
    let beginnings: [&[u8]; 5] = [
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n\r\n",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"EHLO a\r\nMAIL FROM:<a@b>\r\n\r\n",
    ];
    crowd(AT_ONCE, move |n| async move {
        for m in 0..EACH {
            let mut io = connect(at).await;
            offer(&mut io, beginnings[(n + m) % beginnings.len()]).await;
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut io).await;
            rest(&mut io).await;
        }
    })
    .await;
}

/// Hundreds of requests in one write, on each connection, of which no answer is read.
pub async fn pipelines(at: SocketAddr) {
    let requests = "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n".repeat(500);
    crowd(AT_ONCE, move |_| {
        let requests = requests.clone();
        async move {
            let mut io = connect(at).await;
            let write = offer(&mut io, requests.as_bytes());
            // The relay stops reading where its answers are not read.
            let _ = tokio::time::timeout(std::time::Duration::from_millis(500), write).await;
        }
    })
    .await;
}
