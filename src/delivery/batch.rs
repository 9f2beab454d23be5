//! What one wake takes from the log: consecutive entries as one run of bytes, shared by every
//! client at the same place.

use super::compressed_batch::CompressedBatch;
use super::framing::{Framing, Left};
use super::member::Member;
use crate::log::{Cursor, Entry, Log, Read};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// Bytes of a batch, beyond its first entry. Larger ones only make a slow client's first write
/// partial.
const BATCH_BYTES_MAX: u64 = 64 * 1024;
/// Entries of a batch.
const BATCH_ENTRIES_MAX: usize = 1024;

/// Consecutive entries, `from` to before `to`.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) from: Cursor,
    pub(super) to: Cursor,
    entries: Vec<Arc<Entry>>,
    chunked: Option<Bytes>,
    plain: Option<Bytes>,
    compressed: Option<Box<CompressedBatch>>,
}

impl Batch {
    /// The entries from `from` up to `to` (exclusive), as many as one batch takes. `None`: the log
    /// has let `from` go.
    pub(super) fn read(log: &Log, from: Cursor, to: Cursor) -> Option<Self> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        for cursor in from.up_to(to) {
            match log.read(cursor) {
                Read::Entry(entry) if entries.is_empty() || bytes + entry.len_bytes() <= BATCH_BYTES_MAX => {
                    bytes += entry.len_bytes();
                    entries.push(entry);
                }
                Read::Entry(_) => break,
                // Let go while we read: what we have is whole, and the next batch will say that it
                // is gone.
                Read::Gone | Read::NotYet => break,
            }
            if entries.len() == BATCH_ENTRIES_MAX {
                break;
            }
        }
        let to = from + entries.len() as u64;
        (!entries.is_empty()).then_some(Self {
            from,
            to,
            entries,
            chunked: None,
            plain: None,
            compressed: None,
        })
    }

    pub(super) fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// All its bytes in one piece: of one entry the log's own, of several a copy that is made once
    /// and serves every client.
    #[inline]
    pub(super) fn bytes(&mut self, framing: Framing) -> &Bytes {
        let made = match framing {
            Framing::Chunked => &mut self.chunked,
            Framing::Plain => &mut self.plain,
        };
        made.get_or_insert_with(|| match &self.entries[..] {
            [entry] => framing.of(entry),
            entries => {
                let len: u64 = entries.iter().map(|entry| entry.len_bytes()).sum();
                let mut bytes = BytesMut::with_capacity(len as usize);
                for entry in entries {
                    bytes.extend_from_slice(&framing.of(entry));
                }
                bytes.freeze()
            }
        })
    }

    /// Where a client stands that has taken the first `written` of those bytes.
    pub(super) fn left(&self, framing: Framing, mut written: usize) -> Left {
        for entry in &self.entries {
            if written == 0 {
                return Left {
                    next: entry.cursor,
                    rest: Bytes::new(),
                };
            }
            let bytes = framing.of(entry);
            if written < bytes.len() {
                return Left {
                    next: entry.cursor.next(),
                    rest: bytes.slice(written..),
                };
            }
            written -= bytes.len();
        }
        Left {
            next: self.to,
            rest: Bytes::new(),
        }
    }
}

/// The same for a compressed client, which gets what it can read.
impl Batch {
    /// All its bytes in one piece.
    #[inline]
    pub(super) fn compressed_bytes(&mut self, framing: Framing, member: &Member) -> &Bytes {
        let entries = &self.entries;
        let compressed = self
            .compressed
            .get_or_insert_with(|| Box::new(CompressedBatch::of(entries)));
        compressed.bytes(entries, framing, member)
    }

    /// Where the client stands that has taken the first `written` of them, and what it would have been
    /// given in clear.
    pub(super) fn compressed_left(&self, framing: Framing, member: &mut Member, written: usize) -> (Left, u64) {
        let from = (self.from, &self.entries[..]);
        match &self.compressed {
            Some(compressed) => compressed.part_taken(from, framing, member, written),
            None => (self.left(framing, 0), 0),
        }
    }

    /// It has taken all of them: as many bytes in clear.
    #[inline]
    pub(super) fn compressed_taken(&self, member: &mut Member) -> u64 {
        let compressed = self.compressed.as_ref();
        compressed.map_or(0, |compressed| compressed.all_taken(member))
    }
}
