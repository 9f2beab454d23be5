//! Sockets that the service manager has bound: `LISTEN_FDS`, as sd_listen_fds(3) has it.
//!
//! The manager says nothing of what they are for: each is used for what the configuration has at
//! its address, clients or admin. So a unit of sockets needs no key of its own, and the same file
//! works without it.

use super::handover::Inherited;
use crate::config::Listen;
use listenfd::ListenFd;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

/// What the manager has passed to this process. An error: one of them is no listening socket with
/// an address.
pub(super) fn sockets() -> io::Result<Inherited> {
    let mut passed = ListenFd::from_env();
    let sockets: Vec<_> = (0..passed.len())
        .map(|n| socket(&mut passed, n))
        .collect::<io::Result<_>>()?;
    Ok(Inherited::of_manager(sockets))
}

/// Says which of them the configuration has no use for: nobody answers there.
pub(super) fn warn_of_unused(inherited: &Inherited) {
    for address in inherited.left() {
        tracing::warn!(
            address,
            "the service manager passes a socket at which the configuration does not listen"
        );
    }
}

fn socket(passed: &mut ListenFd, n: usize) -> io::Result<(Listen, OwnedFd)> {
    let tcp: Option<TcpListener> = passed.take_tcp_listener(n).unwrap_or(None);
    if let Some(listener) = tcp {
        return Ok((Listen::Tcp(listener.local_addr()?), listener.into()));
    }
    let unix: Option<UnixListener> = passed.take_unix_listener(n)?;
    let missing = || {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "the service manager passes a socket without a path",
        )
    };
    let listener = unix.ok_or_else(missing)?;
    let path = listener.local_addr()?.as_pathname().ok_or_else(missing)?.to_owned();
    Ok((Listen::Unix(path), listener.into()))
}
