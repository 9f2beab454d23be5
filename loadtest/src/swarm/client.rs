//! The state of one client: what N of it cost decides how many fit into a machine.

use super::socket::Socket;
use crate::control::{SwarmSetup, Target};
use crate::scan::{Framing, Scanner};
use crate::tally::Tally;
use std::io::Write;

/// How a client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As fast as it can.
    Reader,
    /// A bounded number of bytes a second.
    Slow,
    /// Not at all, once the stream is open.
    Stalled,
}

/// How far a connection has come.
#[derive(Debug)]
pub(crate) enum Stage {
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

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: Option<Socket>,
    pub(crate) stage: Stage,
    pub(crate) kind: Kind,
    /// It has had a stream before.
    pub(crate) returning: bool,
    /// Milliseconds; from the server's `retry`. 0: never said.
    pub(crate) retry_ms: u32,
    /// When the connection was begun.
    pub(crate) started_ns: u64,
    pub(crate) tally: Tally,
    pub(crate) scanner: Scanner,
}

impl Client {
    pub(crate) fn new(kind: Kind, repeats: u32) -> Self {
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

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Live)
    }
}

/// The kind of the client with this number: the shares are spread evenly, so that every process
/// gets its ratio of each kind.
pub(crate) fn kind_of(number: usize, setup: &SwarmSetup) -> Kind {
    let chosen = |share: f64, offset: f64| {
        let before = (number as f64).mul_add(share, offset).floor();
        ((number + 1) as f64).mul_add(share, offset).floor() > before
    };
    if chosen(setup.stalled_share, 0.0) {
        Kind::Stalled
    } else if setup.slow_share > 0.0 && chosen(setup.slow_share / (1.0 - setup.stalled_share).max(1e-9), 0.5) {
        Kind::Slow
    } else {
        Kind::Reader
    }
}

/// Writes a client's request to `out`.
pub(crate) fn write_request(out: &mut Vec<u8>, target: &Target, setup: &SwarmSetup, number: usize, last_id: &[u8]) {
    let path = path(target, setup, number);
    // Writing to a Vec can't fail.
    let _ = write!(
        out,
        "GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n",
        target.authority
    );
    if let Some(authorization) = &setup.authorization {
        let _ = write!(out, "Authorization: {authorization}\r\n");
    }
    for header in &setup.headers {
        let _ = write!(out, "{header}\r\n");
    }
    if setup.resume && !last_id.is_empty() {
        out.extend_from_slice(b"Last-Event-ID: ");
        out.extend_from_slice(last_id);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// The path with its placeholders filled in.
pub(crate) fn path(target: &Target, setup: &SwarmSetup, number: usize) -> String {
    if !target.path.contains('{') {
        return target.path.clone();
    }
    let stream = number % setup.streams.max(1);
    target
        .path
        .replace("{client}", &number.to_string())
        .replace("{stream}", &stream.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_a_few_hundred_bytes() {
        let size = size_of::<Client>();
        assert!(size <= 320, "{size} bytes");
    }

    #[test]
    fn shares_are_kept() {
        let setup = SwarmSetup {
            stalled_share: 0.1,
            slow_share: 0.2,
            ..SwarmSetup::default()
        };
        let count = |kind| (0..1000).filter(|number| kind_of(*number, &setup) == kind).count();
        assert_eq!(count(Kind::Stalled), 100);
        assert!((190..=210).contains(&count(Kind::Slow)), "{}", count(Kind::Slow));
    }

    #[test]
    fn a_request_names_what_it_wants() {
        let target = Target {
            tls: false,
            address: ([127, 0, 0, 1], 80).into(),
            authority: "localhost:80".to_owned(),
            path: "/jobs/{stream}?c={client}".to_owned(),
        };
        let setup = SwarmSetup {
            resume: true,
            streams: 5,
            authorization: Some("Bearer x".to_owned()),
            ..SwarmSetup::default()
        };
        let mut out = Vec::new();
        write_request(&mut out, &target, &setup, 12, b"e.7");
        let text = String::from_utf8(out).expect("ASCII");
        assert!(
            text.starts_with("GET /jobs/2?c=12 HTTP/1.1\r\nHost: localhost:80\r\n"),
            "{text}"
        );
        assert!(
            text.ends_with("Authorization: Bearer x\r\nLast-Event-ID: e.7\r\n\r\n"),
            "{text}"
        );
    }
}
