//! What attackers do, one bounded wave at a time.

mod floods;
mod protocols;
mod slow;

use crate::support::origin::PATIENCE;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What is done to the relay at an address.
pub type Wave = fn(SocketAddr) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// All waves by name.
pub const ALL: &[(&str, Wave)] = &[
    ("slow_heads", |at| Box::pin(slow::heads(at))),
    ("slow_bodies", |at| Box::pin(slow::bodies(at))),
    ("slow_passed_bodies", |at| Box::pin(slow::passed_bodies(at))),
    ("slow_readers", |at| Box::pin(slow::readers(at))),
    ("slow_pages", |at| Box::pin(slow::pages(at))),
    ("silent_streams", |at| Box::pin(slow::silent_streams(at))),
    ("header_bombs", |at| Box::pin(floods::header_bombs(at))),
    ("silent_connects", |at| Box::pin(floods::silent_connects(at, 3_000))),
    ("silent_connects_20000", |at| {
        Box::pin(floods::silent_connects(at, 19_500))
    }),
    ("connect_and_reset", |at| Box::pin(floods::connect_and_reset(at))),
    ("stream_and_reset", |at| Box::pin(floods::stream_and_reset(at))),
    ("other_protocols", |at| Box::pin(floods::other_protocols(at))),
    ("pipelines", |at| Box::pin(floods::pipelines(at))),
    ("handshakes", |at| Box::pin(protocols::handshakes(at))),
    ("rapid_resets", |at| Box::pin(protocols::rapid_resets(at))),
    ("small_frames", |at| Box::pin(protocols::small_frames(at))),
    ("slow_streams", |at| Box::pin(protocols::slow_streams(at))),
];

pub fn named(name: &str) -> Wave {
    let found = ALL.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no wave is called {name}")).1
}

/// Does the same on so many connections at one time.
async fn crowd<F: Future<Output = ()> + Send + 'static>(count: usize, one: impl Fn(usize) -> F) {
    let mut all: JoinSet<()> = (0..count).map(one).collect();
    while let Some(ended) = all.join_next().await {
        ended.unwrap();
    }
}

async fn connect(at: SocketAddr) -> TcpStream {
    // A relay that has just closed thousands may leave a connection waiting, and refuses none.
    loop {
        if let Ok(connected) = TcpStream::connect(at).await {
            return connected;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Reads to the end, however it comes; what was read.
async fn rest(io: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, io.read_to_end(&mut read))
        .await
        .expect("the relay ends it");
    read
}

/// Writes as long as the relay takes it; whether it took all.
async fn offer(io: &mut TcpStream, bytes: &[u8]) -> bool {
    io.write_all(bytes).await.is_ok()
}

fn reset(io: TcpStream) {
    socket2::SockRef::from(&io).set_linger(Some(Duration::ZERO)).unwrap();
}
