//! One kept event, as the bytes that every client gets.

use super::position::{Cursor, Position};
use bytes::{BufMut, Bytes, BytesMut};
use std::time::Instant;

/// What an entry is: what is counted, and what ends a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An event of the origin.
    Event,
    /// Bytes that are no event: a relayed comment or `retry`.
    NonEvent,
    /// A gap event: some of the origin's events are missing here.
    Gap,
    /// The last event of the stream.
    Terminal,
}

/// Which upstream stands at another place of its stream after an entry. Only a log that is kept on
/// disk has to know: there, the origin is asked for what comes next by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moves {
    /// None, or it is not known.
    Nothing,
    /// The first one: it goes on behind the entry's own id.
    FirstToId,
    /// This one, by its number, goes on behind this id; empty: it has reset it.
    To(Box<(u32, Bytes)>),
}

/// An entry that has no place in the log yet.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The block in chunk framing (RFC 9112, 7.1): size line, block, CRLF.
    pub frame: Bytes,
    /// The id in force after it, as clients see it; empty: none.
    pub id: Bytes,
    /// Whether `id` is one that the origin sent (or that is inherited from one), and so has to be
    /// found by its bytes.
    pub indexed: bool,
    /// What it is.
    pub kind: Kind,
    /// When its bytes were read.
    pub received: Instant,
    /// Which upstream stands at another place after it.
    pub moves: Moves,
}

impl Draft {
    /// Whether it has to be found by its id.
    pub(super) fn is_indexed(&self) -> bool {
        self.indexed && !self.id.is_empty()
    }
}

/// A kept event: immutable, shared by all readers.
#[derive(Debug)]
pub struct Entry {
    /// Where readers find it.
    pub cursor: Cursor,
    /// Its number, as ids name it.
    pub position: Position,
    /// Bytes of all entries before it: a lag in bytes is one subtraction.
    pub offset: u64,
    first_with_id: Cursor,
    draft: Draft,
}

/// What is remembered of an entry that was let go: where it stood, and the id in force there.
#[derive(Debug, Clone)]
pub(super) struct EntryMeta {
    /// Where it was.
    pub(super) cursor: Cursor,
    /// Its number.
    pub(super) position: Position,
    /// The first entry that is known to carry the same id: where a client that names this id may
    /// have stopped. Never after `cursor`; the start: the id was in use before, at a place that has
    /// been forgotten.
    pub(super) first_with_id: Cursor,
    /// The id in force after it; empty: none.
    pub(super) id: Bytes,
    /// Whether `id` came from the origin.
    pub(super) passed: bool,
    /// When its bytes were read, where that is known.
    pub(super) received: Option<Instant>,
}

impl EntryMeta {
    /// The place before the first entry.
    pub(super) fn start(position: Position) -> Self {
        Self {
            cursor: Cursor::START,
            position,
            first_with_id: Cursor::START,
            id: Bytes::new(),
            passed: false,
            received: None,
        }
    }
}

impl Entry {
    pub(super) fn new(cursor: Cursor, position: Position, offset: u64, first_with_id: Cursor, draft: Draft) -> Self {
        debug_assert!(first_with_id <= cursor && cursor.get() <= position.get());
        Self {
            cursor,
            position,
            offset,
            first_with_id,
            draft,
        }
    }

    /// The bytes for HTTP/1.1: one whole chunk.
    pub fn chunked(&self) -> &Bytes {
        &self.draft.frame
    }

    /// The bytes for HTTP/1.0 and HTTP/2: the block alone, of the same memory.
    pub fn plain(&self) -> Bytes {
        plain_of(&self.draft.frame)
    }

    /// The id in force after it; empty: none.
    pub fn id(&self) -> &Bytes {
        &self.draft.id
    }

    /// Whether its id names this place alone, as far as is known: a client that resumes with it
    /// goes on right behind.
    pub fn is_named_by_id(&self) -> bool {
        !self.draft.id.is_empty() && (!self.draft.indexed || self.first_with_id == self.cursor)
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.draft.kind
    }

    /// When its bytes were read from the origin.
    pub fn received(&self) -> Instant {
        self.draft.received
    }

    /// Whether its id is one that the origin sent.
    pub fn is_passed(&self) -> bool {
        self.draft.indexed
    }

