//! One GET over a connection of its own.

use crate::control::Target;
use crate::head::Head;
use crate::scan::Framing;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

/// The largest answer that is taken, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The whole answer, with 200.
    Served,
    /// No answer but the connection's end, or 503.
    Refused,
    /// Anything else.
    Failed(String),
}

/// A fetch under way.
#[derive(Debug)]
pub(super) struct Fetch {
    /// When the event came that asked for it.
    pub(super) event_ns: u64,
    pub(super) begun_ns: u64,
    socket: TcpStream,
    sent: bool,
    answer: Vec<u8>,
}

/// The request, which is the same each time.
pub(super) fn write(target: &Target) -> Vec<u8> {
    let Target { path, authority, .. } = target;
    format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nAccept: application/atom+xml\r\nConnection: close\r\n\r\n")
        .into()
}

impl Fetch {
    pub(super) fn begin(
        target: &Target,
        registry: &Registry,
        token: Token,
        event_ns: u64,
        begun_ns: u64,
    ) -> io::Result<Self> {
        let mut socket = TcpStream::connect(target.address)?;
        registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            event_ns,
            begun_ns,
            socket,
            sent: false,
            answer: Vec::new(),
        })
    }

    /// Goes on as far as the socket lets it; `None`: it isn't over.
    pub(super) fn ready(&mut self, request: &[u8]) -> Option<Answer> {
        match self.go_on(request) {
            Ok(done) => done,
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            // Closed unread by a server that has no room.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                Some(Answer::Refused)
            }
            Err(error) => Some(Answer::Failed(error.to_string())),
        }
    }

    fn go_on(&mut self, request: &[u8]) -> io::Result<Option<Answer>> {
        if !self.sent {
            if let Some(error) = self.socket.take_error()? {
                return Err(error);
            }
            match self.socket.peer_addr() {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(None),
                Err(error) => return Err(error),
            }
            // A fresh socket's buffer takes a request whole.
            if self.socket.write(request)? != request.len() {
                return Err(ErrorKind::WriteZero.into());
            }
            self.sent = true;
        }
        let mut buffer = [0; 4096];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) if self.answer.is_empty() => return Ok(Some(Answer::Refused)),
                Ok(0) => return Ok(Some(Answer::Failed("half an answer".to_owned()))),
                Ok(read) => self.answer.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if let Some(answer) = judge(&self.answer) {
                return Ok(Some(answer));
            }
        }
    }

    /// Leaves no port in TIME_WAIT: the fetches of a thundering herd would use up all that there
    /// are. The answer is here by now, so a reset loses nothing.
    pub(super) fn close(self) {
        let _ = socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
    }
}

/// What an answer is; `None` while it is incomplete.
fn judge(bytes: &[u8]) -> Option<Answer> {
    let failed = |text: String| Some(Answer::Failed(text));
    match Head::parse(bytes) {
        Err(_) => failed("no HTTP answer".to_owned()),
        Ok(None) => None,
        Ok(Some(Head { status: 503, .. })) => Some(Answer::Refused),
        Ok(Some(head)) if head.status != 200 => failed(format!("status {}", head.status)),
        Ok(Some(head)) => match head.framing {
            Framing::Length(length) if length > ANSWER_BYTES_MAX as u64 => failed("a very long answer".to_owned()),
            Framing::Length(length) => ((bytes.len() - head.len) as u64 >= length).then_some(Answer::Served),
            Framing::Chunked | Framing::ToEnd => failed("an answer without a length".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_when_it_is_whole() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        for cut in 0..answer.len() {
            assert_eq!(judge(&answer[..cut]), None);
        }
        assert_eq!(judge(answer), Some(Answer::Served));
        assert_eq!(judge(b"HTTP/1.1 503 Busy\r\n\r\n"), Some(Answer::Refused));
        let failed = |bytes| matches!(judge(bytes), Some(Answer::Failed(_)));
        assert!(failed(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
        assert!(failed(b"HTTP/1.1 200 OK\r\n\r\n"));
        assert!(failed(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"));
    }
}
