//! One TLS handshake, to see what a server presents.

use crate::control::Target;
use crate::swarm::tls;
use anyhow::{Context, Result, ensure};
use rustls::ClientConnection;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(5);

/// The certificate that a new connection gets (DER). It must be valid for the target's name and
/// issued by `authority`.
pub(crate) fn presented(target: &Target, authority: Option<&Path>) -> Result<Vec<u8>> {
    let config = tls::config(authority, &[b"h2", b"http/1.1"])?;
    let mut connection = ClientConnection::new(config, tls::server_name(&target.authority)?)?;
    let mut socket = TcpStream::connect_timeout(&target.address, TIMEOUT).context("no connection for a handshake")?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    while connection.is_handshaking() {
        let (read, written) = connection.complete_io(&mut socket).context("the handshake failed")?;
        ensure!(read + written > 0, "the server ended the handshake");
    }
    let certificates = connection.peer_certificates().context("no certificate was presented")?;
    let first = certificates.first().context("no certificate was presented")?;
    Ok(first.to_vec())
}
