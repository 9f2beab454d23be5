//! What has been read of a connection and not used yet: bounded, and looked at once, however slowly
//! it comes.

use super::{Malformed, RequestHead, parse, request_line};
use crate::h2::PREFACE;
use crate::net::proxy_protocol::{self, BadHeader};
use bytes::{Buf as _, Bytes, BytesMut};
use std::net::SocketAddr;

/// Bytes that are here, in front of what the connection still holds.
#[derive(Debug, Default)]
pub struct ReadAhead {
    bytes: BytesMut,
    /// The head that begins here does not end before this.
    looked_at: usize,
    /// Its first line is here, and was found to be one.
    has_line: bool,
    /// A PROXY protocol header has to come before the first request.
    awaits_proxy_header: bool,
    /// The connection may turn out to speak HTTP/2: nothing of it has been used.
    may_be_http2: bool,
}

/// What is here of HTTP/2's preface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preface {
    None,
    Begun,
    Whole,
}

impl ReadAhead {
    /// For a client's connection, over which HTTP/2 may be spoken by prior knowledge (RFC 9113,
    /// 3.3).
    pub(crate) fn of_client() -> Self {
        Self {
            may_be_http2: true,
            ..Self::default()
        }
    }

    /// For a client's connection that begins with a PROXY protocol header.
    pub(crate) fn behind_proxy() -> Self {
        Self {
            awaits_proxy_header: true,
            ..Self::of_client()
        }
    }

    /// As another process has left it.
    pub(crate) fn going_on(read: &[u8], awaits_proxy_header: bool, may_be_http2: bool) -> Self {
        Self {
            bytes: BytesMut::from(read),
            awaits_proxy_header,
            may_be_http2,
            ..Self::default()
        }
    }

    /// Whether a PROXY protocol header has to come.
    pub(crate) fn awaits_proxy_header(&self) -> bool {
        self.awaits_proxy_header
    }

    /// Whether the connection may turn out to speak HTTP/2.
    pub(crate) fn may_be_http2(&self) -> bool {
        self.may_be_http2
    }

    /// Whether HTTP/2's preface stands at the beginning of the connection. It stays here.
    pub(crate) fn preface(&self) -> Preface {
        let len = self.bytes.len().min(PREFACE.len());
        // The first bytes of a method that begins alike decide it.
        if !self.may_be_http2 || len == 0 || self.bytes[..len] != PREFACE[..len] {
            Preface::None
        } else if len < PREFACE.len() {
            Preface::Begun
        } else {
            Preface::Whole
        }
    }

    /// Takes out the PROXY protocol header, where one has to come; whether nothing is missing of
    /// it. The address in it, if any, becomes the peer's.
    pub(crate) fn take_proxy_header(&mut self, peer: &mut SocketAddr) -> Result<bool, BadHeader> {
        if !self.awaits_proxy_header {
            return Ok(true);
        }
        let Some(header) = proxy_protocol::parse(&self.bytes)? else {
            return Ok(false);
        };
        self.bytes.advance(header.len);
        self.awaits_proxy_header = false;
        *peer = header.source.unwrap_or(*peer);
        Ok(true)
    }

    /// Takes in what was read.
    pub fn push(&mut self, read: &[u8]) {
        self.bytes.extend_from_slice(read);
    }

