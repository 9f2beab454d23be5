//! Listeners: bound early, so that an address in use is found out before anything runs.

use super::transport::Transport;
use crate::config::Listen;
use rustix::net::{AddressFamily, SocketFlags, acceptfrom_with, sockopt};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Length of the queue of connections that wait to be accepted; the kernel takes the smaller of
/// this and `somaxconn`.
const BACKLOG: i32 = 65_535;
/// Most bytes that the kernel keeps for one client (it doubles this for its own bookkeeping).
/// Without a bound, stalled clients hide gigabytes there, and their lag.
const SEND_BUFFER_BYTES: usize = 128 * 1024;
/// Bytes that may wait in the kernel unsent before the socket counts as full.
const NOT_SENT_BYTES: u32 = 32 * 1024;
/// Idle time after which the kernel asks whether the peer is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// Time between such questions.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
/// How long sent bytes may stay unacknowledged before the kernel gives the connection up: longer
/// than any sensible `stall`.
const USER_TIMEOUT: Duration = Duration::from_secs(120);

/// A bound listener.
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
    /// Another process has it too, and goes on with it.
    is_handed_over: AtomicBool,
    /// The service manager has made it, and keeps it after this process.
    is_managers: bool,
}

#[derive(Debug)]
enum Kind {
    Tcp(Socket),
    Unix(UnixListener, PathBuf),
}

/// Binds a listener. The kernel takes connections from now on; they are accepted once `accept`
/// runs.
pub fn bind(listen: &Listen) -> io::Result<Listener> {
    let kind = match listen {
        Listen::Tcp(address) => Kind::Tcp(bind_tcp(*address)?),
        Listen::Unix(path) => Kind::Unix(bind_unix(path)?, path.clone()),
    };
    Ok(Listener::of(kind))
}

/// A listener that was bound elsewhere.
impl TryFrom<TcpListener> for Listener {
    type Error = io::Error;

    fn try_from(listener: TcpListener) -> io::Result<Self> {
        let socket = Socket::from(listener);
        // Answers are written as a whole.
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Self::of(Kind::Tcp(socket)))
    }
}

impl Listener {
    fn of(kind: Kind) -> Self {
        Self {
            kind,
            is_handed_over: AtomicBool::new(false),
            is_managers: false,
        }
    }

    /// One that another process has bound to this address, and listens at. What the kernel has
    /// queued there may be accepted here; its file is the other's until it is
    /// [`taken_over`](Self::taken_over).
    pub fn inherit(descriptor: OwnedFd, listen: &Listen) -> io::Result<Self> {
        if !sockopt::socket_acceptconn(&descriptor)? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no listening socket"));
        }
        rustix::io::ioctl_fionbio(&descriptor, true)?;
        let is_tcp = sockopt::socket_domain(&descriptor)? != AddressFamily::UNIX;
        let kind = match listen {
            Listen::Tcp(_) if is_tcp => {
                let socket = Socket::from(descriptor);
                set_options(&socket)?;
                Kind::Tcp(socket)
            }
            Listen::Unix(path) if !is_tcp => Kind::Unix(UnixListener::from(descriptor), path.clone()),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "a socket of another kind")),
        };
        let listener = Self::of(kind);
        listener.handed_over();
        Ok(listener)
    }

    /// The service manager has made it, and keeps it: closing it leaves its file for good.
    pub fn of_manager(mut self) -> Self {
        self.is_managers = true;
        self
    }

    /// Whether the service manager keeps it.
    pub fn is_managers(&self) -> bool {
        self.is_managers
    }

    /// It is this process's: closing it removes its file.
    pub fn taken_over(&self) {
        self.is_handed_over.store(false, Ordering::Release);
    }

    /// Another process goes on with it: closing it here leaves its file.
    pub fn handed_over(&self) {
        self.is_handed_over.store(true, Ordering::Release);
    }

    /// Where it listens; `None` for a Unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.kind {
            Kind::Tcp(socket) => socket.local_addr().ok()?.as_socket(),
            Kind::Unix(..) => None,
        }
    }

    /// The connection that has waited longest, and its peer: unspecified for a Unix socket.
    pub(super) fn accept(&self) -> io::Result<(Transport, SocketAddr)> {
        match &self.kind {
            Kind::Tcp(listener) => {
                // One call: non-blocking from the start.
                let (socket, peer) = acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
                let peer = peer.ok_or(io::ErrorKind::ConnectionAborted)?;
                let peer = SocketAddr::try_from(peer).map_err(|_| io::ErrorKind::Unsupported)?;
                Ok((Transport::Tcp(socket.into()), peer))
            }
            Kind::Unix(listener, _) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Ok((Transport::Unix(stream), (Ipv4Addr::UNSPECIFIED, 0).into()))
            }
        }
    }
}

/// Linux hands options on to every accepted socket, without a call per client.
fn set_options(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.set_tcp_notsent_lowat(NOT_SENT_BYTES)?;
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(KEEPALIVE_IDLE)
            .with_interval(KEEPALIVE_EVERY),
    )?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))
}

fn bind_tcp(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && !address.ip().is_unspecified() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    set_options(&socket)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// A socket file that a process left behind which is gone is replaced; one on which a process
/// answers is not, and a file of any other kind was not left by a listener.
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

impl std::fmt::Display for Listener {
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

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.kind {
            Kind::Tcp(listener) => listener.as_fd(),
            Kind::Unix(listener, _) => listener.as_fd(),
        }
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Kind::Unix(_, path) = &self.kind
            && !self.is_managers
            && !self.is_handed_over.load(Ordering::Acquire)
        {
            // It may have been removed by hand.
            let _ = std::fs::remove_file(path);
        }
    }
}
