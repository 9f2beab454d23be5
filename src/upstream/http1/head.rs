//! From a connection's first bytes to the answer's head (RFC 9112, 4 and 5), interim answers passed
//! over.

use super::decoder::Decoder;
use super::framing;
use crate::upstream::interim::{INTERIM_MAX, Interim};
use bytes::{Buf as _, BytesMut};
use httparse::{ParserConfig, Status};
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::response::Parts;
use hyper::{Response, StatusCode, Version};
use memchr::memmem;

/// Largest head, in bytes.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Most field lines of a head: some ten times as many as servers send.
const LINES_MAX: usize = 100;

/// What has come of an answer's head.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    /// Bytes that are no part of a head yet; behind the head, of the body.
    pub(super) bytes: BytesMut,
    /// So many of them were searched for the head's end.
    searched: usize,
    /// So many of them were parsed in vain.
    tried: usize,
    /// Interim answers so far.
    interim: usize,
}

impl HeadReader {
    /// The head, and how its body is framed; `None`: it takes more bytes. An error says what is
    /// wrong with it.
    pub(super) fn next(&mut self) -> Result<Option<(Parts, Decoder)>, String> {
        while self.is_worth_a_try() {
            let Some((head, len)) = parse(&self.bytes)? else {
                break;
            };
            self.bytes.advance(len);
            (self.searched, self.tried) = (0, 0);
            // There is no going on in another protocol: none was asked for.
            if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                let decoder = framing::decoder(&head)?;
                return Ok(Some((head, decoder)));
            }
            self.interim += 1;
            if self.interim > INTERIM_MAX {
                return Err(Interim::TOO_MANY.to_owned());
            }
        }
        if self.bytes.len() >= HEAD_BYTES_MAX {
            return Err(format!("a response head of more than {HEAD_BYTES_MAX} bytes"));
        }
        Ok(None)
    }

    /// Whether it may be complete, or has become so much longer that what is no HTTP may show: one
    /// that trickles in is not parsed for each byte.
    fn is_worth_a_try(&mut self) -> bool {
        /// The longest end is an LF and a blank line: all but its last byte may have been searched.
        const OVERLAP: usize = 2;
        let new = &self.bytes[self.searched.saturating_sub(OVERLAP)..];
        let ends = memmem::find(new, b"\n\n").is_some() || memmem::find(new, b"\n\r\n").is_some();
        self.searched = self.bytes.len();
        let tries = self.bytes.len() > self.tried && (ends || self.bytes.len() >= 2 * self.tried);
        if tries {
            self.tried = self.bytes.len();
        }
        tries
    }
}

/// A head and its length; `None`: it is not complete.
fn parse(bytes: &[u8]) -> Result<Option<(Parts, usize)>, String> {
    let mut config = ParserConfig::default();
    config
        // As browsers do: one bad line of a head is no reason to refuse the stream.
        .ignore_invalid_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        // RFC 9112, 5.2: a line that goes on in the next one is one line.
        .allow_obsolete_multiline_headers_in_responses(true);
    let mut lines = [httparse::EMPTY_HEADER; LINES_MAX];
    let mut read = httparse::Response::new(&mut lines);
    let len = match config.parse_response(&mut read, bytes) {
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("the answer is no HTTP/1.1: {error}")),
    };
    let status = read.code.and_then(|code| StatusCode::from_u16(code).ok());
    let mut head = Response::new(()).into_parts().0;
    head.status = status.ok_or("the answer has no status")?;
    head.version = match read.version {
        Some(1) => Version::HTTP_11,
        _ => Version::HTTP_10,
    };
    for line in read.headers.iter() {
        // As above.
        if let (Ok(name), Some(value)) = (HeaderName::from_bytes(line.name.as_bytes()), value(line.value)) {
            head.headers.append(name, value);
        }
    }
    Ok(Some((head, len)))
}

