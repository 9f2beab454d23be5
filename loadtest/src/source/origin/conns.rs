//! Connections: taken in, answered, written to, ended.

use super::Origin;
use crate::clock::{SECOND_NS, now_ns, ns};
use crate::source::conn::{Cursor, Pumped, Request, read_request, stream_head};
use crate::source::fault::TRICKLE_BYTES_PER_SECOND;
use crate::source::stream::{Framed, Stream, frame};
use crate::stamp::seq_of_id;
use mio::net::TcpStream;
use mio::{Interest, Token};
use std::io::{ErrorKind, Read, Write};

/// How often a trickle gives out bytes.
const TRICKLE_NS: u64 = SECOND_NS / 100;

/// One connection.
pub(super) struct Conn {
    socket: TcpStream,
    head: Vec<u8>,
    /// `None` until the request is whole.
    pub(super) reading: Option<(usize, Cursor)>,
}

impl Conn {
    /// Writes a comment, if nothing else is under way; `false`: the connection must end.
    fn comment(&mut self, comment: &Framed, stream: &Stream) -> bool {
        let Some((_, cursor)) = self.reading.as_ref() else {
            return true;
        };
        if cursor.seq < stream.next() {
            // An event waits for room, and shows that the stream lives.
            return true;
        }
        let bytes = comment.bytes(cursor.chunked);
        match self.socket.write(bytes) {
            Ok(written) => written == bytes.len(),
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }
}

impl Origin {
    pub(super) fn accept(&mut self) {
        loop {
            match self.listener.accept() {
                Ok((mut socket, _)) => {
                    let entry = self.conns.vacant_entry();
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    // A socket that can't be watched is dropped, which its peer sees as a refusal.
                    let _ = socket.set_nodelay(true);
                    if self
                        .poll
                        .registry()
                        .register(&mut socket, Token(entry.key()), interest)
                        .is_ok()
                    {
                        entry.insert(Conn {
                            socket,
                            head: Vec::new(),
                            reading: None,
                        });
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // WouldBlock, or no descriptors: the next connection tries again.
                Err(_) => return,
            }
        }
    }

    pub(super) fn ready(&mut self, index: usize) {
        let Some(conn) = self.conns.get_mut(index) else { return };
        if conn.reading.is_some() {
            let open = still_open(&mut conn.socket) && self.pump(index);
            if !open {
                self.close(index);
            }
            return;
        }
        match read_request(&mut conn.socket, &mut conn.head) {
            Ok(None) => {}
            Ok(Some(request)) => {
                conn.head = Vec::new();
                if !self.open(index, &request) {
                    self.close(index);
                }
            }
            Err(_) => self.close(index),
        }
    }

    /// Answers a request; `false`: the connection ends.
    fn open(&mut self, index: usize, request: &Request) -> bool {
        let status = self.script.status(now_ns());
        let stream = match status {
            Some(_) => None,
            None => self.stream(&request.path),
        };
        let conn = &mut self.conns[index];
        let Some(stream_index) = stream else {
            let status = status.unwrap_or(404);
            let head = format!("HTTP/1.1 {status} Scripted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = conn.socket.write(head.as_bytes());
            return false;
        };
        let stream = &mut self.streams[stream_index];
        let form = self.options.form;
        let resume = request
            .last_event_id
            .as_deref()
            .filter(|_| form.ids || form.hint.is_some());
        let after: Option<u64> = resume.and_then(seq_of_id);
        let seq = match after {
            Some(id) => (id + 1).clamp(stream.oldest(), stream.next()),
            None => stream.next(),
        };
        if stream.ended && seq == stream.next() {
            let _ = conn
                .socket
                .write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
            return false;
        }
        // A fresh socket's buffer takes a head whole.
        if conn.socket.write(stream_head(request.chunked)).is_err() {
            return false;
        }
        conn.reading = Some((
            stream_index,
            Cursor {
                seq,
                offset: 0,
                chunked: request.chunked,
            },
        ));
        stream.readers.push(index);
        self.pump(index)
    }

    /// The stream of a path, opened if there is room.
    fn stream(&mut self, path: &str) -> Option<usize> {
        if let Some(index) = self.paths.get(path) {
            return Some(*index);
        }
        let index = self.streams.len();
        if index == self.options.streams {
            return None;
        }
        let channel = (self.options.streams > 1).then(|| u32::try_from(index).unwrap_or(u32::MAX));
        self.streams
            .push(Stream::new(channel, self.options.form, self.options.streams));
        self.paths.insert(path.to_owned(), index);
        self.reschedule();
        Some(index)
    }

    /// Writes to a connection what it has coming; `false`: it ends.
    pub(super) fn pump(&mut self, index: usize) -> bool {
        let now = now_ns();
        if self.script.silent(now) {
            return true;
        }
        let mut allowance = usize::MAX;
        if self.script.trickling(now) {
            if now - self.trickled_ns < TRICKLE_NS {
                return true;
            }
            self.trickled_ns = now;
            allowance = (TRICKLE_BYTES_PER_SECOND * TRICKLE_NS / SECOND_NS) as usize;
        }
        let Some(conn) = self.conns.get_mut(index) else {
            return false;
        };
        let Some((stream, cursor)) = &mut conn.reading else {
            return true;
        };
        let stream = &self.streams[*stream];
        match cursor.pump(&mut conn.socket, stream, &mut allowance) {
            Ok(Pumped::Level) if stream.ended => {
                if cursor.chunked {
                    let _ = conn.socket.write(b"0\r\n\r\n");
                }
                false
            }
            Ok(Pumped::Level | Pumped::Full) => true,
            Ok(Pumped::Overrun) | Err(_) => false,
        }
    }

    /// Comments to streams that have been silent for long: relays and proxies take silence for a
    /// connection that is dead.
    pub(super) fn write_heartbeats(&mut self, now: u64) {
        let every_ns = ns(self.options.heartbeat);
        if every_ns == 0 || self.script.silent(now) || self.script.trickling(now) {
            return;
        }
        let comment = frame(b":\n\n");
        let mut gone = Vec::new();
        for stream in &mut self.streams {
            if stream.ended || now.saturating_sub(stream.written_ns) < every_ns {
                continue;
            }
            stream.written_ns = now;
            for reader in &stream.readers {
                if !self.conns[*reader].comment(&comment, stream) {
                    gone.push(*reader);
                }
            }
        }
        gone.into_iter().for_each(|reader| self.close(reader));
    }

    pub(super) fn close(&mut self, index: usize) {
        if let Some(conn) = self.conns.try_remove(index)
            && let Some((stream, _)) = conn.reading
        {
            self.streams[stream].readers.retain(|reader| *reader != index);
        }
    }

    /// Every connection gets the first half of an event, then its end.
    pub(super) fn cut_all(&mut self) {
        let half = frame(b"data: {\"seq\":123456789,\"t_ns\":123456789,\"t_sched\":123456789}\n\n");
        for (_, conn) in &mut self.conns {
            if let Some((_, cursor)) = &conn.reading
                && cursor.offset == 0
            {
                let bytes = half.bytes(cursor.chunked);
                let _ = conn.socket.write(&bytes[..bytes.len() / 2]);
            }
        }
        self.conns.clear();
        self.streams.iter_mut().for_each(|stream| stream.readers.clear());
    }
}

/// Reads and drops what a client of an event stream has no reason to send; `false`: it has gone.
fn still_open(socket: &mut TcpStream) -> bool {
    let mut buffer = [0; 512];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}
