//! Where a client's bytes go: a connection of its own, or a stream of an HTTP/2 connection.

use super::http2::Connections;
use super::keys::ConnectionKey;
use crate::h2::StreamKey;
use crate::net::{Sent, Stream};
use std::io;

/// A client's way to its peer.
pub(super) enum Sink {
    /// A connection that is the client's alone.
    Own(Stream),
    /// A stream of one of the shard's HTTP/2 connections. Both exist for as long as the client.
    Http2 {
        connection: ConnectionKey,
        stream: StreamKey,
    },
}

impl Sink {
    /// Writes what the socket, or the stream's window, takes.
    #[inline]
    pub(super) fn send(&self, bytes: &[u8], connections: &mut Connections) -> io::Result<Sent> {
        match self {
            Self::Own(stream) => stream.send(bytes),
            Self::Http2 { connection, stream } => {
                let taken = connections.write(*connection, *stream, bytes);
                let is_full = taken < bytes.len();
                Ok(Sent { taken, is_full })
            }
        }
    }

    /// What it has taken and its socket has not.
    pub(super) fn unsent_bytes(&self) -> usize {
        match self {
            Self::Own(stream) => stream.unsent_bytes(),
            Self::Http2 { .. } => 0,
        }
    }

    /// Writes that; how much is left of it.
    pub(super) fn flush(&self) -> io::Result<usize> {
        match self {
            Self::Own(stream) => stream.flush(),
            Self::Http2 { .. } => Ok(0),
        }
    }

    /// Whether bytes were read that the poll knows nothing of.
    pub(super) fn has_read_ahead(&self) -> bool {
        matches!(self, Self::Own(stream) if stream.has_read_ahead())
    }

    /// Whether it has bytes of its own to write.
    #[cfg(debug_assertions)]
    pub(super) fn wants_write(&self) -> bool {
        matches!(self, Self::Own(stream) if stream.wants_write())
    }

    /// What the peer has in flight and has not read, as far as can be told.
    pub(super) fn unread(&self, connections: &Connections) -> u64 {
        match self {
            // The kernel's buffers are bounded, and count for nothing.
            Self::Own(stream) => stream.unsent_bytes() as u64,
            Self::Http2 { connection, stream } => connections.unread(*connection, *stream),
        }
    }

    /// Ends in order what has been written.
    /// `WouldBlock`: it goes on when the socket is writable.
    pub(super) fn finish(&self, connections: &mut Connections) -> io::Result<()> {
        match self {
            Self::Own(stream) => {
                // Unread bytes would make a reset of the close, and take what was not read yet from
                // the client. Both fail if the client is gone already: then the end reaches
                // nothing.
                let _ = stream.discard();
                stream.finish()
            }
            Self::Http2 { connection, stream } => {
                connections.end_stream(*connection, *stream);
                Ok(())
            }
        }
    }

    /// Ends it so that what was written is known to be incomplete.
    pub(super) fn cut(&self, connections: &mut Connections) {
        match self {
            Self::Own(stream) => stream.reset_on_close(),
            Self::Http2 { connection, stream } => connections.reset_stream(*connection, *stream),
        }
    }
}
