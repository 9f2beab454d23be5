//! Peers that misuse what TLS and HTTP/2 let them do.

use super::{connect, crowd, offer, reset};
use crate::support::frames::{
    ACK, END_HEADERS, END_STREAM, FramePeer, HEADERS, PING, RST_STREAM, SETTINGS, frame, request, window_update,
};
use crate::support::origin::PATIENCE;
use crate::support::relay::PATH;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

/// Connections that one does one after the other.
const EACH: usize = 40;
/// How many are busy at one time.
const AT_ONCE: usize = 50;
/// Frames or requests that are sent before the answer is looked at.
const BURST: u32 = 100;
/// Bursts on one connection, if it lives so long.
const BURSTS: u32 = 50;
/// How long who reads slowly stays.
const SLOW_TURNS: usize = 200;

/// What a client says first.
fn client_hello() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut hello = Vec::new();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    client.write_tls(&mut hello).unwrap();
    hello
}

/// Handshakes that cost the peer nothing: the relay agrees on a key and signs, and is left.
pub async fn handshakes(at: SocketAddr) {
    let hello: Arc<[u8]> = client_hello().into();
    crowd(AT_ONCE, move |_| {
        let hello = hello.clone();
        async move {
            for _ in 0..EACH {
                let mut io = connect(at).await;
                offer(&mut io, &hello).await;
                // A refusal is an end, or a reset.
                let _ = tokio::time::timeout(PATIENCE, io.read(&mut [0; 1])).await.unwrap();
                reset(io);
            }
        }
    })
    .await;
}

/// Requests that are reset as soon as they are made.
pub async fn rapid_resets(at: SocketAddr) {
    flood(at, |n| {
        let stream = 2 * n + 1;
        let get = frame(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", PATH));
        [get, frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())].concat()
    })
    .await;
}

/// Settings and pings, each of which wants an answer.
pub async fn small_frames(at: SocketAddr) {
    flood(at, |n| match n % 2 {
        0 => frame(SETTINGS, 0, 0, &[]),
        _ => frame(PING, 0, 0, &[0; 8]),
    })
    .await;
}

/// Streams with the largest window that there is, whose connections are read byte by byte.
pub async fn slow_streams(at: SocketAddr) {
    crowd(AT_ONCE, move |_| async move {
        let mut peer = FramePeer::open(at).await;
        peer.send(&window_update(0, 0x7fff_0000 - 65_535)).await;
        for stream in [1, 3, 5, 7] {
            peer.get(stream, PATH).await;
            peer.send(&window_update(stream, 0x7fff_0000 - 65_535)).await;
        }
        for _ in 0..SLOW_TURNS {
            if !matches!(peer.io.read(&mut [0; 1]).await, Ok(1)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

async fn flood(at: SocketAddr, one: impl Fn(u32) -> Vec<u8> + Copy + Send + Sync + 'static) {
    crowd(AT_ONCE, move |_| async move {
        let mut peer = FramePeer::open(at).await;
        for burst in 0..BURSTS {
            let bytes: Vec<u8> = (0..BURST).flat_map(|n| one(burst * BURST + n)).collect();
            if !peer.send(&bytes).await {
                return;
            }
        }
        peer.send(&frame(SETTINGS, ACK, 0, &[])).await;
        reset(peer.io);
    })
    .await;
}
