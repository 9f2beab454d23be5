//! The state of one client: what N of it cost decides how many fit into a machine.

use super::scan::{Framing, Scanner};
use super::tally::Tally;
use std::io::Write;

/// How a client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As fast as it can.
    Reader,
    /// A bounded number of bytes a second.
    Slow,
    /// Not at all, once the stream is open.
    Stalled,
}

/// How far a connection has come.
#[derive(Debug)]
pub enum Stage {
    /// No connection.
    Away,
    /// The connection is being made.
    Connecting,
    /// The request has gone; what came of the response head.
    Head(Vec<u8>),
    /// The stream is open.
    Live,
    /// The server's answer won't get better: the client stays away.
    GivenUp,
}

/// One client, whose connection is an `S`.
#[derive(Debug)]
pub struct Client<S> {
    /// Its connection; `None`: it has none, or shares another's.
    pub socket: Option<S>,
    /// How far that has come.
    pub stage: Stage,
    /// How it reads.
    pub kind: Kind,
    /// It has had a stream before.
    pub returning: bool,
    /// Milliseconds; from the server's `retry`. 0: never said.
    pub retry_ms: u32,
    /// When the connection was begun, in nanoseconds of the [clock](super::clock).
    pub started_ns: u64,
    /// What it has got.
    pub tally: Tally,
    /// Of the stream that is open, with the last event ID of all.
    pub scanner: Scanner,
}

impl<S> Client<S> {
    /// A client without a connection. Of `repeats` identical events in a row it needs one.
    pub fn new(kind: Kind, repeats: u32) -> Self {
        Self {
            socket: None,
            stage: Stage::Away,
            kind,
            returning: false,
            retry_ms: 0,
            started_ns: 0,
            tally: Tally::of_repeats(repeats),
            scanner: Scanner::new(Framing::ToEnd, Vec::new()),
        }
    }

    /// Whether its stream is open.
    pub fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Live)
    }

    /// The response head has come: its stream is open. `first_seq` is the event that its first
    /// stream has to begin with, 0 any; `resumes`: the request said where to go on.
    pub fn opened(&mut self, framing: Framing, first_seq: u64, resumes: bool) {
        let last_id = self.scanner.take_last_id();
        if !self.returning {
            self.tally.expect(first_seq);
        } else if !resumes || last_id.is_empty() {
            // Nothing told the server where to go on: whatever comes next is right.
            self.tally.forget();
        }
        self.returning = true;
        self.scanner = Scanner::new(framing, last_id);
        self.stage = Stage::Live;
    }
}

/// What a client asks for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The `Host` field.
    pub authority: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// `Last-Event-ID`; empty: none.
    pub last_id: &'a [u8],
}

impl Asked<'_> {
    /// Writes the request to `out`, with more fields (`Name: value`).
    pub fn write(&self, out: &mut Vec<u8>, fields: impl IntoIterator<Item = impl AsRef<str>>) {
        // Writing to a Vec can't fail.
        let _ = write!(
            out,
            "GET {} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n",
            self.path, self.authority
        );
        for field in fields {
            let _ = write!(out, "{}\r\n", field.as_ref());
        }
        if !self.last_id.is_empty() {
            out.extend_from_slice(b"Last-Event-ID: ");
            out.extend_from_slice(self.last_id);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_a_few_hundred_bytes() {
        let size = size_of::<Client<mio::net::TcpStream>>();
        assert!(size <= 320, "{size} bytes");
    }

    #[test]
    fn a_request_names_what_it_wants() {
        let asked = Asked {
            authority: "localhost:80",
            path: "/jobs/2",
            last_id: b"e.7",
        };
        let mut out = Vec::new();
        asked.write(&mut out, ["Authorization: Bearer x"]);
        let text = String::from_utf8(out).expect("ASCII");
        assert!(
            text.starts_with("GET /jobs/2 HTTP/1.1\r\nHost: localhost:80\r\n"),
            "{text}"
        );
        assert!(
            text.ends_with("Authorization: Bearer x\r\nLast-Event-ID: e.7\r\n\r\n"),
            "{text}"
        );
    }

    #[test]
    fn without_an_id_a_stream_may_go_on_anywhere() {
        let mut client = Client::<()>::new(Kind::Reader, 1);
        client.opened(Framing::ToEnd, 1, true);
        assert_eq!(client.tally.next(), 1);
        client.opened(Framing::ToEnd, 1, true);
        assert_eq!(client.tally.next(), 0);
    }
}
