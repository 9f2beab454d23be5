//! A client's connection: bare, or with TLS on top.

use mio::net::TcpStream;
use rustls::ClientConnection;
use std::io::{self, ErrorKind, Read, Write};

/// A non-blocking connection.
#[derive(Debug)]
pub(crate) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsSocket>),
}

/// A connection with its TLS state: about 20 KiB, against the 4 bytes of a bare one.
#[derive(Debug)]
pub(crate) struct TlsSocket {
    pub(crate) tcp: TcpStream,
    pub(crate) tls: ClientConnection,
}

impl Socket {
    /// The TCP connection.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Socket::Plain(tcp) => tcp,
            Socket::Tls(socket) => &socket.tcp,
        }
    }

    /// Whether a read that didn't fill the buffer has emptied the socket. It has for a bare one
    /// (epoll(7), note on edge-triggered streams): that saves a system call for each read.
    pub(crate) fn short_read_is_empty(&self) -> bool {
        matches!(self, Socket::Plain(_))
    }

    /// Takes in the request; TLS keeps what the handshake has to let through first.
    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<()> {
        match self {
            Socket::Plain(tcp) => match tcp.write(request)? {
                written if written == request.len() => Ok(()),
                // A fresh socket's buffer takes a request whole.
                _ => Err(ErrorKind::WriteZero.into()),
            },
            Socket::Tls(socket) => {
                socket.tls.writer().write_all(request)?;
                socket.flush()
            }
        }
    }

    /// Takes in as many bytes as fit.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(tcp) => tcp.write(bytes),
            Socket::Tls(socket) => {
                let written = socket.tls.writer().write(bytes)?;
                socket.flush()?;
                if written == 0 && !bytes.is_empty() {
                    Err(ErrorKind::WouldBlock.into())
                } else {
                    Ok(written)
                }
            }
        }
    }

    /// Reads what has come; `Ok(0)` is the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(tcp) => tcp.read(buffer),
            Socket::Tls(socket) => socket.read(buffer),
        }
    }

    /// The socket takes bytes again.
    pub(crate) fn writable(&mut self) -> io::Result<()> {
        match self {
            Socket::Plain(_) => Ok(()),
            Socket::Tls(socket) => socket.flush(),
        }
    }
}

impl TlsSocket {
    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.tcp) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // A peer that closes without saying so has ended the stream all the same.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                done => return done,
            }
            if self.tls.read_tls(&mut self.tcp)? == 0 {
                return Ok(0);
            }
            self.tls
                .process_new_packets()
                .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            self.flush()?;
        }
    }
}
