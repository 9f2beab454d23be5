//! Making fragments.
//!
//! A history is text and no state of a compressor, which would be 300 KiB for each channel: a
//! thread's one compressor is told the text anew for each block. Measured, that costs as much
//! (decision 0049), since a compressor that goes on looks through a longer text.

use super::member::put_stored;
use flate2::{Compress, Compression, FlushCompress};
use std::cell::RefCell;

/// zlib's default.
const LEVEL: u32 = 6;
/// For large blocks zlib's fastest: a shard's thread or a publisher's is held up by them, and five
/// times as long by the other.
const LEVEL_OF_LARGE: u32 = 1;
/// From here on a block is large.
const LARGE_BYTES: usize = 64 * 1024;
/// How far back a fragment refers at the most. Half of what deflate allows: the other half makes
/// events smaller by a fortieth, and their compression slower by half.
const HISTORY_BYTES: usize = 16 * 1024;
/// What is kept of the buffer in which a fragment is made: those of large blocks are let go.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// What a flush adds at the most, and a little more: a call that has this much room left has
/// written all there is.
const FLUSH_BYTES: usize = 64;

/// What shared fragments refer to.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The end of it.
    text: Vec<u8>,
}

/// A fragment, raw.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fragment<'a> {
    pub(crate) bytes: &'a [u8],
    /// It refers to nothing before it, and what follows it to nothing before it.
    pub(crate) begins: bool,
}

impl History {
    /// A new one begins: the next fragment refers to nothing before it.
    pub(crate) fn forget(&mut self) {
        self.text.clear();
    }

    /// The next block of the history.
    pub(crate) fn fragment<T>(&mut self, block: &[u8], take: impl FnOnce(Fragment<'_>) -> T) -> T {
        let begins = self.text.is_empty();
        let taken = with_compressor(|compressor| {
            let bytes = compressor.fragment(&self.text, block);
            take(Fragment { bytes, begins })
        });
        let end = &block[block.len().saturating_sub(HISTORY_BYTES)..];
        let kept = self.text.len().min(HISTORY_BYTES - end.len());
        self.text.drain(..self.text.len() - kept);
        self.text.extend_from_slice(end);
        taken
    }
}

/// A block as a fragment that refers to nothing before it.
pub(crate) fn alone<T>(block: &[u8], take: impl FnOnce(&[u8]) -> T) -> T {
    with_compressor(|compressor| take(compressor.fragment(&[], block)))
}

fn with_compressor<T>(work: impl FnOnce(&mut Compressor) -> T) -> T {
    thread_local! {
        /// Made when a thread first needs one.
        static COMPRESSOR: RefCell<Compressor> = RefCell::new(Compressor::new());
    }
    COMPRESSOR.with_borrow_mut(work)
}

struct Compressor {
    deflate: Compress,
    level: u32,
    output: Vec<u8>,
}

impl Compressor {
    fn new() -> Self {
        Self {
            deflate: Compress::new(Compression::new(LEVEL), false),
            level: LEVEL,
            output: Vec::new(),
        }
    }

    /// A block as deflate blocks that end at a byte.
    fn fragment(&mut self, history: &[u8], block: &[u8]) -> &[u8] {
        self.output.clear();
        self.output.shrink_to(OUTPUT_BYTES_MAX);
        if !self.deflate(history, block) {
            // No reason for it is known. What is stored can always be read.
            debug_assert!(false, "deflate takes everything");
            self.output.clear();
            put_stored(&mut self.output, block);
        }
        &self.output
    }

    /// Whether all of it was taken and flushed.
    fn deflate(&mut self, history: &[u8], block: &[u8]) -> bool {
        self.deflate.reset();
        let level = if block.len() < LARGE_BYTES {
            LEVEL
        } else {
            LEVEL_OF_LARGE
        };
        if self.level != level && self.deflate.set_level(Compression::new(level)).is_err() {
            return false;
        }
        self.level = level;
        if !history.is_empty() && self.deflate.set_dictionary(history).is_err() {
            return false;
        }
        let mut rest = block;
        self.output.reserve(block.len() / 2 + FLUSH_BYTES);
        loop {
            let before = self.deflate.total_in();
            let done = self.deflate.compress_vec(rest, &mut self.output, FlushCompress::Sync);
            let taken = (self.deflate.total_in() - before) as usize;
            rest = &rest[taken.min(rest.len())..];
            match done {
                Err(_) => return false,
                // zlib has flushed everything when it leaves room.
                Ok(_) if rest.is_empty() && self.output.len() < self.output.capacity() => return true,
                Ok(_) => self.output.reserve(rest.len() / 2 + FLUSH_BYTES),
            }
        }
    }
}

#[cfg(test)]
mod tests;
