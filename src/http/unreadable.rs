//! Requests that hyper can't read. hyper would answer them without a word; here they get problem details as every refusal does, and time to
//! read them.
//!
//! One kind can be read all the same: browsers send a last event ID in its header as it is, control characters included, which
//! no header may hold (RFC 9110, 5.5). A refusal would stop an EventSource for ever, so such an id is taken out of the head, and goes
//! with the request beside it.

use super::answer;
use super::request::{LAST_EVENT_ID, RawLastEventId};
use super::socket::{LazySocket, Mode};
use super::stream_head::{date, put};
use crate::config::Limits;
use bytes::{BufMut as _, Bytes, BytesMut};
use hyper::StatusCode;
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

/// How long the rest of such a request is read and thrown away after the answer, and its bytes at most: a socket that is closed with
/// bytes unread resets the connection, and the answer may be lost with it (RFC 9112, 9.6).
const LINGER_MAX: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: u64 = 1024 * 1024;

/// A head that can be read.
pub(super) struct Mended {
    /// The head without the id, and what came behind it.
    pub(super) ahead: Bytes,
    pub(super) last_event_id: RawLastEventId,
}

/// Takes an id that no header may hold out of a head of which `read` has come. `Err`: that is not what is wrong with what was read.
pub(super) async fn mend(io: LazySocket, read: Bytes, limits: &Limits) -> (LazySocket, Result<Mended, Bytes>) {
    if !find_id(&read).is_some_and(|at| read[at].iter().any(is_forbidden)) {
        return (io, Err(read));
    }
    let mut io = TokioIo::new(io);
    let mut head = BytesMut::from(&read[..]);
    let whole = async {
        while memchr::memmem::find(&head, b"\r\n\r\n").is_none() {
            if head.len() >= limits.header_bytes || io.read_buf(&mut head).await.unwrap_or(0) == 0 {
                return false;
            }
        }
        true
    };
    let whole = timeout(limits.header_timeout, whole).await.unwrap_or(false);
    (io.into_inner(), if whole { take_id(head) } else { Err(head.freeze()) })
}

fn take_id(mut head: BytesMut) -> Result<Mended, Bytes> {
    let Some(id) = find_id(&head) else {
        return Err(head.freeze());
    };
    let last_event_id = RawLastEventId(Bytes::copy_from_slice(trimmed(&head[id.clone()])));
    // The header stays, empty: what it says comes with the request.
    let behind = head.split_off(id.end);
    head.truncate(id.start);
    head.put(behind);
    Ok(Mended {
        ahead: head.freeze(),
        last_event_id,
    })
}

/// Where the value of the `Last-Event-ID` is in a head, as far as it has come.
fn find_id(head: &[u8]) -> Option<std::ops::Range<usize>> {
    let mut start = 0;
    loop {
        let line = &head[start..];
        let end = memchr::memchr(b'\n', line).unwrap_or(line.len());
        let line = line[..end].strip_suffix(b"\r").unwrap_or(&line[..end]);
        let name = LAST_EVENT_ID;
        let name = name.as_str().as_bytes();
        if line.len() > name.len() && line[..name.len()].eq_ignore_ascii_case(name) && line[name.len()] == b':' {
            return Some(start + name.len() + 1..start + line.len());
        }
        start += end + 1;
        if line.is_empty() || start >= head.len() {
            return None;
        }
    }
}

/// Without the white space around it, which is no part of it.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// What hyper refuses in a header's value.
fn is_forbidden(byte: &u8) -> bool {
    byte.is_ascii_control() && *byte != b'\t'
}

