//! A stream that the runtime watches.

use super::{Stream, watch};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream, registered with the runtime until it is taken out. Reads and writes need no `&mut`:
/// one task at a time does either.
#[derive(Debug)]
pub(crate) struct Watched(AsyncFd<Stream>);

/// Bytes read at one time where the reader has no buffer of its own.
const READ_BYTES: usize = 16 * 1024;

impl Watched {
    /// To be called within a runtime.
    pub(crate) fn new(stream: Stream) -> io::Result<Self> {
        watch(stream).map(Self)
    }

    /// The stream, which is not watched any more.
    pub(crate) fn into_stream(self) -> Stream {
        self.0.into_inner()
    }

    pub(crate) fn stream(&self) -> &Stream {
        self.0.get_ref()
    }

    /// The stream, to begin encryption.
    pub(super) fn stream_mut(&mut self) -> &mut Stream {
        self.0.get_mut()
    }

    /// Reads what has come; 0: nothing more will.
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.stream().has_read_ahead() {
            return Poll::Ready(self.stream().read(into));
        }
        self.poll_read_with(cx, |stream| stream.read(into))
    }

    /// The same by another way to read, whose `WouldBlock` has to be the socket's.
    pub(super) fn poll_read_with(
        &self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&Stream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            if let Ok(read) = ready.try_io(|stream| read(stream.get_ref())) {
                return Poll::Ready(read);
            }
        }
    }

    /// Writes what the peer has room for.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // Nearly always there is room, which the runtime has not heard of yet.
        match self.stream().write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return Poll::Ready(done),
        }
        loop {
            let mut ready = ready!(self.0.poll_write_ready(cx))?;
            if let Ok(written) = ready.try_io(|stream| stream.get_ref().write(bytes)) {
                return Poll::Ready(written);
            }
        }
    }

    /// Completes when the socket has everything that was written.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_until(cx, |stream| match stream.flush()? {
            0 => Ok(()),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        })
    }

    /// Closes the sending half behind everything that was written.
    pub(crate) fn poll_finish(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_until(cx, Stream::finish)
    }

    /// Does what may have to wait for room.
    fn poll_until(
        &self,
        cx: &mut Context<'_>,
        mut go_on: impl FnMut(&Stream) -> io::Result<()>,
    ) -> Poll<io::Result<()>> {
        match go_on(self.stream()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return Poll::Ready(done),
        }
        loop {
            let mut ready = ready!(self.0.poll_write_ready(cx))?;
            if let Ok(done) = ready.try_io(|stream| go_on(stream.get_ref())) {
                return Poll::Ready(done);
            }
        }
    }

    /// Completes when the connection is broken: by a reset, or by both sides' ends.
    pub(crate) fn poll_broken(&self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // An error wakes the task that waits for room to write; the end of the peer's bytes
            // alone does not.
            let Ok(mut ready) = ready!(self.0.poll_write_ready(cx)) else {
                return Poll::Ready(());
            };
            if ready.ready().is_write_closed() || ready.ready().is_error() {
                return Poll::Ready(());
            }
            ready.clear_ready();
        }
    }
}

impl AsyncRead for &Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [0; READ_BYTES];
        let room = READ_BYTES.min(into.remaining());
        let read = ready!(Watched::poll_read(&self, cx, &mut scratch[..room]))?;
        into.put_slice(&scratch[..read]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for &Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Watched::poll_write(&self, cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Watched::poll_flush(&self, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_finish(cx)
    }
}
