//! A connection that has changed its protocol: bytes in both directions, until either side ends.

use super::drain::Drain;
use super::in_flight::InFlight;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::time::timeout;

/// Bytes taken from one side at a time.
const COPY_BYTES: usize = 16 * 1024;

/// After one side has ended, the other may go on as long as it sends something this often: bytes
/// that are on their way arrive, and a tunnel with one end does not stay open.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// The origin's side, which has answered `101`.
pub(crate) struct Tunnel {
    pub(super) origin: OnUpgrade,
    pub(super) in_flight: InFlight,
    pub(super) drain: Drain,
}

impl Tunnel {
    /// Lets the bytes through, until either side or a drain ends it. `sent`: what the client has
    /// sent after its request's head.
    pub(crate) async fn run(self, client: impl AsyncRead + AsyncWrite + Unpin, sent: &[u8]) -> io::Result<()> {
        let turn = self.drain.clone().turn();
        tokio::select! {
            ended = self.copy(client, sent) => ended,
            // In a protocol that is not ours there is no good place to end: both sides are closed.
            () = turn => Ok(()),
        }
    }

    async fn copy(self, client: impl AsyncRead + AsyncWrite + Unpin, sent: &[u8]) -> io::Result<()> {
        let _in_flight = self.in_flight;
        let origin = self.origin.await.map_err(io::Error::other)?;
        let (from_client, to_client) = split(client);
        let (from_origin, mut to_origin) = split(TokioIo::new(origin));
        to_origin.write_all(sent).await?;
        let moved = AtomicU64::new(0);
        let mut up = std::pin::pin!(copy(from_client, to_origin, &moved));
        let mut down = std::pin::pin!(copy(from_origin, to_client, &moved));
        tokio::select! {
            ended = &mut up => {
                ended?;
                last_words(down, &moved).await
            }
            ended = &mut down => {
                ended?;
                last_words(up, &moved).await
            }
        }
    }
}

/// One direction to its end, which is handed on.
async fn copy<R: AsyncRead, W: AsyncWrite>(
    mut from: ReadHalf<R>,
    mut to: WriteHalf<W>,
    moved: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
        to.flush().await?;
        moved.fetch_add(1, Ordering::Relaxed);
    }
}

async fn last_words(mut direction: impl Future<Output = io::Result<()>> + Unpin, moved: &AtomicU64) -> io::Result<()> {
    loop {
        let before = moved.load(Ordering::Relaxed);
        match timeout(LAST_WORDS, &mut direction).await {
            Ok(ended) => return ended,
            Err(_) if moved.load(Ordering::Relaxed) == before => return Ok(()),
            Err(_) => {}
        }
    }
}
