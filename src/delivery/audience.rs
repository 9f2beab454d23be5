//! The clients of a pass, as far as they differ in what a batch is for them.

use super::batch::Batch;
use super::framing::{Framing, Left};
use super::member::Member;
use bytes::Bytes;

/// Clients that get a batch in the same coding, by their places in the slice of a pass.
pub(super) trait Audience {
    /// What this client gets.
    fn bytes<'a>(&'a mut self, batch: &'a mut Batch, framing: Framing, index: usize) -> &'a Bytes;
    /// It has taken all of it.
    fn all_taken(&mut self, batch: &Batch, index: usize);
    /// It has taken some of it: where it stands.
    fn left(&mut self, batch: &Batch, framing: Framing, index: usize, taken: usize) -> Left;
}

/// Clients that get events as they are: almost always the same bytes as the one before.
#[derive(Default)]
pub(super) struct InClear {
    /// How `bytes` are framed; `None`: there are none yet.
    framing: Option<Framing>,
    bytes: Bytes,
}

/// Compressed clients.
pub(super) struct Compressed<'a> {
    /// What is remembered of each.
    pub(super) members: &'a mut [Member],
    /// What they would have been given in clear is added to this.
    pub(super) clear_bytes: &'a mut u64,
}

impl Audience for InClear {
    #[inline]
    fn bytes<'a>(&'a mut self, batch: &'a mut Batch, framing: Framing, _index: usize) -> &'a Bytes {
        if self.framing != Some(framing) {
            self.bytes = batch.bytes(framing).clone();
            self.framing = Some(framing);
        }
        &self.bytes
    }

    #[inline]
    fn all_taken(&mut self, _batch: &Batch, _index: usize) {}

    fn left(&mut self, batch: &Batch, framing: Framing, _index: usize, taken: usize) -> Left {
        batch.left(framing, taken)
    }
}

impl Audience for Compressed<'_> {
    #[inline]
    fn bytes<'a>(&'a mut self, batch: &'a mut Batch, framing: Framing, index: usize) -> &'a Bytes {
        batch.compressed_bytes(framing, &self.members[index])
    }

    #[inline]
    fn all_taken(&mut self, batch: &Batch, index: usize) {
        *self.clear_bytes += batch.compressed_taken(&mut self.members[index]);
    }

    fn left(&mut self, batch: &Batch, framing: Framing, index: usize, taken: usize) -> Left {
        let (left, clear_bytes) = batch.compressed_left(framing, &mut self.members[index], taken);
        *self.clear_bytes += clear_bytes;
        left
    }
}
