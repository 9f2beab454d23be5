//! Peers that take their time: each holds a connection with as little as it can.

use super::{connect, crowd, offer, rest};
use crate::support::client::get;
use crate::support::relay::PATH;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpSocket, TcpStream};

const CROWD: usize = 300;
/// Between two bytes.
const BEAT: Duration = Duration::from_millis(50);
/// How often a wave that the relay need not end sends a byte.
const BEATS: usize = 40;

/// `slowhttptest -H`: a head that grows by a byte at a time, until the relay has had enough.
pub async fn heads(at: SocketAddr) {
    crowd(CROWD, move |_| async move {
        let mut io = connect(at).await;
        let began = offer(
            &mut io,
            format!("GET {PATH} HTTP/1.1\r\nHost: a\r\nX-Slow: ").as_bytes(),
        )
        .await;
        while began && offer(&mut io, b"x").await {
            tokio::time::sleep(BEAT).await;
        }
        rest(&mut io).await;
    })
    .await;
}

/// `slowhttptest -B`: bodies that a source's path has no use for.
pub async fn bodies(at: SocketAddr) {
    post(at, PATH).await;
}

/// The same to an origin behind the relay, which waits for each.
pub async fn passed_bodies(at: SocketAddr) {
    post(at, "/passed/form").await;
}

async fn post(at: SocketAddr, path: &'static str) {
    crowd(CROWD, move |_| async move {
        let mut io = connect(at).await;
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
        let mut taken = offer(&mut io, head.as_bytes()).await;
        for _ in 0..BEATS {
            tokio::time::sleep(BEAT).await;
            taken = taken && offer(&mut io, b"x").await;
        }
    })
    .await;
}

/// `slowhttptest -X`: clients of the stream with the smallest window, which read a few bytes now
/// and then, until they are cut.
pub async fn readers(at: SocketAddr) {
    crowd(CROWD / 3, move |_| async move {
        let mut io = with_small_window(at).await;
        let began = offer(&mut io, &get(PATH).bytes()).await;
        let mut few = [0; 16];
        // An end in order or by a reset.
        while began && io.read(&mut few).await.is_ok_and(|read| read > 0) {
            tokio::time::sleep(2 * BEAT).await;
        }
    })
    .await;
}

/// The same of pages that are passed: they ask for more than their window holds.
pub async fn pages(at: SocketAddr) {
    crowd(CROWD / 3, move |_| async move {
        let mut io = with_small_window(at).await;
        offer(&mut io, b"GET /passed/large HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut few = [0; 16];
        for _ in 0..BEATS {
            tokio::time::sleep(BEAT).await;
            if !io.read(&mut few).await.is_ok_and(|read| read > 0) {
                return;
            }
        }
    })
    .await;
}

/// Clients that open their streams and never read. The wave is over when all have theirs; they stay
/// for as long as the process.
pub async fn silent_streams(at: SocketAddr) {
    crowd(CROWD / 3, move |_| async move {
        let mut io = with_small_window(at).await;
        offer(&mut io, &get(PATH).bytes()).await;
        io.readable().await.unwrap();
        // Never closed, while this process lives.
        std::mem::forget(io);
    })
    .await;
}

/// A connection that takes as little at a time as the kernel allows.
async fn with_small_window(at: SocketAddr) -> TcpStream {
    let socket = if at.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    };
    let socket = socket.unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    socket.connect(at).await.unwrap()
}
