//! Where the lines of a read end.
//!
//! Lines of an event stream are short, so a search that starts anew at each line spends its time on
//! starting. This one looks at 64 bytes at once, keeps what it found as one bit per byte, and takes
//! bit after bit. Only where a line goes on for longer does it fall back to `memchr2`, which is
//! faster on those.

use memchr::memchr2;

const LF: u8 = b'\n';
const CR: u8 = b'\r';

/// Bytes that are looked at together: one for each bit of the mask.
const BLOCK_BYTES: usize = 64;

/// How many of them are tried before `memchr2`.
const NEAR_BLOCKS: usize = 8;

/// The positions of LF and CR in a read, in order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LineEnds {
    /// Line ends that were found and not yet taken: bit `n` stands for the byte at `base + n`.
    found: u64,
    base: usize,
    /// The first byte that was not looked at yet.
    next: usize,
}

impl LineEnds {
    /// Those at `from` and after it.
    pub(super) fn starting_at(from: usize) -> Self {
        Self {
            found: 0,
            base: from,
            next: from,
        }
    }

    /// The next one. `read` must be the same bytes each time.
    #[inline]
    pub(super) fn next(&mut self, read: &[u8]) -> Option<usize> {
        if self.found == 0 {
            self.look_ahead(read)?;
        }
        let position = self.base + self.found.trailing_zeros() as usize;
        self.found &= self.found - 1;
        Some(position)
    }

    /// Finds the next bytes that hold a line end. Afterwards `found` is not zero.
    #[inline]
    fn look_ahead(&mut self, read: &[u8]) -> Option<()> {
        for _ in 0..NEAR_BLOCKS {
            let rest = read.get(self.next..)?;
            let Some(block) = rest.first_chunk() else {
                return self.look_at_tail(rest);
            };
            self.look_at(block, BLOCK_BYTES);
            if self.found != 0 {
                return Some(());
            }
        }
        self.look_far(read)
    }

    /// The line is a long one.
    #[inline(never)]
    fn look_far(&mut self, read: &[u8]) -> Option<()> {
        let rest = read.get(self.next..)?;
        let Some(offset) = memchr2(LF, CR, rest) else {
            self.next = read.len();
            return None;
        };
        self.next += offset;
        let rest = &rest[offset..];
        let Some(block) = rest.first_chunk() else {
            return self.look_at_tail(rest);
        };
        self.look_at(block, BLOCK_BYTES);
        Some(())
    }

    /// The last bytes of a read, fewer than a block. There may be but one: an origin can write byte
    /// by byte.
    #[inline(never)]
    fn look_at_tail(&mut self, tail: &[u8]) -> Option<()> {
        if let [byte] = tail {
            self.found = u64::from(is_line_end(*byte));
            self.base = self.next;
            self.next += 1;
        } else {
            let mut block = [0; BLOCK_BYTES];
            block[..tail.len()].copy_from_slice(tail);
            self.look_at(&block, tail.len());
        }
        (self.found != 0).then_some(())
    }

    #[inline]
    fn look_at(&mut self, block: &[u8; BLOCK_BYTES], bytes: usize) {
        self.found = mask(block);
        self.base = self.next;
        self.next += bytes;
    }
}

#[inline]
fn is_line_end(byte: u8) -> bool {
    (byte == LF) | (byte == CR)
}

/// One bit for each byte that is LF or CR.
///
/// Written so that the compiler makes vector instructions of the first half on every target (the
/// one that makes a mask at once can't be had without `unsafe`); the second, which is skipped if
/// there is nothing, gathers eight bytes, each of which has another bit, in the product's highest
/// byte.
#[inline]
fn mask(block: &[u8; BLOCK_BYTES]) -> u64 {
    let mut bits = [0; BLOCK_BYTES];
    for (n, (bit, byte)) in std::iter::zip(&mut bits, block).enumerate() {
        *bit = if is_line_end(*byte) { 1 << (n % 8) } else { 0 };
    }
    let (words, _) = bits.as_chunks();
    let words: [u64; 8] = std::array::from_fn(|n| u64::from_le_bytes(words[n]));
    if words.iter().fold(0, |any, word| any | word) == 0 {
        return 0;
    }
    let gather = |word: u64| word.wrapping_mul(0x0101_0101_0101_0101) >> 56;
    words
        .iter()
        .enumerate()
        .fold(0, |mask, (n, word)| mask | gather(*word) << (8 * n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(read: &[u8], from: usize) -> Vec<usize> {
        (from..read.len()).filter(|&i| matches!(read[i], LF | CR)).collect()
    }

    fn found(read: &[u8], from: usize) -> Vec<usize> {
        let mut ends = LineEnds::starting_at(from);
        std::iter::from_fn(|| ends.next(read)).collect()
    }

    #[test]
    fn a_line_end_at_any_place_of_a_read_of_any_length() {
        for length in 0..300 {
            for place in 0..length {
                for end in [LF, CR] {
                    let mut read = vec![b'x'; length];
                    read[place] = end;
                    assert_eq!(found(&read, 0), [place], "{length} bytes");
                }
            }
        }
    }

    #[test]
    fn the_search_is_over_once_and_for_all() {
        let read = [b'x'; 200];
        let mut ends = LineEnds::starting_at(0);
        assert_eq!(ends.next(&read), None);
        assert_eq!(ends.next(&read), None);
        assert_eq!(LineEnds::starting_at(0).next(b""), None);
    }

    proptest! {
        #[test]
        fn all_line_ends_are_found(read in prop::collection::vec(prop::sample::select(&b"\n\rx\x0b\x8a\x8d\0"[..]), 0..400), from in 0usize..80) {
            let from = from.min(read.len());
            prop_assert_eq!(found(&read, from), naive(&read, from));
        }

        #[test]
        fn rare_line_ends_are_found(gaps in prop::collection::vec(0usize..500, 0..20)) {
            let mut read = Vec::new();
            for gap in gaps {
                read.resize(read.len() + gap, b'x');
                read.push(if gap % 2 == 0 { LF } else { CR });
            }
            prop_assert_eq!(found(&read, 0), naive(&read, 0));
        }

        #[test]
        fn each_byte_has_its_bit(block in prop::array::uniform32(any::<u8>()), other in prop::array::uniform32(prop::sample::select(&b"\n\rx\x0b\x8a\x8d\0\xff"[..]))) {
            let mut bytes = [0; BLOCK_BYTES];
            bytes[..32].copy_from_slice(&block);
            bytes[32..].copy_from_slice(&other);
            let expected = naive(&bytes, 0).iter().fold(0u64, |mask, i| mask | 1 << i);
            prop_assert_eq!(mask(&bytes), expected);
        }
    }
}
