//! A stream's encryption, shared by those that read it and those that write.

use super::session::Session;
use crate::config::Alpn;
use crate::net::sent::Sent;
use crate::net::transport::Transport;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A TLS connection's state. One task or thread has it at a time, so the lock is never waited for:
/// it costs some nanoseconds, and readers and writers need no `&mut` as for a bare socket.
pub(crate) struct TlsState(Mutex<Session>);

impl TlsState {
    pub(super) fn new(session: Session) -> Self {
        Self(Mutex::new(session))
    }

    pub(super) fn session(&self) -> MutexGuard<'_, Session> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the handshake agreed on, if the client asked.
    pub(crate) fn alpn(&self) -> Option<Alpn> {
        let session = self.session();
        let agreed = session.connection().alpn_protocol()?;
        [Alpn::H2, Alpn::Http11].into_iter().find(|alpn| alpn.name() == agreed)
    }

    pub(in crate::net) fn read(&self, transport: &Transport, into: &mut [u8]) -> io::Result<usize> {
        self.session().read(transport, into)
    }

    pub(in crate::net) fn has_read_ahead(&self) -> bool {
        self.session().has_read_ahead()
    }

    pub(in crate::net) fn send(&self, transport: &Transport, bytes: &[u8]) -> io::Result<Sent> {
        self.session().send(transport, bytes)
    }

    pub(in crate::net) fn flush(&self, transport: &Transport) -> io::Result<usize> {
        self.session().flush(transport)
    }

    pub(in crate::net) fn unsent_bytes(&self) -> usize {
        self.session().unsent_bytes()
    }

    pub(in crate::net) fn close(&self, transport: &Transport) -> io::Result<()> {
        self.session().close(transport)
    }
}

impl std::fmt::Debug for TlsState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsState")
    }
}
