//! A client's connection is begun.

use mio::net::TcpStream;
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::SocketAddr;

/// Begins a connection, which stands when the poll says that it is writable. `receive_bytes` is what
/// the kernel takes in unread, `None` its own choice; `prepare` may bind the socket.
pub fn begin(
    to: SocketAddr,
    receive_bytes: Option<usize>,
    prepare: impl FnOnce(&Socket) -> io::Result<()>,
) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    if let Some(bytes) = receive_bytes {
        // Before the handshake, which announces the window.
        socket.set_recv_buffer_size(bytes)?;
    }
    prepare(&socket)?;
    match socket.connect(&to.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}