    /// Which upstream stands at another place after it.
    pub fn moves(&self) -> &Moves {
        &self.draft.moves
    }

    /// Its size, as it counts towards the log's bound and a client's lag.
    pub fn len_bytes(&self) -> u64 {
        self.draft.frame.len() as u64
    }

    /// Whether it has to be found by its id.
    pub(super) fn is_indexed(&self) -> bool {
        self.draft.is_indexed()
    }

    /// Whether the relay numbered it.
    pub(super) fn is_assigned(&self) -> bool {
        !self.draft.indexed && !self.draft.id.is_empty()
    }

    pub(super) fn meta(&self) -> EntryMeta {
        let Draft {
            id, indexed, received, ..
        } = &self.draft;
        EntryMeta {
            cursor: self.cursor,
            position: self.position,
            first_with_id: self.first_with_id,
            id: id.clone(),
            passed: *indexed,
            received: Some(*received),
        }
    }

    /// What it was made of.
    pub(super) fn draft(&self) -> &Draft {
        &self.draft
    }

    /// See [`EntryMeta::first_with_id`].
    pub(super) fn first_with_id(&self) -> Cursor {
        self.first_with_id
    }
}

/// Room for a size line: 16 hexadecimal digits and CRLF.
const SIZE_LINE_MAX: usize = 18;

/// Frames the parts of a block as one chunk: the only copy that an event's bytes see.
pub(crate) fn frame(parts: &[&[u8]]) -> Bytes {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    debug_assert!(len > 0, "a chunk of size zero would end the body");
    let mut out = BytesMut::with_capacity(SIZE_LINE_MAX.min(2 + hex_len(len)) + len + 2);
    put_frame(&mut out, parts);
    out.freeze()
}

/// The same, into a buffer that already holds something.
pub(crate) fn put_frame(out: &mut BytesMut, parts: &[&[u8]]) {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let digits = hex_len(len);
    for i in (0..digits).rev() {
        out.put_u8(b"0123456789abcdef"[(len >> (4 * i)) & 15]);
    }
    out.put_slice(b"\r\n");
    for part in parts {
        out.put_slice(part);
    }
    out.put_slice(b"\r\n");
}

fn hex_len(len: usize) -> usize {
    ((usize::BITS - len.leading_zeros()) as usize).div_ceil(4).max(1)
}

/// Whether bytes are one whole chunk, written as [`frame`] does.
pub(super) fn is_frame(bytes: &[u8]) -> bool {
    let Some(end) = memchr::memchr(b'\n', &bytes[..bytes.len().min(SIZE_LINE_MAX)]) else {
        return false;
    };
    let digits = bytes[..end]
        .strip_suffix(b"\r")
        .and_then(|digits| std::str::from_utf8(digits).ok());
    // No sign: `from_str_radix` would take one.
    let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let len = digits.and_then(|digits| usize::from_str_radix(digits, 16).ok());
    let block = bytes[end + 1..].strip_suffix(b"\r\n");
    block.is_some_and(|block| !block.is_empty() && Some(block.len()) == len)
}

/// The block inside a frame.
pub(crate) fn plain_of(frame: &Bytes) -> Bytes {
    let start = memchr::memchr(b'\n', frame).map_or(0, |end_of_size_line| end_of_size_line + 1);
    frame.slice(start..frame.len() - 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_one_chunk() {
        for len in [1usize, 9, 15, 16, 255, 256, 4095, 4096, 70_000] {
            let block = vec![b'x'; len];
            let framed = frame(&[&block[..len / 2], &block[len / 2..]]);
            assert_eq!(framed, [format!("{len:x}\r\n").as_bytes(), &block, b"\r\n"].concat());
            assert_eq!(plain_of(&framed), block);
            assert!(is_frame(&framed) && !is_frame(&framed[1..]) && !is_frame(&framed[..framed.len() - 1]));
        }
        for none in [
            "",
            "\r\n",
            "0\r\n\r\n",
            "+1\r\nx\r\n",
            "1\nx\r\n",
            "1\r\nxx\r\n",
            "1\r\nx\n\n",
            "x",
        ] {
            assert!(!is_frame(none.as_bytes()), "{none:?}");
        }
    }
}
