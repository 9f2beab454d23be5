//! What an origin speaks, by the first bytes that it says: libraries tell a wrong protocol as a
//! malformed frame or version.

use super::interim::Interim;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Enough to tell the protocols apart.
const FIRST_BYTES: usize = 5;

/// What an origin speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    Http1,
    Http2,
    Tls,
    Other,
}

/// A connection whose first bytes are looked at on their way.
pub(super) struct Overheard<T> {
    io: T,
    first: [u8; FIRST_BYTES],
    /// Bytes of `first` that have come.
    seen: usize,
    spoken: Arc<OnceLock<Spoken>>,
    interim: Interim,
}

impl<T> Overheard<T> {
    /// With the place where what is spoken will be found. `interim`: too many of them end it.
    pub(super) fn new(io: T, interim: Interim) -> (Self, Arc<OnceLock<Spoken>>) {
        let spoken = Arc::new(OnceLock::new());
        let overheard = Self {
            io,
            first: [0; FIRST_BYTES],
            seen: 0,
            spoken: Arc::clone(&spoken),
            interim,
        };
        (overheard, spoken)
    }

    fn hear(&mut self, bytes: &[u8]) {
        let new = bytes.len().min(FIRST_BYTES - self.seen);
        self.first[self.seen..self.seen + new].copy_from_slice(&bytes[..new]);
        self.seen += new;
        if self.seen == FIRST_BYTES {
            // Set once: nothing is heard after that.
            let _ = self.spoken.set(Spoken::by(self.first));
        }
    }
}

impl Spoken {
    /// By the first bytes of a connection; `None`: they are too few.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().map(|first| Self::by(*first))
    }

    fn by(first: [u8; FIRST_BYTES]) -> Self {
        match first {
            [b'H', b'T', b'T', b'P', b'/'] => Spoken::Http1,
            // A SETTINGS frame, not an acknowledgement (RFC 9113, 3.4): length, type 4, flags.
            [0, _, _, 4, 0] => Spoken::Http2,
            // An alert of TLS 1.0 to 1.3 (RFC 8446, 5.1).
            [0x15, 3, _, _, _] => Spoken::Tls,
            _ => Spoken::Other,
        }
    }

    /// What is wrong with it, if we speak this.
    pub(super) fn instead_of(self, http2: bool) -> Option<&'static str> {
        match (self, http2) {
            (Spoken::Http1, true) => {
                Some("the origin answers in HTTP/1, but `http2: true` on http:// is HTTP/2 by prior knowledge")
            }
            (Spoken::Http2, false) => Some("the origin answers in HTTP/2: it needs `http2: true`"),
            (Spoken::Tls, _) => Some("the origin answers in TLS: its URL should begin with https://"),
            _ => None,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Overheard<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.interim.check()?;
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        if self.seen < FIRST_BYTES {
            self.hear(&buf.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Overheard<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn protocols_are_known_by_their_first_bytes_however_they_come() {
        for (bytes, expected) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], Some(Spoken::Http1)),
            (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", Some(Spoken::Http2)),
            (b"\x15\x03\x03\x00\x02\x02\x46", Some(Spoken::Tls)),
            (b"SSH-2.0-OpenSSH\r\n", Some(Spoken::Other)),
            (b"HTTP", None),
        ] {
            for piece in [1, 3, bytes.len()] {
                let (mut origin, io) = tokio::io::duplex(64);
                let (mut overheard, spoken) = Overheard::new(io, Interim::default());
                let mut all = Vec::new();
                for part in bytes.chunks(piece) {
                    origin.write_all(part).await.unwrap();
                    overheard.read_buf(&mut all).await.unwrap();
                }
                assert_eq!((all.as_slice(), spoken.get().copied()), (bytes, expected), "{piece}");
            }
        }
    }
}
