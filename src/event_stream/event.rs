//! One event of a stream, as the bytes in which it travels.

use super::fields::{Fields, value_start};
use bytes::Bytes;
use memchr::memchr;
use std::borrow::Cow;
use std::ops::Range;

/// One block of the stream in plain form.
///
/// The block has LF line ends, no BOM at the start of a line, no comment, no `retry` field, at most
/// one `id` line, and ends with its blank line: the bytes `...\n\n`, of which there are none
/// before. It has a `data` field or an id, or both. It is a slice of the read buffer when it came
/// so, and a rewritten copy otherwise.
#[derive(Debug, Clone)]
pub struct Event {
    /// The bytes.
    pub(super) block: Bytes,
    /// Where its fields are.
    pub(super) fields: Fields,
}

impl Event {
    /// The bytes, as they go to clients.
    pub fn block(&self) -> &Bytes {
        &self.block
    }

    /// The bytes, as they go to clients.
    pub fn into_block(self) -> Bytes {
        self.block
    }

    /// The id that the block itself carries: raw UTF-8, without LF, CR and NUL. Empty: the block
    /// resets the last event ID.
    pub fn id(&self) -> Option<&[u8]> {
        self.fields.id().map(|id| &self.block[id])
    }

    /// Where the line that carries the id is in the block, with its line end.
    pub fn id_line(&self) -> Option<Range<usize>> {
        self.fields.id_line(&self.block)
    }

    /// The event type. Empty: the default, `message`.
    pub fn event_type(&self) -> &[u8] {
        &self.block[self.fields.event_type()]
    }

    /// Whether an `EventSource` dispatches an event for it. The data may be empty even so; if not,
    /// there is an id.
    pub fn dispatches(&self) -> bool {
        self.fields.data_lines() > 0
    }

    /// The data: the values of the `data` fields joined by LF. Copied only if there are several.
    pub fn data(&self) -> Cow<'_, [u8]> {
        let first = self.fields.data();
        if self.fields.data_lines() <= 1 {
            return Cow::Borrowed(&self.block[first]);
        }
        let mut data = Vec::with_capacity(self.block.len() - first.start);
        data.extend_from_slice(&self.block[first.clone()]);
        let mut rest = &self.block[first.end + 1..];
        while let Some(end) = memchr(b'\n', rest) {
            if let Some(start) = value_start(&rest[..end], b"data") {
                data.push(b'\n');
                data.extend_from_slice(&rest[start..end]);
            }
            rest = &rest[end + 1..];
        }
        Cow::Owned(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(block: &'static str) -> Event {
        Event::parse_block(Bytes::from_static(block.as_bytes())).expect("a block")
    }

    #[test]
    fn fields_are_read_from_the_block() {
        let event = event("event: a\nid: 7\ndata: x\nevent:b\n\n");
        assert_eq!(event.id(), Some(&b"7"[..]));
        assert_eq!(&event.block()[event.id_line().expect("an id")], b"id: 7\n");
        assert_eq!(event.event_type(), b"b");
        assert!(event.dispatches());
        assert!(matches!(event.data(), Cow::Borrowed(b"x")));
    }

    #[test]
    fn data_lines_are_joined() {
        assert_eq!(
            &*event("data\nid: 1\ndata: a\nother: b\ndatabase\ndata:\n\n").data(),
            b"\na\n"
        );
        assert_eq!(&*event("data\n\n").data(), b"");
        assert_eq!(&*event("data\ndata\n\n").data(), b"\n");
    }

    #[test]
    fn an_id_alone() {
        let event = event("id\n\n");
        assert_eq!(event.id(), Some(&b""[..]));
        assert!(!event.dispatches());
        assert_eq!(&*event.data(), b"");
        assert_eq!(event.event_type(), b"");
    }

    #[test]
    fn a_plain_block_stays_the_same_bytes() {
        let block = Bytes::from_static(b"id: 1\ndata: x\n\n");
        let event = Event::parse_block(block.clone()).expect("a block");
        assert_eq!(event.into_block().as_ptr(), block.as_ptr());
    }

    #[test]
    fn what_is_no_block() {
        for block in ["", "data: x\n", ": x\n\n", "event: x\n\n", "\n\n"] {
            assert!(
                Event::parse_block(Bytes::from_static(block.as_bytes())).is_none(),
                "{block:?}"
            );
        }
    }

    #[test]
    fn size() {
        // The log and the parser move it by value.
        assert!(size_of::<Event>() <= 64, "{}", size_of::<Event>());
    }
}