/// Answers with problem details, and lets them be read.
pub(super) async fn refuse(io: LazySocket, mode: &Mode, status: u16, read: &[u8]) {
    let answer = problem(status, read);
    let mut io = TokioIo::new(io);
    mode.can_be_read_after_all();
    mode.request_is_read();
    let said = async {
        io.write_all(&answer).await?;
        io.shutdown().await?;
        let mut rest = io.take(LINGER_BYTES_MAX);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    // Who has gone, or takes nothing, needs no answer.
    let _ = timeout(LINGER_MAX, said).await;
}

/// The answer as bytes.
fn problem(status: u16, read: &[u8]) -> Bytes {
    let (status, detail) = match status {
        // The line in which the target is has no end yet.
        431 if memchr::memchr(b'\n', read).is_none() => (StatusCode::URI_TOO_LONG, TARGET_TOO_LONG),
        431 => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "the request's head is too large",
        ),
        414 => (StatusCode::URI_TOO_LONG, TARGET_TOO_LONG),
        _ => (StatusCode::BAD_REQUEST, "the request can't be read"),
    };
    let body = answer::details(status, detail);
    let mut out = BytesMut::new();
    out.put_slice(format!("HTTP/1.1 {status}\r\n").as_bytes());
    put(&mut out, "content-type", answer::PROBLEM.as_bytes());
    put(&mut out, "content-length", body.len().to_string().as_bytes());
    put(&mut out, "date", date().as_slice());
    put(&mut out, "connection", b"close");
    out.put_slice(b"\r\n");
    if !read.starts_with(b"HEAD ") {
        out.put_slice(body.as_bytes());
    }
    out.freeze()
}

const TARGET_TOO_LONG: &str = "the request's target is too long";

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(head: &str) -> Option<(String, Vec<u8>)> {
        let mended = take_id(BytesMut::from(head.as_bytes())).ok()?;
        let ahead = String::from_utf8(mended.ahead.to_vec()).expect("text");
        Some((ahead, mended.last_event_id.0.to_vec()))
    }

    #[test]
    fn the_id_is_taken_out_of_the_head() {
        for (head, ahead, id) in [
            (
                "GET / HTTP/1.1\r\nlast-EVENT-id:  a\u{1}b\t\r\nA: b\r\n\r\nbody",
                "GET / HTTP/1.1\r\nlast-EVENT-id:\r\nA: b\r\n\r\nbody",
                "a\u{1}b",
            ),
            (
                "GET / HTTP/1.1\nLast-Event-ID:\u{c}\n\n",
                "GET / HTTP/1.1\nLast-Event-ID:\n\n",
                "\u{c}",
            ),
        ] {
            assert_eq!(mended(head), Some((ahead.to_owned(), id.as_bytes().to_vec())));
        }
        for other in [
            "",
            "GET / HTTP/1.1\r\nA: \u{1}\r\n\r\n",
            "GET / HTTP/1.1\r\nLast-Event-ID2: a\r\n\r\n",
            "POST / HTTP/1.1\r\n\r\nLast-Event-ID: a\r\n\r\n",
        ] {
            assert_eq!(mended(other), None, "{other:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_an_id_is_taken_once_and_the_rest_stays(
            parts in proptest::collection::vec(
                proptest::sample::select(vec![
                    &b"GET / HTTP/1.1"[..], b"\r\n", b"\n", b"\r", b"Last-Event-ID:", b"last-event-id", b":", b" ", b"\t", b"a", b"\x01", b"\xff",
                ]),
                0..24,
            ),
        ) {
            let head = parts.concat();
            match take_id(BytesMut::from(&head[..])) {
                Ok(mended) => {
                    proptest::prop_assert!(mended.ahead.len() <= head.len());
                    // What is left says nothing: it is not taken a second time.
                    let again = find_id(&mended.ahead).map(|at| mended.ahead[at].to_vec());
                    proptest::prop_assert_eq!(again, Some(Vec::new()));
                }
                Err(same) => proptest::prop_assert_eq!(&same[..], &head[..]),
            }
        }
    }

    #[test]
    fn what_it_is_refused_with() {
        let refused = |status, read: &str| String::from_utf8(problem(status, read.as_bytes()).to_vec()).expect("text");
        for (status, read, line) in [
            (400, "\0", "HTTP/1.1 400 Bad Request\r\n"),
            (431, "GET /aaaaa", "HTTP/1.1 414 URI Too Long\r\n"),
            (414, "GET /aaaaa HTTP/1.1\r\n", "HTTP/1.1 414 URI Too Long\r\n"),
            (
                431,
                "GET / HTTP/1.1\r\nA:",
                "HTTP/1.1 431 Request Header Fields Too Large\r\n",
            ),
        ] {
            let answer = refused(status, read);
            assert!(answer.starts_with(line) && answer.ends_with('}'), "{answer}");
        }
        assert!(refused(431, "HEAD / HTTP/1.1\r\nA:").ends_with("\r\n\r\n"));
    }
}
