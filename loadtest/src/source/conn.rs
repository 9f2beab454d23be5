//! One connection to the origin or the floor: its request, and where it is in its stream.

use super::stream::Stream;
use mio::net::{TcpListener, TcpStream};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;

/// Largest request head, in bytes.
const REQUEST_BYTES_MAX: usize = 16 * 1024;
/// Events in one `writev`.
const SLICES_MAX: usize = 64;

/// Connections that may wait to be accepted: what `somaxconn` allows at most on most machines.
const ACCEPT_QUEUE: i32 = 4096;

/// Listens with room for a storm, which mio's own `bind` hasn't.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(ACCEPT_QUEUE)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// HTTP/1.1: the body can be chunked.
    pub(crate) chunked: bool,
    pub(crate) last_event_id: Option<String>,
}

/// Reads a request's head: `Ok(None)` while it is incomplete.
pub(crate) fn read_request(socket: &mut TcpStream, head: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let mut buffer = [0; 2048];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => head.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if let Some(end) = memchr::memmem::find(head, b"\r\n\r\n") {
            return parse_request(&head[..end])
                .map(Some)
                .ok_or_else(|| ErrorKind::InvalidData.into());
        }
        if head.len() > REQUEST_BYTES_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
    }
}

fn parse_request(head: &[u8]) -> Option<Request> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let path = words.nth(1)?.to_owned();
    let chunked = words.next()? == "HTTP/1.1";
    let last_event_id = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("last-event-id"))
        .map(|(_, value)| value.trim().to_owned());
    Some(Request {
        path,
        chunked,
        last_event_id,
    })
}

/// The head of an event stream's response.
pub(crate) fn stream_head(chunked: bool) -> &'static [u8] {
    if chunked {
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
    } else {
        b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\r\n"
    }
}

/// A position in a stream, down to the byte.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor {
    /// The event that is being written.
    pub(crate) seq: u64,
    /// Bytes of it that have gone.
    pub(crate) offset: usize,
    pub(crate) chunked: bool,
}

/// What came of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pumped {
    /// At the head of the stream.
    Level,
    /// The socket, or the allowance, is full.
    Full,
    /// The event that is due was dropped from the record.
    Overrun,
}

impl Cursor {
    /// Writes what the stream holds behind the cursor, at most `allowance` bytes, which it lowers.
    pub(crate) fn pump(
        &mut self,
        socket: &mut TcpStream,
        stream: &Stream,
        allowance: &mut usize,
    ) -> io::Result<Pumped> {
        while self.seq < stream.next() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let (mut used, mut left) = (0, *allowance);
            for (index, slice) in slices.iter_mut().enumerate() {
                let Some(event) = stream.get(self.seq + index as u64) else {
                    break;
                };
                let bytes = &event.bytes(self.chunked)[if index == 0 { self.offset } else { 0 }..];
                let bytes = &bytes[..bytes.len().min(left)];
                if bytes.is_empty() {
                    break;
                }
                left -= bytes.len();
                *slice = IoSlice::new(bytes);
                used += 1;
            }
            if used == 0 {
                return Ok(if *allowance == 0 { Pumped::Full } else { Pumped::Overrun });
            }
            match socket.write_vectored(&slices[..used]) {
                Ok(written) => {
                    *allowance -= written;
                    self.advance(stream, written);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Pumped::Full),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Pumped::Level)
    }

    fn advance(&mut self, stream: &Stream, mut written: usize) {
        while written > 0 {
            let event = stream.get(self.seq).expect("only events in the record are written");
            let left = event.bytes(self.chunked).len() - self.offset;
            if written < left {
                self.offset += written;
                return;
            }
            written -= left;
            self.seq += 1;
            self.offset = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read() {
        let head = b"GET /events/3 HTTP/1.1\r\nHost: x\r\nlast-event-id:  17 ";
        let wanted = Request {
            path: "/events/3".to_owned(),
            chunked: true,
            last_event_id: Some("17".to_owned()),
        };
        assert_eq!(parse_request(head), Some(wanted));
        assert_eq!(parse_request(b"nonsense"), None);
    }
}
