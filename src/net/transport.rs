//! The socket below a stream.

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use socket2::{Domain, SockRef};
use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A connected socket that does not block: each call says so, whatever the socket's own flag is, which
/// it may share with another process.
#[derive(Debug)]
pub(super) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Transport {
    /// The transport of a connected socket. An error: it is of another kind. One call: thousands are
    /// taken over while nothing moves.
    pub(super) fn going_on(socket: OwnedFd) -> io::Result<Self> {
        match SockRef::from(&socket).domain()? {
            Domain::IPV4 | Domain::IPV6 => Ok(Self::Tcp(socket.into())),
            Domain::UNIX => Ok(Self::Unix(socket.into())),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Reads what has come. `WouldBlock`: nothing has.
    pub(super) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        retried(|| Ok(rustix::net::recv(self.as_fd(), &mut *into, RecvFlags::DONTWAIT)?.1))
    }

    /// Writes what there is room for. `WouldBlock`: there is none.
    ///
    /// It calls the kernel itself: the C library's `send` is a point at which a thread may be
    /// cancelled, which costs more than all else that a delivery takes.
    #[inline]
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::net::send(self.as_fd(), bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Err(Errno::INTR) => {}
                done => return Ok(done?),
            }
        }
    }

    /// Closes the sending half.
    pub(super) fn finish(&self) -> io::Result<()> {
        match self {
            Transport::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Transport::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// `SO_ERROR`, which is cleared.
    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Transport::Tcp(stream) => stream.take_error(),
            Transport::Unix(stream) => stream.take_error(),
        }
    }

    /// Makes the coming close a reset.
    pub(super) fn reset_on_close(&self) {
        if let Transport::Tcp(stream) = self {
            // If it fails the close is an ordinary one; the kernel's memory then lasts until it
            // gives up.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }
}

/// A call that a signal has interrupted is made again.
fn retried(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

impl AsFd for Transport {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Transport::Tcp(stream) => stream.as_fd(),
            Transport::Unix(stream) => stream.as_fd(),
        }
    }
}
