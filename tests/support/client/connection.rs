//! What a client speaks over.

use crate::support::origin::within;
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

/// A TCP connection.
pub async fn connect(address: SocketAddr, receive_buffer: Option<usize>) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)).unwrap();
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    within("a connection to the relay", async {
        // With a full backlog, or a relay without descriptors, the kernel lets connect(2) wait.
        let connecting = tokio::task::spawn_blocking(move || socket.connect(&address.into()).map(|()| socket));
        match connecting.await {
            Ok(connected) => connected,
            // The story is over.
            Err(_) => std::future::pending().await,
        }
    })
    .await
    .map(|socket| {
        socket.set_nonblocking(true).unwrap();
        TcpStream::from_std(socket.into()).unwrap()
    })
    .expect("the relay's port is open")
}

/// A TCP connection from this address of the machine.
pub async fn connect_from(local: IpAddr, address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(SocketAddr::new(local, 0))
        .expect("an address of this machine");
    within("a connection to the relay", socket.connect(address))
        .await
        .expect("the relay's port is open")
}

/// A connection to a Unix socket.
pub async fn connect_unix(path: &Path) -> UnixStream {
    within("a connection to the relay", UnixStream::connect(path))
        .await
        .expect("the relay's socket is there")
}

pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {
    fn tcp(&self) -> Option<&TcpStream>;

    fn local_address(&self) -> SocketAddr {
        self.tcp().expect("TCP").local_addr().unwrap()
    }
}

impl Io for TcpStream {
    fn tcp(&self) -> Option<&TcpStream> {
        Some(self)
    }
}

impl Io for UnixStream {
    fn tcp(&self) -> Option<&TcpStream> {
        None
    }
}
