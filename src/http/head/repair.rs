//! The one thing that is repaired in a request: a last event ID that its header can't hold.
//!
//! Browsers send the id of the last event in `Last-Event-ID` as it is, control characters included,
//! which no field may hold (RFC 9110, 5.5). A refusal would stop an EventSource for ever, so such
//! an id is taken out of the head and goes with the request beside it.

use super::RawLastEventId;
use crate::http::request::LAST_EVENT_ID;
use bytes::{BufMut as _, Bytes, BytesMut};

/// Takes an id that no field may hold out of a whole head. The field stays, empty.
pub(super) fn take_id(head: &mut BytesMut) -> Option<RawLastEventId> {
    let id = find_id(head)?;
    if !head[id.clone()].iter().any(is_forbidden) {
        return None;
    }
    let taken = Bytes::copy_from_slice(trimmed(&head[id.clone()]));
    let behind = head.split_off(id.end);
    head.truncate(id.start);
    head.put(behind);
    Some(RawLastEventId(taken))
}

/// Where the value of the first `Last-Event-ID` is in a head.
fn find_id(head: &[u8]) -> Option<std::ops::Range<usize>> {
    let name = LAST_EVENT_ID;
    let name = name.as_str().as_bytes();
    let mut start = 0;
    while let Some(len) = memchr::memchr(b'\n', &head[start..]) {
        let line = &head[start..start + len];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > name.len() && line[..name.len()].eq_ignore_ascii_case(name) && line[name.len()] == b':' {
            return Some(start + name.len() + 1..start + line.len());
        }
        if line.is_empty() {
            return None;
        }
        start += len + 1;
    }
    None
}

/// Without the white space around it, which is no part of it.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// What a parser refuses in a field's value.
fn is_forbidden(byte: &u8) -> bool {
    byte.is_ascii_control() && *byte != b'\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(head: &str) -> Option<(String, Vec<u8>)> {
        let mut head = BytesMut::from(head);
        let id = take_id(&mut head)?;
        Some((String::from_utf8(head.to_vec()).unwrap(), id.0.to_vec()))
    }

    #[test]
    fn the_id_is_taken_out_of_the_head() {
        for (head, left, id) in [
            (
                "GET / HTTP/1.1\r\nlast-EVENT-id:  a\u{1}b\t\r\nA: b\r\n\r\n",
                "GET / HTTP/1.1\r\nlast-EVENT-id:\r\nA: b\r\n\r\n",
                "a\u{1}b",
            ),
            (
                "GET / HTTP/1.1\nLast-Event-ID:\u{c}\n\n",
                "GET / HTTP/1.1\nLast-Event-ID:\n\n",
                "\u{c}",
            ),
        ] {
            assert_eq!(repaired(head), Some((left.to_owned(), id.as_bytes().to_vec())));
        }
        for other in [
            "",
            "GET / HTTP/1.1\r\nA: \u{1}\r\n\r\n",
            "GET / HTTP/1.1\r\nLast-Event-ID2: \u{1}\r\n\r\n",
            "GET / HTTP/1.1\r\nLast-Event-ID: a b\u{fc}\r\n\r\n",
            "POST / HTTP/1.1\r\n\r\nLast-Event-ID: \u{1}\r\n",
        ] {
            assert_eq!(repaired(other), None, "{other:?}");
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
            let whole = parts.concat();
            let mut head = BytesMut::from(&whole[..]);
            match take_id(&mut head) {
                Some(id) => {
                    proptest::prop_assert!(head.len() + id.0.len() <= whole.len());
                    // What is left says nothing: it is not taken a second time.
                    proptest::prop_assert_eq!(take_id(&mut head), None);
                }
                None => proptest::prop_assert_eq!(&head[..], &whole[..]),
            }
        }
    }
}