    /// Puts a request's head back, which comes next then.
    pub(crate) fn put_back(&mut self, head: &[u8]) {
        let behind = std::mem::take(&mut self.bytes);
        self.bytes.reserve(head.len() + behind.len());
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(&behind);
        (self.looked_at, self.has_line) = (0, false);
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing has come of a request.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether the request that begins here is a `HEAD`.
    pub(crate) fn asks_for_head(&self) -> bool {
        self.bytes.starts_with(b"HEAD ")
    }

    /// Takes out up to `len` bytes, whatever they are.
    pub(crate) fn take(&mut self, len: usize) -> Bytes {
        let len = len.min(self.bytes.len());
        (self.looked_at, self.has_line) = (0, false);
        self.bytes.split_to(len).freeze()
    }

    /// Takes out the next request's head; `None`: it is not complete yet.
    pub fn next(&mut self, bytes_max: usize) -> Result<Option<RequestHead>, Malformed> {
        self.skip_empty_lines();
        match self.find_end() {
            Some(end) if end <= bytes_max => {
                self.check_line()?;
                let head = self.bytes.split_to(end);
                self.may_be_http2 = false;
                (self.looked_at, self.has_line) = (0, false);
                if self.bytes.is_empty() {
                    // The buffer goes with the head: a connection that waits for the next one holds
                    // no memory.
                    self.bytes = BytesMut::new();
                }
                parse::parse(head).map(Some)
            }
            None if self.bytes.len() < bytes_max => self.check_line().map(|()| None),
            _ => Err(self.too_long(bytes_max)),
        }
    }

    /// What is wrong with a head of more than so many bytes, as far as they say.
    fn too_long(&mut self, bytes_max: usize) -> Malformed {
        let beginning = &self.bytes[..bytes_max.min(self.bytes.len())];
        if memchr::memchr(b'\n', beginning).is_some() {
            return self.check_line().err().unwrap_or(Malformed::HeadTooLarge);
        }
        match request_line::may_begin(beginning) {
            true => Malformed::TargetTooLong,
            false => Malformed::RequestLine,
        }
    }

    /// RFC 9112, 2.2: empty lines before a request are nothing.
    fn skip_empty_lines(&mut self) {
        loop {
            match self.bytes[..] {
                [b'\n', ..] => self.bytes.advance(1),
                [b'\r', b'\n', ..] => self.bytes.advance(2),
                _ => return,
            }
            self.looked_at = 0;
        }
    }

    /// The length of the head, its end included: an empty line.
    fn find_end(&mut self) -> Option<usize> {
        while let Some(at) = memchr::memchr(b'\n', &self.bytes[self.looked_at..]) {
            let line_end = self.looked_at + at;
            match self.bytes[line_end + 1..] {
                [b'\n', ..] => return Some(line_end + 2),
                [b'\r', b'\n', ..] => return Some(line_end + 3),
                [] | [b'\r'] => {
                    // What follows is not here yet.
                    self.looked_at = line_end;
                    return None;
                }
                _ => self.looked_at = line_end + 1,
            }
        }
        if self.has_line {
            self.looked_at = self.bytes.len();
        }
        None
    }

    /// Finds out early what never becomes a request, so that a client of another protocol is told
    /// at once.
    fn check_line(&mut self) -> Result<(), Malformed> {
        if self.has_line {
            return Ok(());
        }
        let Some(end) = memchr::memchr(b'\n', &self.bytes) else {
            let new = &self.bytes[self.looked_at..];
            if !request_line::may_begin(new) {
                return Err(Malformed::RequestLine);
            }
            // A CR is looked at again, with what follows it.
            self.looked_at = self.bytes.len() - usize::from(new.ends_with(b"\r"));
            return Ok(());
        };
        request_line::check(&self.bytes[..end])?;
        self.has_line = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES_MAX: usize = 256;

    /// What is found in these bytes, pushed in pieces that end at these places.
    fn found(bytes: &[u8], ends: &[usize]) -> Vec<Result<(String, usize), Malformed>> {
        let mut ahead = ReadAhead::default();
        let mut found = Vec::new();
        let mut start = 0;
        for &end in ends.iter().chain([&bytes.len()]) {
            ahead.push(&bytes[start..end]);
            start = end;
            loop {
                match ahead.next(BYTES_MAX) {
                    Ok(Some(head)) => found.push(Ok((head.request.uri().to_string(), head.bytes.len()))),
                    Ok(None) => break,
                    Err(why) => {
                        found.push(Err(why));
                        return found;
                    }
                }
            }
        }
        found
    }

    #[test]
    fn however_it_is_cut_up_the_same_requests_are_read() {
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(BYTES_MAX));
        let large = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(BYTES_MAX));
        for bytes in [
            &b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"[..],
            b"\r\n\n\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.0\r\n\r\n\r\nGET /c HTTP/1.1\nHost: h\n\n",
            b"GET /a HTTP/1.1\r\nHost: h\r\nLast-Event-ID: a\x01\r\n\r\nrest",
            b"GET /a HTTP/1.1\r\nHost: h\r\n\r\r\n\r\n",
            b"GET /a HTTP/1.1\r\nHost: h\n\r\n\0",
            b"GET /a HTTP/2.0\r\n\r\n",
            b"\x16\x03\x01\x02",
            b"hello\r\nworld",
            b"GET /a HTTP/1.1\r\n\r\n",
            b"GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n",
            b"\r",
            long.as_bytes(),
            large.as_bytes(),
        ] {
            let whole = found(bytes, &[]);
            for end in 1..bytes.len() {
                assert_eq!(found(bytes, &[end]), whole, "cut at {end}: {}", bytes.escape_ascii());
            }
            let all: Vec<usize> = (1..bytes.len()).collect();
            assert_eq!(found(bytes, &all), whole, "byte by byte: {}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_request_is_told_at_once() {
        let refused = |bytes: &[u8]| found(bytes, &[]).pop().and_then(Result::err);
        assert_eq!(refused(b"\x16\x03\x01"), Some(Malformed::RequestLine), "TLS");
        assert_eq!(refused(b"hello\r\n"), Some(Malformed::RequestLine));
        assert_eq!(refused(b"PRI * HTTP/2.0\r\n"), Some(Malformed::Version));
        assert_eq!(refused(b"GET / HTTP/1.1\r\nA: \x01"), None, "it may be repaired");
        assert_eq!(refused(&[b'a'; BYTES_MAX]), Some(Malformed::TargetTooLong));
        let fields = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(BYTES_MAX));
        assert_eq!(refused(fields.as_bytes()), Some(Malformed::HeadTooLarge));
    }

    #[test]
    fn the_preface_of_http_2_is_told_from_a_request() {
        let told = |bytes: &[u8], mut ahead: ReadAhead| {
            ahead.push(bytes);
            ahead.preface()
        };
        for len in 1..PREFACE.len() {
            assert_eq!(told(&PREFACE[..len], ReadAhead::of_client()), Preface::Begun, "{len}");
            let other = [&PREFACE[..len], b"x"].concat();
            assert_eq!(told(&other, ReadAhead::of_client()), Preface::None, "{len}");
        }
        assert_eq!(told(PREFACE, ReadAhead::of_client()), Preface::Whole);
        assert_eq!(
            told(PREFACE, ReadAhead::default()),
            Preface::None,
            "not on every connection"
        );
        let mut used = ReadAhead::of_client();
        used.push(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert!(used.next(BYTES_MAX).is_ok_and(|head| head.is_some()));
        assert_eq!(told(PREFACE, used), Preface::None, "not behind a request");
    }

    /// A connection between two requests.
    #[test]
    fn what_waits_for_the_next_head_holds_no_memory() {
        let mut ahead = ReadAhead::default();
        ahead.push(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
        assert!(ahead.next(BYTES_MAX).is_ok_and(|head| head.is_some()));
        assert_eq!((ahead.is_empty(), ahead.bytes.capacity()), (true, 0));
    }

    proptest::proptest! {
            #[test]
            fn random_pieces_of_requests_are_read_the_same_byte_by_byte(
                parts in proptest::collection::vec(
                    proptest::sample::select(vec![
                        &b"GET / HTTP/1.1"[..], b"POST /a HTTP/1.2", b"Host: h", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"Last-Event-ID:", b":", b" ",
                        b"a", b"\x01", b"\0", b"\xff", b"Content-Length: 1", b"PRI * HTTP/2.0",
                    ]),
                    0..24,
                ),
            ) {
                let bytes = parts.concat();
                let all: Vec<usize> = (1..bytes.len().max(1)).filter(|_| !bytes.is_empty()).collect();
                proptest::prop_assert_eq!(found(&bytes, &all), found(&bytes, &[]));
            }

            #[test]
            fn any_bytes_are_read_the_same_byte_by_byte(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
                let all: Vec<usize> = (1..bytes.len().max(1)).filter(|_| !bytes.is_empty()).collect();
                proptest::prop_assert_eq!(found(&bytes, &all), found(&bytes, &[]));
            }

            /// What was read is read the same again, so hyper, which gets its bytes, sees the same
            /// request.
            #[test]
            fn what_was_read_reads_the_same_again(
                method in "[A-Z]{1,8}",
                target in "/[!-~]{0,20}",
                minor in 0_u8..4,
                fields in proptest::collection::vec(("[A-Za-z-]{1,12}", "[ -~\\x01\\x80-\\xff]{0,20}"), 0..8),
            ) {
                let mut text = format!("{method} {target} HTTP/1.{minor}\r\nHost: a\r\n").into_bytes();
                for (name, value) in fields {
                    text.extend(name.bytes().chain(*b": ").chain(value.bytes()).chain(*b"\r\n"));
                }
                text.extend(b"\r\n");
                let read = |bytes: &[u8]| {
                    let mut ahead = ReadAhead::default();
                    ahead.push(bytes);
                    ahead.next(64 * 1024)
                };
                if let Ok(Some(head)) = read(&text) {
                    let again = read(&head.bytes).expect("a head").expect("a whole one");
                    proptest::prop_assert_eq!(&again.bytes, &head.bytes);
                    proptest::prop_assert_eq!(again.body, head.body);
                    proptest::prop_assert_eq!(again.request.uri(), head.request.uri());
                    proptest::prop_assert_eq!(again.request.version(), head.request.version());
                    proptest::prop_assert_eq!(again.request.headers(), head.request.headers());
                }
            }
    }
}
