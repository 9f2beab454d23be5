//! A connection with a peer, non-blocking and registered nowhere.

use super::sent::Sent;
use super::tls::TlsState;
use super::transport::Transport;
use crate::quotas::Descriptor;
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
#[cfg(test)]
use std::os::unix::net::UnixStream;

/// What a peer's bytes go through: a socket, and the encryption over it if there is one.
#[derive(Debug)]
pub struct Stream {
    transport: Transport,
    /// Boxed: most streams are in clear text, or pay for much more than a pointer.
    tls: Option<Box<TlsState>>,
    /// Goes back to the budget when the socket is closed.
    _descriptor: Option<Descriptor>,
}

/// Bytes of a peer's that are read and dropped at one time.
const DISCARD_BYTES: usize = 4096;
/// Times that is done before the rest has to wait for the next readiness.
const DISCARD_ROUNDS: usize = 4;

impl Stream {
    pub(super) fn new(transport: Transport, descriptor: Option<Descriptor>) -> Self {
        Self {
            transport,
            tls: None,
            _descriptor: descriptor,
        }
    }

    /// A connection that another process has accepted, and that still is open there.
    ///
    /// An error: it is no stream socket of a client's.
    pub(crate) fn going_on(socket: OwnedFd, descriptor: Descriptor) -> io::Result<Self> {
        Ok(Self::new(Transport::going_on(socket)?, Some(descriptor)))
    }

    /// A stream and its peer, for tests of what owns streams.
    #[cfg(test)]
    pub(crate) fn pair() -> (Self, UnixStream) {
        let (ours, peer) = UnixStream::pair().expect("a pair of sockets");
        ours.set_nonblocking(true).expect("a socket that does not block");
        (Self::new(Transport::Unix(ours), None), peer)
    }

    /// From now on everything goes through this.
    pub(super) fn encrypt_with(&mut self, tls: TlsState) {
        self.tls = Some(Box::new(tls));
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The encryption, if there is one.
    pub(crate) fn tls(&self) -> Option<&TlsState> {
        self.tls.as_deref()
    }

    /// Reads what has come. `WouldBlock`: nothing has.
    pub fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        match &self.tls {
            None => self.transport.read(into),
            Some(tls) => tls.read(&self.transport, into),
        }
    }

    /// Whether a read gives bytes, or the end, though the socket has nothing.
    pub(crate) fn has_read_ahead(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.has_read_ahead())
    }

    /// Sends what the peer has room for.
    #[inline]
    pub fn send(&self, bytes: &[u8]) -> io::Result<Sent> {
        match &self.tls {
            None => match self.transport.write(bytes) {
                Ok(taken) => Ok(Sent {
                    taken,
                    is_full: taken < bytes.len(),
                }),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Sent {
                    taken: 0,
                    is_full: true,
                }),
                Err(error) => Err(error),
            },
            Some(tls) => tls.send(&self.transport, bytes),
        }
    }

    /// Writes what the peer has room for. `WouldBlock`: it has none.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.send(bytes)? {
            Sent {
                taken: 0,
                is_full: true,
            } => Err(io::ErrorKind::WouldBlock.into()),
            sent => Ok(sent.taken),
        }
    }

    /// Whether it has bytes of its own to write, which wait for room as its owner's do: what a
    /// socket did not take of a record.
    pub fn wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.unsent_bytes() > 0)
    }

    /// Bytes that were taken and that the socket has not.
    pub fn unsent_bytes(&self) -> usize {
        self.tls.as_ref().map_or(0, |tls| tls.unsent_bytes())
    }

    /// Writes its own bytes; how many are left.
    pub fn flush(&self) -> io::Result<usize> {
        match &self.tls {
            None => Ok(0),
            Some(tls) => tls.flush(&self.transport),
        }
    }

    /// Says that nothing more will be sent, and closes the sending half. `WouldBlock`: what was
    /// taken before has to go first; to be called again when the socket is writable.
    pub fn finish(&self) -> io::Result<()> {
        if let Some(tls) = &self.tls {
            tls.close(&self.transport)?;
        }
        self.transport.finish()
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
        self.transport.take_error()
    }

    /// Makes the coming close a reset: what the kernel still holds for the peer is freed at once.
    pub fn reset_on_close(&self) {
        self.transport.reset_on_close();
    }
}

/// A connection that counts against no budget of descriptors.
impl From<TcpStream> for Stream {
    fn from(socket: TcpStream) -> Self {
        Self::new(Transport::Tcp(socket), None)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.transport.as_fd()
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
