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
/// before. It has a `data` field or an id, or both. It lies in the read buffer when it came so, and
/// is a rewritten copy otherwise.
///
/// It is borrowed, since what becomes of an event is almost always a copy in another frame:
/// [`OwnedEvent`] is one that is kept as it is.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// The bytes.
    pub(super) block: &'a [u8],
    /// What shares its memory: the block is a slice of it.
    pub(super) shared: Option<&'a Bytes>,
    /// Where its fields are.
    pub(super) fields: Fields,
}

impl<'a> Event<'a> {
    /// The first of blocks in plain form, as one was taken from an event before. `None`: it is
    /// incomplete or not in plain form, or it dispatches nothing and has no id.
    pub fn parse_block(blocks: &'a [u8]) -> Option<Self> {
        let blank_line = memchr::memmem::find(blocks, b"\n\n")? + 1;
        let fields = Fields::of(&blocks[..blank_line])?;
        fields.matter().then_some(Self {
            block: &blocks[..=blank_line],
            shared: None,
            fields,
        })
    }

    /// The bytes, as they go to clients.
    pub fn block(&self) -> &'a [u8] {
        self.block
    }

    /// The event for longer: it shares the read's memory where it can.
    pub fn to_owned(&self) -> OwnedEvent {
        OwnedEvent {
            block: match self.shared {
                Some(shared) => shared.slice_ref(self.block),
                None => Bytes::copy_from_slice(self.block),
            },
            fields: self.fields,
        }
    }

    /// The id that the block itself carries: raw UTF-8, without LF, CR and NUL. Empty: the block
    /// resets the last event ID.
    pub fn id(&self) -> Option<&'a [u8]> {
        self.fields.id().map(|id| &self.block[id])
    }

    /// Where the line that carries the id is in the block, with its line end.
    pub fn id_line(&self) -> Option<Range<usize>> {
        self.fields.id_line(self.block)
    }

    /// Where the line that the type is from is in the block, with its line end.
    pub fn type_line(&self) -> Option<Range<usize>> {
        self.fields.type_line(self.block)
    }

    /// The event type. Empty: the default, `message`.
    pub fn event_type(&self) -> &'a [u8] {
        &self.block[self.fields.event_type()]
    }

    /// Whether an `EventSource` dispatches an event for it. The data may be empty even so; if not,
    /// there is an id.
    pub fn dispatches(&self) -> bool {
        self.fields.data_lines() > 0
    }

    /// The data: the values of the `data` fields joined by LF. Copied only if there are several.
    pub fn data(&self) -> Cow<'a, [u8]> {
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

/// An event that is kept as it is.
#[derive(Debug, Clone)]
pub struct OwnedEvent {
    block: Bytes,
    fields: Fields,
}

impl OwnedEvent {
    /// The bytes, as they go to clients.
    pub fn into_block(self) -> Bytes {
        self.block
    }

    /// The event.
    pub fn get(&self) -> Event<'_> {
        Event {
            block: &self.block,
            shared: Some(&self.block),
            fields: self.fields,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(block: &'static str) -> Event<'static> {
        Event::parse_block(block.as_bytes()).expect("a block")
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
    fn the_first_of_several_blocks_is_read() {
        assert_eq!(event("data: x\n\nid: \n\n").block(), b"data: x\n\n");
    }

    #[test]
    fn one_that_is_kept_shares_the_memory_in_which_it_came() {
        let read = Bytes::from_static(b":\n\nid: 1\ndata: x\n\n");
        let event = Event {
            shared: Some(&read),
            ..Event::parse_block(&read[3..]).expect("a block")
        };
        let kept = event.to_owned();
        assert_eq!(kept.get().block().as_ptr(), read[3..].as_ptr());
        assert_eq!(kept.get().id(), Some(&b"1"[..]));
        let copied = super::tests::event("data: x\n\n").to_owned();
        assert_eq!(copied.get().block(), b"data: x\n\n");
    }

    #[test]
    fn what_is_no_block() {
        for block in [
            "",
            "data: x\n",
            ": x\n\n",
            "event: x\n\n",
            "\n\n",
            "retry: 1\n\n",
            "id: 1\nid: 2\n\n",
        ] {
            assert!(Event::parse_block(block.as_bytes()).is_none(), "{block:?}");
        }
    }

    #[test]
    fn size() {
        // The parser moves it by value.
        assert!(size_of::<Event>() <= 64, "{}", size_of::<Event>());
    }
}
