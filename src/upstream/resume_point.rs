//! The place in the origin's stream: the last event ID in force, and what of it the next request can say.
//!
//! The id is the one in force at the last complete block (9.2.6 of the HTML standard), also of a block that dispatches
//! nothing, whatever fails in between. It is kept as the bytes that came, and it never wedges a reconnect: an id that no
//! header can carry is left out, and so, once in a while, is one that the origin refuses to be asked with.

use super::Resume;
use crate::event_stream::Item;
use hyper::header::HeaderValue;

/// Longest id sent, in bytes. Servers bound a whole request head at 8 KiB (Tomcat, nginx) to 64 KiB.
const SENT_ID_BYTES_MAX: usize = 16 * 1024;

/// After so many refusals in a row of requests that carried the id, one request goes without.
const REFUSALS_MAX: u32 = 3;

/// The place in the stream.
#[derive(Debug, Default)]
pub(super) struct ResumePoint {
    /// Empty: none, or reset by the origin.
    id: Vec<u8>,
    /// Whether an event was seen: without one there is no place to come back to.
    seen: bool,
    /// Refusals in a row, by a status that can be the id's fault.
    refusals: u32,
}

impl ResumePoint {
    /// The place after an event of an earlier life; empty: none.
    pub(super) fn after(id: &str) -> Self {
        Self {
            id: id.as_bytes().to_vec(),
            seen: !id.is_empty(),
            refusals: 0,
        }
    }

    /// Follows one item of the stream.
    pub(super) fn follow(&mut self, item: &Item) {
        let id = match item {
            Item::Event(event) => event.id(),
            Item::Oversized { id, .. } => id.as_deref(),
            Item::Retry(_) | Item::Comment(_) => return,
        };
        self.seen = true;
        if let Some(id) = id {
            // Copied into the same memory each time: a slice would keep the whole read buffer.
            self.id.clear();
            self.id.extend_from_slice(id);
            self.refusals = 0;
        }
    }

    /// What the next request's `Last-Event-ID` says; `None`: it is left out.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        // White space around a value is no part of it (RFC 9110, 5.5): it does not arrive, and HTTP/2 peers refuse it.
        let is_part = |byte: &u8| !matches!(byte, b' ' | b'\t');
        let start = self.id.iter().position(is_part)?;
        let end = self.id.iter().rposition(is_part)?;
        let arrives = &self.id[start..=end];
        if arrives.len() > SENT_ID_BYTES_MAX || self.refusals == REFUSALS_MAX {
            return None;
        }
        HeaderValue::from_bytes(arrives).ok()
    }

    /// What a request with this header says about the place.
    pub(super) fn resume(&self, header: Option<&HeaderValue>) -> Resume {
        match (header, self.seen) {
            (Some(_), _) => Resume::Sent,
            (None, true) => Resume::Impossible,
            (None, false) => Resume::First,
        }
    }

    /// The origin answered with this status instead of a stream.
    pub(super) fn refused(&mut self, status: u16) {
        // Bad Request, Content Too Large, Request Header Fields Too Large.
        if matches!(status, 400 | 413 | 431) {
            // The request without the id has been made: the next ones say it again.
            self.refusals = if self.refusals == REFUSALS_MAX {
                0
            } else {
                self.refusals + 1
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn oversized(id: Option<&'static [u8]>) -> Item {
        Item::Oversized {
            bytes: 1,
            id: id.map(Bytes::from_static),
        }
    }

    fn after(ids: &[Option<&'static [u8]>]) -> ResumePoint {
        let mut resume_point = ResumePoint::default();
        for id in ids {
            resume_point.follow(&oversized(*id));
        }
        resume_point
    }

    fn said(resume_point: &ResumePoint) -> (Option<Vec<u8>>, Resume) {
        let header = resume_point.header();
        let resume = resume_point.resume(header.as_ref());
        (header.map(|value| value.as_bytes().to_vec()), resume)
    }

    #[test]
    fn the_first_request_has_no_place() {
        let mut resume_point = ResumePoint::default();
        resume_point.follow(&Item::Comment(Bytes::from_static(b":\n")));
        assert_eq!(said(&resume_point), (None, Resume::First));
    }

    #[test]
    fn the_last_id_in_force_is_sent() {
        assert_eq!(said(&after(&[Some(b"1"), None])), (Some(b"1".to_vec()), Resume::Sent));
        assert_eq!(
            said(&after(&[Some(b"1"), Some("é".as_bytes())])),
            (Some("é".into()), Resume::Sent)
        );
        assert_eq!(said(&after(&[Some(b" a b\t")])), (Some(b"a b".to_vec()), Resume::Sent));
        assert_eq!(
            said(&after(&[Some(b"\xff\xfe")])),
            (Some(b"\xff\xfe".to_vec()), Resume::Sent)
        );
        assert_eq!(
            said(&after(&[Some(b"[{\"a\": 1}]")])),
            (Some(b"[{\"a\": 1}]".to_vec()), Resume::Sent)
        );
    }

    #[test]
    fn without_an_id_that_can_be_sent_resuming_is_impossible() {
        let long: &[u8] = Box::leak(vec![b'x'; SENT_ID_BYTES_MAX + 1].into_boxed_slice());
        for last in [
            Some(&b""[..]),
            Some(b"\x01"),
            Some(b"a\x7fb"),
            Some(b"a\x0c"),
            Some(b"  "),
            Some(long),
        ] {
            assert_eq!(
                said(&after(&[Some(b"1"), last])),
                (None, Resume::Impossible),
                "{last:?}"
            );
        }
        assert_eq!(said(&after(&[None])), (None, Resume::Impossible));
    }

    #[test]
    fn an_id_that_the_origin_refuses_is_left_out_now_and_then() {
        let mut resume_point = after(&[Some(b"1")]);
        let mut sent = Vec::new();
        for _ in 0..6 {
            sent.push(resume_point.header().is_some());
            resume_point.refused(400);
            resume_point.refused(503);
        }
        assert_eq!(sent, [true, true, true, false, true, true]);
    }
}
