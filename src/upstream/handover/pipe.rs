//! A connection that can't be given, because its state is in a library: the process that has it reads
//! on, and passes the body to the next process, until that one has a connection of its own.
//!
//! What is passed on is framed as HTTP/1.1 frames a body, in chunks. So the next process reads it as
//! any stream in the middle: the end is told from a connection that broke, and if that process is
//! replaced meanwhile, the one after it goes on.

use crate::upstream::exchange::AnswerBody;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Streams that are passed on at one time: each takes three descriptors here, for some seconds or as
/// long as a drain lasts. The connections of others are closed, and made anew.
const PIPES_MAX: u32 = 256;

/// What is passed on to one process.
#[derive(Debug)]
pub(crate) struct Pipes {
    places: Arc<Semaphore>,
}

impl Default for Pipes {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(PIPES_MAX as usize)),
        }
    }
}

impl Pipes {
    /// Completes when nothing is passed on any more.
    pub(crate) async fn closed(&self) {
        // The semaphore is never closed.
        let _ = self.places.acquire_many(PIPES_MAX).await;
    }

    /// A stream that may be passed on, and what the other process reads it from. The body comes back
    /// where there is no room.
    pub(in crate::upstream) fn open(&self, body: AnswerBody) -> Result<(Parked, OwnedFd), AnswerBody> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return Err(body);
        };
        let pair = StdUnixStream::pair().and_then(|(ours, theirs)| {
            ours.set_nonblocking(true)?;
            Ok((ours, theirs))
        });
        match pair {
            Ok((ours, theirs)) => Ok((Parked { body, ours, place }, theirs.into())),
            Err(_) => Err(body),
        }
    }
}

/// A body that no one reads, until it is known which process does.
pub(crate) struct Parked {
    body: AnswerBody,
    ours: StdUnixStream,
    place: OwnedSemaphorePermit,
}

impl Parked {
    /// It stays this process's.
    pub(in crate::upstream) fn into_body(self) -> AnswerBody {
        self.body
    }

    /// Passes it on to its end, or until the other process reads no more.
    pub(crate) async fn pass_on(self) {
        let Self { body, ours, place } = self;
        let passed = async {
            let mut ours = UnixStream::from_std(ours)?;
            pass_on(body, &mut ours).await
        };
        if let Err(error) = passed.await {
            tracing::debug!(%error, "a stream of an origin is passed on no more");
        }
        drop(place);
    }
}

impl std::fmt::Debug for Parked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parked").finish_non_exhaustive()
    }
}

async fn pass_on(mut body: AnswerBody, ours: &mut UnixStream) -> io::Result<()> {
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = has_closed(ours) => return Ok(()),
        };
        match frame {
            Some(Ok(frame)) => {
                let bytes = frame.into_data().unwrap_or_default();
                if !bytes.is_empty() {
                    ours.write_all(&chunk(&bytes)).await?;
                }
            }
            // Without the last chunk the connection is one that broke.
            Some(Err(failure)) => return Err(io::Error::other(failure)),
            None => return ours.write_all(b"0\r\n\r\n").await,
        }
    }
}

/// Completes when the other process reads no more. It never sends anything.
async fn has_closed(ours: &UnixStream) {
    while ours.readable().await.is_ok() {
        match ours.try_read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
}

fn chunk(bytes: &Bytes) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}
