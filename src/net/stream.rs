//! A connection with a peer, non-blocking and registered nowhere.

use crate::quotas::Descriptor;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// What a peer's bytes go through. (TLS will be a further kind: the encryption goes with the
/// stream.)
#[derive(Debug)]
pub struct Stream {
    transport: Transport,
    /// Goes back to the budget when the socket is closed.
    _descriptor: Option<Descriptor>,
}

#[derive(Debug)]
pub(super) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Bytes of a peer's that are read and dropped at one time.
const DISCARD_BYTES: usize = 4096;
/// Times that is done before the rest has to wait for the next readiness.
const DISCARD_ROUNDS: usize = 4;

impl Stream {
    pub(super) fn new(transport: Transport, descriptor: Option<Descriptor>) -> Self {
        Self {
            transport,
            _descriptor: descriptor,
        }
    }

    /// A stream and its peer, for tests of what owns streams.
    #[cfg(test)]
    pub(crate) fn pair() -> (Self, UnixStream) {
        let (ours, peer) = UnixStream::pair().expect("a pair of sockets");
        ours.set_nonblocking(true).expect("a socket that does not block");
        (Self::new(Transport::Unix(ours), None), peer)
    }

    /// Reads what has come. `WouldBlock`: nothing has.
    pub fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        retried(|| match &self.transport {
            Transport::Tcp(stream) => (&*stream).read(into),
            Transport::Unix(stream) => (&*stream).read(into),
        })
    }

    /// Writes what the peer has room for. `WouldBlock`: it has none.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        retried(|| match &self.transport {
            Transport::Tcp(stream) => (&*stream).write(bytes),
            Transport::Unix(stream) => (&*stream).write(bytes),
        })
    }

    /// Whether it has bytes of its own to write, which wait for room as its owner's do. (TLS:
    /// records, alerts, tickets.)
    pub fn wants_write(&self) -> bool {
        match &self.transport {
            Transport::Tcp(_) | Transport::Unix(_) => false,
        }
    }

    /// Closes the sending half.
    pub fn finish(&self) -> io::Result<()> {
        match &self.transport {
            Transport::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Transport::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// Reads and drops what the peer has sent. Whether it may send more; an error: the connection
    /// failed.
    ///
    /// Unread bytes would turn a close into a reset, which takes from the peer what it has not read
    /// yet.
    pub fn discard(&self) -> io::Result<bool> {
        let mut scratch = [0; DISCARD_BYTES];
        for _ in 0..DISCARD_ROUNDS {
            match self.read(&mut scratch) {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// What the connection failed with, if it did (`SO_ERROR`). Taking it clears it.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match &self.transport {
            Transport::Tcp(stream) => stream.take_error(),
            Transport::Unix(stream) => stream.take_error(),
        }
    }

    /// Makes the coming close a reset: what the kernel still holds for the peer is freed at once.
    pub fn reset_on_close(&self) {
        if let Transport::Tcp(stream) = &self.transport {
            // If it fails the close is an ordinary one; the kernel's memory then lasts until it
            // gives up.
            let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
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

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.transport {
            Transport::Tcp(stream) => stream.as_fd(),
            Transport::Unix(stream) => stream.as_fd(),
        }
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// A shard's poll watches it as it is.
impl mio::event::Source for Stream {
    fn register(&mut self, registry: &mio::Registry, token: mio::Token, interests: mio::Interest) -> io::Result<()> {
        mio::unix::SourceFd(&self.as_raw_fd()).register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &mio::Registry, token: mio::Token, interests: mio::Interest) -> io::Result<()> {
        mio::unix::SourceFd(&self.as_raw_fd()).reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &mio::Registry) -> io::Result<()> {
        mio::unix::SourceFd(&self.as_raw_fd()).deregister(registry)
    }
}
