//! The place in the origin's stream: the last event ID in force, and what of it the next request
//! can say.
//!
//! The id is the one in force at the last complete block (9.2.6 of the HTML standard), also of a
//! block that dispatches nothing, whatever fails in between. It is kept as the bytes that came, and
//! sent back as long as the origin takes it. It never wedges a reconnect: an id that no header can
//! carry is left out, and so, once in a while, is one that the origin refuses to be asked with.

use super::{Failure, Reason, Resume};
use crate::event_stream::Item;
use hyper::header::HeaderValue;

/// A longer id can be more than the origin takes in a request's head: common bounds begin at 4 KiB.
const LONG_ID_BYTES: usize = 1024;

/// After so many refusals in a row of requests that carried the id, one request goes without.
const REFUSALS_MAX: u32 = 3;

/// The place in the stream.
#[derive(Debug, Default)]
pub(super) struct ResumePoint {
    /// Empty: none, or reset by the origin.
    id: Vec<u8>,
    /// Whether an event was seen: without one there is no place to come back to.
    seen: bool,
    /// Refusals in a row that can be the id's fault; at most `REFUSALS_MAX`.
    refusals: u32,
}

impl ResumePoint {
    /// The place after an event of an earlier life; empty: none.
    pub(super) fn after(id: &[u8]) -> Self {
        Self {
            id: id.to_vec(),
            seen: !id.is_empty(),
            refusals: 0,
        }
    }

    /// As another process has known it.
    pub(super) fn taken(id: &[u8], seen: bool, refusals: u32) -> Self {
        Self {
            id: id.to_vec(),
            seen,
            refusals: refusals.min(REFUSALS_MAX),
        }
    }

    /// The id in force, whether an event was seen, and the refusals in a row.
    pub(super) fn state(&self) -> (&[u8], bool, u32) {
        (&self.id, self.seen, self.refusals)
    }

    /// Follows one item of the stream.
    pub(super) fn follow(&mut self, item: &Item<'_>) {
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
        // White space around a value is no part of it (RFC 9110, 5.5): it does not arrive, and
        // HTTP/2 peers refuse it.
        let is_part = |byte: &u8| !matches!(byte, b' ' | b'\t');
        let start = self.id.iter().position(is_part)?;
        let end = self.id.iter().rposition(is_part)?;
        let arrives = &self.id[start..=end];
        if self.refusals == REFUSALS_MAX {
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

    /// Another origin is asked, or the same one in another way: what was refused may be taken now.
    pub(super) fn asks_anew(&mut self) {
        self.refusals = 0;
    }

    /// A request failed before there was a stream.
    pub(super) fn refused(&mut self, failure: &Failure) {
        let is_long = self.id.len() > LONG_ID_BYTES;
        let counts = match (failure.reason, failure.status) {
            // Content Too Large, Request Header Fields Too Large: the answer names the cause
            // itself.
            (Reason::Status, Some(413 | 431)) if is_long => REFUSALS_MAX,
            // Or Bad Request.
            (Reason::Status, Some(400 | 413 | 431)) => 1,
            // A server that stops reading in the middle of a head cuts the connection, and its
            // answer with it.
            (Reason::Reset | Reason::Protocol, None) if is_long => 1,
            _ => return,
        };
        // The request without the id has been made: the next ones name it again.
        self.refusals = if self.refusals == REFUSALS_MAX {
            0
        } else {
            (self.refusals + counts).min(REFUSALS_MAX)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn oversized(id: Option<&'static [u8]>) -> Item<'static> {
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
        for last in [
            Some(&b""[..]),
            Some(b"\x01"),
            Some(b"a\x7fb"),
            Some(b"a\x0c"),
            Some(b"  "),
        ] {
            assert_eq!(
                said(&after(&[Some(b"1"), last])),
                (None, Resume::Impossible),
                "{last:?}"
            );
        }
        assert_eq!(said(&after(&[None])), (None, Resume::Impossible));
    }

    fn status(status: u16) -> Failure {
        Failure {
            status: Some(status),
            ..Failure::new(Reason::Status, "")
        }
    }

    /// Which of six requests in a row carry the id, if each fails like this.
    fn carried(id: &'static [u8], failure: &Failure) -> [bool; 6] {
        let mut resume_point = after(&[Some(id)]);
        std::array::from_fn(|_| {
            let carries = resume_point.header().is_some();
            resume_point.refused(failure);
            resume_point.refused(&status(503));
            resume_point.refused(&Failure::new(Reason::Refused, ""));
            carries
        })
    }

    #[test]
    fn an_id_that_the_origin_refuses_is_left_out_now_and_then() {
        let long: &[u8] = Box::leak(vec![b'x'; 70_000].into_boxed_slice());
        let cut = Failure::new(Reason::Reset, "");
        let every_fourth = [true, true, true, false, true, true];
        let every_second = [true, false, true, false, true, false];
        for (id, failure, expected) in [
            (&b"1"[..], status(400), every_fourth),
            (b"1", status(431), every_fourth),
            (b"1", cut.clone(), [true; 6]),
            (long, status(400), every_fourth),
            (long, status(413), every_second),
            (long, status(431), every_second),
            (long, cut, every_fourth),
            (long, status(500), [true; 6]),
        ] {
            assert_eq!(carried(id, &failure), expected, "{} bytes, {failure}", id.len());
        }
    }

    #[test]
    fn once_it_went_without_the_id_it_goes_without_until_there_is_another() {
        let mut resume_point = after(&[Some(b"1")]);
        for _ in 0..3 {
            resume_point.refused(&status(431));
        }
        assert_eq!(said(&resume_point), (None, Resume::Impossible));
        resume_point.follow(&oversized(None));
        assert_eq!(said(&resume_point), (None, Resume::Impossible));
        resume_point.follow(&oversized(Some(b"2")));
        assert_eq!(said(&resume_point), (Some(b"2".to_vec()), Resume::Sent));
    }
}