/// A field's value; RFC 9112, 5.2: where it goes on in the next line, there is white space.
fn value(raw: &[u8]) -> Option<HeaderValue> {
    if !raw.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return HeaderValue::from_bytes(raw).ok();
    }
    let unfolded: Vec<u8> = raw
        .iter()
        .map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte })
        .collect();
    HeaderValue::from_bytes(unfolded.trim_ascii()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a head says, in one read and byte by byte: the same.
    fn read(bytes: &[u8]) -> Result<(Parts, Decoder, Vec<u8>), String> {
        let in_pieces = |piece: usize| {
            let mut reader = HeadReader::default();
            for (n, part) in bytes.chunks(piece).enumerate() {
                reader.bytes.extend_from_slice(part);
                if let Some((head, decoder)) = reader.next()? {
                    let rest = [&reader.bytes[..], &bytes[bytes.len().min((n + 1) * piece)..]].concat();
                    return Ok((head, decoder, rest));
                }
            }
            Err("incomplete".to_owned())
        };
        let whole = in_pieces(bytes.len().max(1));
        let shown = |read: &Result<(Parts, Decoder, Vec<u8>), String>| format!("{read:?}");
        // Where both fail, one may find out earlier.
        for piece in [1, 7] {
            let other = in_pieces(piece);
            assert_eq!(other.is_ok(), whole.is_ok(), "{other:?}");
            assert!(whole.is_err() || shown(&other) == shown(&whole), "{other:?}");
        }
        whole
    }

    #[test]
    fn a_head_is_read_however_it_comes() {
        let answer = b"\r\nHTTP/1.1 200 OK\r\nX: 1\r\nx : 2\r\nContent-Length: 3\r\n\r\nabc";
        let (head, decoder, rest) = read(answer).unwrap();
        assert_eq!((head.status.as_u16(), head.version), (200, Version::HTTP_11));
        assert_eq!(head.headers.get_all("x").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((decoder, &rest[..]), (Decoder::length(3), &b"abc"[..]));
        let (head, decoder, _) = read(b"HTTP/1.0 404\n\n").unwrap();
        assert_eq!((head.status.as_u16(), head.version), (404, Version::HTTP_10));
        assert_eq!(decoder, Decoder::until_close());
    }

    #[test]
    fn interim_answers_are_passed_over_and_not_any_number() {
        let interim = "HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n";
        let answers = |times| format!("{}HTTP/1.1 204 No Content\r\n\r\n", interim.repeat(times)).into_bytes();
        assert_eq!(read(&answers(INTERIM_MAX)).unwrap().0.status.as_u16(), 204);
        assert_eq!(read(&answers(INTERIM_MAX + 1)).unwrap_err(), Interim::TOO_MANY);
        let switching = read(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").unwrap();
        assert_eq!((switching.0.status.as_u16(), switching.1), (101, Decoder::length(0)));
    }

    #[test]
    fn a_bad_line_is_left_out() {
        let head = read(b"HTTP/1.1 200 OK\r\nbad line\r\nA b: c\r\nD: \x7f\r\nGood: 1\r\n\r\n");
        let headers = head.unwrap().0.headers;
        assert_eq!((headers.len(), headers["good"].as_bytes()), (1, &b"1"[..]));
    }

    #[test]
    fn a_body_that_can_be_read_in_two_ways_is_refused() {
        assert!(read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n").is_err());
    }

    #[test]
    fn a_folded_line_is_one_line() {
        let head = read(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream;\r\n\tcharset=utf-8\r\n\r\n").unwrap();
        assert!(
            head.0.headers["content-type"]
                .to_str()
                .unwrap()
                .ends_with(" \tcharset=utf-8")
        );
        let folded = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 0\r\n\r\n";
        assert!(read(folded).is_err());
        let folded = b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n";
        assert_eq!(read(folded).unwrap().1, Decoder::chunked());
    }

    #[test]
    fn what_is_no_http_is_found_out_at_once() {
        for bytes in [
            &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
            b"data: 1\n\n",
            b"\0\0\0",
            b"HTTP/3 200\r\n\r\n",
        ] {
            let mut reader = HeadReader::default();
            reader.bytes.extend_from_slice(bytes);
            assert!(reader.next().is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn heads_are_bounded() {
        let mut reader = HeadReader::default();
        reader.bytes.extend_from_slice(b"HTTP/1.1 200 OK\r\nX: ");
        reader.bytes.resize(HEAD_BYTES_MAX - 1, b'x');
        assert!(matches!(reader.next(), Ok(None)));
        reader.bytes.extend_from_slice(b"x");
        assert!(reader.next().is_err());
        let lines = "X: 1\r\n".repeat(LINES_MAX + 1);
        assert!(read(format!("HTTP/1.1 200 OK\r\n{lines}\r\n").as_bytes()).is_err());
    }
}
