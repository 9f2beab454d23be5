//! One kept event, as the bytes that every client gets.

use super::compressed::{Compressed, SharedFragment};
use super::framing::{block_in, plain_of};
use super::position::{Cursor, Position};
use crate::gzip::Fragment;
use bytes::Bytes;
use std::sync::OnceLock;
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
    /// The last event of the stream, or of one of the sources that are put together in it.
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
    /// Nothing, unless some client takes gzip.
    compressed: OnceLock<Box<Compressed>>,
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
            compressed: OnceLock::new(),
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

    /// The block alone.
    pub(crate) fn block(&self) -> &[u8] {
        &self.draft.frame[block_in(&self.draft.frame)]
    }

    /// The fragment that any client can read at any time, as a chunk.
    pub(crate) fn alone(&self) -> Bytes {
        self.compressed().alone(self.block())
    }

    /// The fragment that only a client with the same history can read, unless it begins it. `None`:
    /// no history was kept when this was published.
    pub(crate) fn shared(&self) -> Option<&SharedFragment> {
        self.compressed.get()?.shared()
    }

    /// It stands in a history, as this.
    pub(crate) fn share(&self, fragment: &Fragment<'_>) {
        self.compressed().share(fragment);
    }

    fn compressed(&self) -> &Compressed {
        self.compressed.get_or_init(Box::default)
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
