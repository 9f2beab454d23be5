//! A client's socket, bare.

use crate::delivery::Socket;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

/// What a client's bytes go through. (TLS will be a further kind: the encryption is per client, the cursor is not.)
#[derive(Debug)]
pub(super) enum Transport {
    Tcp(mio::net::TcpStream),
    Unix(mio::net::UnixStream),
}

/// Bytes of a client's own that are read and dropped at one time.
const DISCARD_BYTES: usize = 4096;
/// Times that is done before the rest has to wait for the next readiness.
const DISCARD_ROUNDS: usize = 4;

impl Transport {
    pub(super) fn new(socket: Socket) -> Self {
        match socket {
            Socket::Tcp(socket) => Transport::Tcp(mio::net::TcpStream::from_std(socket)),
            Socket::Unix(socket) => Transport::Unix(mio::net::UnixStream::from_std(socket)),
        }
    }

    pub(super) fn register(&mut self, registry: &mio::Registry, token: mio::Token) -> io::Result<()> {
        // Both directions once, edge-triggered: nothing is ever modified. Registering reports what holds already, so a
        // client that left before this is seen.
        let interest = mio::Interest::READABLE | mio::Interest::WRITABLE;
        match self {
            Transport::Tcp(socket) => registry.register(socket, token, interest),
            Transport::Unix(socket) => registry.register(socket, token, interest),
        }
    }

    /// Writes what the socket takes; 0: it is full.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let written = match self {
                Transport::Tcp(socket) => socket.write(bytes),
                Transport::Unix(socket) => socket.write(bytes),
            };
            match written {
                Ok(n) => return Ok(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads and drops what the client sent after its request. Whether it is still there.
    ///
    /// Unread bytes would turn a close into a reset, which takes from the client what it has not read yet.
    pub(super) fn discard(&mut self) -> bool {
        let mut scratch = [0; DISCARD_BYTES];
        for _ in 0..DISCARD_ROUNDS {
            let read = match self {
                Transport::Tcp(socket) => socket.read(&mut scratch),
                Transport::Unix(socket) => socket.read(&mut scratch),
            };
            match read {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        true
    }

    /// Says the end of our bytes.
    pub(super) fn finish(&mut self) {
        self.discard();
        let shut = match self {
            Transport::Tcp(socket) => socket.shutdown(Shutdown::Write),
            Transport::Unix(socket) => socket.shutdown(Shutdown::Write),
        };
        // Fails if the client is gone already: then there is nobody to tell.
        let _ = shut;
    }

    /// Makes the coming close a reset: what the kernel still holds for this client is freed at once.
    pub(super) fn reset_on_close(&mut self) {
        if let Transport::Tcp(socket) = self {
            // If it fails the close is an ordinary one; the kernel's memory then lasts until it gives up.
            let _ = socket2::SockRef::from(&*socket).set_linger(Some(Duration::ZERO));
        }
    }
}
