//! Listeners: bound early, and accepting whatever happens.

use super::handshake::Front;
use crate::config::Listen;
use crate::delivery::Socket;
use crate::metrics::RefuseReason;
use rustix::net::{SocketFlags, acceptfrom_with};
use socket2::{Domain, Protocol, Socket as RawSocket, TcpKeepalive, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Length of the queue of connections that wait to be accepted; the kernel takes the smaller of this and `somaxconn`.
const BACKLOG: i32 = 65_535;
/// Most bytes that the kernel keeps for one client (it doubles this for its own bookkeeping). Without a bound, stalled
/// clients hide gigabytes there, and their lag.
const SEND_BUFFER_BYTES: usize = 128 * 1024;
/// Bytes that may wait in the kernel unsent before the socket counts as full.
const NOT_SENT_BYTES: u32 = 32 * 1024;
/// Idle time after which the kernel asks whether the peer is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// Time between such questions.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
/// How long sent bytes may stay unacknowledged before the kernel gives the connection up: longer than any sensible `stall`.
const USER_TIMEOUT: Duration = Duration::from_secs(120);
/// Connections accepted before other tasks have their turn.
const ACCEPTS_PER_TURN: usize = 64;
/// Connections that come closer together than this are a storm (more than 2,000 in a second).
const STORM_GAP: Duration = Duration::from_micros(500);
/// In a storm, the time between two rounds of accepting: by then the requests have come too, so that nothing has to wait for them, and
/// runtime and shards wake up once for several connections instead of once for each.
const STORM_PAUSE: Duration = Duration::from_millis(5);
/// Wait after an error of `accept` that doesn't concern one connection (no descriptors, no memory).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound listener.
#[derive(Debug)]
pub struct Bound {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tcp(RawSocket),
    Unix(UnixListener, PathBuf),
}

impl Bound {
    /// Where it listens; `None` for a Unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.kind {
            Kind::Tcp(socket) => socket.local_addr().ok()?.as_socket(),
            Kind::Unix(..) => None,
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kind {
            Kind::Tcp(_) => match self.address() {
                Some(address) => address.fmt(f),
                None => f.write_str("?"),
            },
            Kind::Unix(_, path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Binds a listener. Connections are taken by the kernel from now on, and accepted once `accept` runs.
pub fn bind(listen: &Listen) -> io::Result<Bound> {
    let kind = match listen {
        Listen::Tcp(address) => Kind::Tcp(bind_tcp(*address)?),
        Listen::Unix(path) => Kind::Unix(bind_unix(path)?, path.clone()),
    };
    Ok(Bound { kind })
}

/// Options are set on the listening socket: Linux hands them on to every accepted one, without a call per client.
fn bind_tcp(address: SocketAddr) -> io::Result<RawSocket> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && !address.ip().is_unspecified() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.set_tcp_notsent_lowat(NOT_SENT_BYTES)?;
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(KEEPALIVE_IDLE)
            .with_interval(KEEPALIVE_EVERY),
    )?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// A socket file that a process left behind which is gone is replaced; one that somebody answers on is not, and a file of
/// any other kind was not left by a listener.
fn bind_unix(path: &PathBuf) -> io::Result<UnixListener> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let is_socket = std::fs::symlink_metadata(path)?.file_type().is_socket();
            if !is_socket || UnixStream::connect(path).is_ok() {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        other => other?,
    };
    listener.set_nonblocking(true)?;
    Ok(listener)
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Kind::Unix(_, path) = &self.kind {
            // It may have been removed by hand.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Accepts connections until it is dropped. No error of `accept` ends it.
pub(crate) async fn accept(bound: Bound, front: Arc<Front>) -> io::Result<()> {
    let name = bound.to_string();
    let mut starved = false;
    let mut last = Instant::now();
    let fd = super::socket::watch(AsSocket(&bound))?;
    loop {
        let mut ready = fd.readable().await?;
        let mut accepted = 0;
        for _ in 0..ACCEPTS_PER_TURN {
            match ready.try_io(|fd| fd.get_ref().accept()) {
                Ok(Ok((socket, peer))) => {
                    if std::mem::take(&mut starved) {
                        tracing::info!(listener = name, "accepting again");
                    }
                    front.connection(socket, peer);
                    accepted += 1;
                }
                Ok(Err(error)) if concerns_one_connection(&error) => {}
                Ok(Err(error)) => {
                    // Who waits stays in the kernel's queue, and is accepted once somebody has left.
                    if !std::mem::replace(&mut starved, true) {
                        tracing::warn!(listener = name, %error, "can't accept; trying again every 100 ms");
                    }
                    front.refused(RefuseReason::Descriptors);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    break;
                }
                Err(_would_block) => break,
            }
        }
        drop(ready);
        if accepted == 0 {
            continue;
        }
        let gap = std::mem::replace(&mut last, Instant::now()).elapsed();
        // A full round leaves others waiting: they are next.
        let all = (accepted as usize) < ACCEPTS_PER_TURN;
        if all && gap < STORM_GAP * accepted {
            tokio::time::sleep(STORM_PAUSE).await;
        } else {
            tokio::task::yield_now().await;
        }
    }
}

/// accept(2): errors of the connection that was to be accepted are reported by the listener.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
        NetworkUnreachable, PermissionDenied,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | PermissionDenied
    )
}

struct AsSocket<'a>(&'a Bound);

impl AsSocket<'_> {
    fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        match &self.0.kind {
            Kind::Tcp(listener) => {
                // One call: non-blocking from the start.
                let (socket, peer) = acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
                let peer = peer.ok_or(io::ErrorKind::ConnectionAborted)?;
                let peer = SocketAddr::try_from(peer).map_err(|_| io::ErrorKind::Unsupported)?;
                Ok((Socket::Tcp(socket.into()), peer))
            }
            Kind::Unix(listener, _) => {
                let (socket, _) = listener.accept()?;
                socket.set_nonblocking(true)?;
                Ok((Socket::Unix(socket), (Ipv4Addr::UNSPECIFIED, 0).into()))
            }
        }
    }
}

impl AsRawFd for AsSocket<'_> {
    fn as_raw_fd(&self) -> RawFd {
        match &self.0.kind {
            Kind::Tcp(listener) => listener.as_raw_fd(),
            Kind::Unix(listener, _) => listener.as_raw_fd(),
        }
    }
}
