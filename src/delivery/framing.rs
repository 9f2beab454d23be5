//! How a client's bytes are framed, and where a write of them stopped.

use crate::log::{Cursor, Entry, plain_of};
use bytes::Bytes;

/// How a client's bytes are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// HTTP/1.1: every event is a chunk, made once and shared.
    Chunked,
    /// HTTP/1.0: the same bytes without the chunk lines; the connection's end is the end.
    Plain,
}

impl Framing {
    pub(super) fn of(self, entry: &Entry) -> Bytes {
        match self {
            Framing::Chunked => entry.chunked().clone(),
            Framing::Plain => entry.plain(),
        }
    }

    /// The same of what is a chunk.
    pub(super) fn of_chunk(self, chunk: &Bytes) -> Bytes {
        match self {
            Framing::Chunked => chunk.clone(),
            Framing::Plain => plain_of(chunk),
        }
    }
}

/// What a write of a batch left behind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Left {
    /// The first entry that has not been begun.
    pub(super) next: Cursor,
    /// What is missing of the entry before it; empty: it ended at an entry's end.
    pub(super) rest: Bytes,
}
