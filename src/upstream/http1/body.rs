//! An answer's body as it is read from its connection.

use super::decoder::Decoder;
use crate::upstream::failed::in_the_body;
use crate::upstream::io::Io;
use crate::upstream::{Failure, Reason};
use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame};
use socket2::{Domain, SockRef};
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What is read at once in the beginning, in bytes: some events.
const READ_BYTES_MIN: usize = 8 * 1024;

/// What is read at once while more comes than that, in bytes.
const READ_BYTES_MAX: usize = 64 * 1024;

/// A body, and the connection that brings it. While nothing comes it holds no memory: most
/// of thousands of streams are at rest.
#[derive(Debug)]
pub(in crate::upstream) struct Http1Body {
    io: Io,
    decoder: Decoder,
    /// Bytes that came with the head; then where the next read goes.
    buffer: BytesMut,
    /// What is read at once: doubled by each read that takes up all of it.
    read_bytes: usize,
    /// What has ended it, until that is told.
    end: Option<Result<(), Failure>>,
}

/// A body in the middle, as another process can go on with it.
pub(in crate::upstream) struct Carried {
    pub(in crate::upstream) decoder: Decoder,
    /// Read and not decoded.
    pub(in crate::upstream) undecoded: Vec<u8>,
    /// How it has ended, if that has not been told yet.
    pub(in crate::upstream) end: Option<Result<(), Failure>>,
}

impl Carried {
    /// One that begins, in chunks.
    pub(in crate::upstream) fn beginning() -> Self {
        Self {
            decoder: Decoder::chunked(),
            undecoded: Vec::new(),
            end: None,
        }
    }
}

impl Http1Body {
    /// What it is, with a copy of its socket. `None`: its connection can't be given.
    pub(in crate::upstream) fn carried(&self) -> Option<(Carried, OwnedFd)> {
        let socket = match &self.io {
            Io::Clear(tcp) => tcp.as_fd(),
            Io::Piped(piped) => piped.as_fd(),
            Io::Tls(_) => return None,
        };
        // Out of descriptors: it is as if it could not be given.
        let socket = socket.try_clone_to_owned().ok()?;
        let carried = Carried {
            decoder: self.decoder.clone(),
            undecoded: self.buffer.to_vec(),
            end: self.end.clone(),
        };
        Some((carried, socket))
    }

    /// Goes on with a body that another process has given.
    pub(in crate::upstream) fn taken(carried: Carried, socket: OwnedFd) -> io::Result<Self> {
        let domain = SockRef::from(&socket).domain()?;
        SockRef::from(&socket).set_nonblocking(true)?;
        let io = match domain {
            Domain::UNIX => Io::Piped(tokio::net::UnixStream::from_std(UnixStream::from(socket))?),
            _ => Io::Clear(tokio::net::TcpStream::from_std(TcpStream::from(socket))?),
        };
        let mut body = Self::new(io, carried.decoder, BytesMut::from(&carried.undecoded[..]));
        body.end = carried.end;
        Ok(body)
    }

    /// Whether another process has the connection, and passes on what it reads.
    pub(in crate::upstream) fn is_piped(&self) -> bool {
        matches!(self.io, Io::Piped(_))
    }

    /// Reads no more of what another process passes on, and waits until that has closed its connection.
    pub(in crate::upstream) async fn leave(mut self) {
        let mut scratch = [0; 4096];
        // One that is gone has closed it.
        let _ = self.io.shutdown().await;
        while matches!(self.io.read(&mut scratch).await, Ok(1..)) {}
    }

    /// `begun`: what has been read behind the head.
    pub(super) fn new(io: Io, decoder: Decoder, begun: BytesMut) -> Self {
        Self {
            io,
            decoder,
            buffer: begun,
            read_bytes: READ_BYTES_MIN,
            end: None,
        }
    }

    /// The next bytes of the body; none: its end, which `end` tells.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        loop {
            if self.end.is_some() {
                return Poll::Ready(Bytes::new());
            }
            if self.decoder.is_over() {
                self.end = Some(Ok(()));
                continue;
            }
            if self.buffer.is_empty() && !ready!(self.poll_read(cx)) {
                continue;
            }
            let mut read = self.buffer.split();
            let (len, decoded) = self.decoder.decode(&mut read);
            if let Err(malformed) = decoded {
                self.end = Some(Err(Failure::new(Reason::Protocol, malformed.what())));
            }
            if len > 0 {
                read.truncate(len);
                return Poll::Ready(read.freeze());
            }
        }
    }

    /// Reads into the buffer; false: the connection has ended.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.buffer.reserve(self.read_bytes);
        let room = self.buffer.capacity();
        let read = pin!(self.io.read_buf(&mut self.buffer)).poll(cx);
        self.end = Some(match read {
            Poll::Ready(Ok(0)) if self.decoder.may_end() => Ok(()),
            Poll::Ready(Ok(0)) => Err(Failure::new(Reason::Reset, "the connection ended inside the answer")),
            Poll::Ready(Ok(read)) => {
                if read == room {
                    self.read_bytes = (2 * self.read_bytes).min(READ_BYTES_MAX);
                }
                return Poll::Ready(true);
            }
            Poll::Ready(Err(error)) => Err(in_the_body(&error)),
            Poll::Pending => {
                self.buffer = BytesMut::new();
                self.read_bytes = READ_BYTES_MIN;
                return Poll::Pending;
            }
        });
        Poll::Ready(false)
    }
}

impl Body for Http1Body {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let bytes = ready!(self.poll_bytes(cx));
        if !bytes.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        // Whoever asks again after a failure finds the end.
        let end = self.end.replace(Ok(()));
        Poll::Ready(end.and_then(Result::err).map(Err))
    }
}
