//! The checksum and the size that stand at a member's end (RFC 1952, 2.3.1).
//!
//! A run of bytes that many clients get is summed up once, as an [`Addend`]; adding that to a
//! client's [`Sum`] is some shifts, however long the run is.

use crc32fast::Hasher;

/// The polynomial of CRC-32, with its highest power in the lowest bit.
const POLYNOMIAL: u32 = 0xedb8_8320;
/// x to the 0th, and to the 8th: one byte.
const ONE: u32 = 1 << 31;
const BYTE: u32 = 1 << 23;

/// What a member has of uncompressed bytes so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    crc: u32,
    /// Modulo 2³², as the trailer has it.
    len: u32,
}

/// The same of a run of bytes that is to be added to many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addend {
    sum: Sum,
    /// What the checksum of all before it is to be multiplied by.
    shift: u32,
}

impl Sum {
    /// Of these numbers, as [`Sum::numbers`] gives them.
    pub(crate) fn of_numbers((crc, len): (u32, u32)) -> Self {
        Self { crc, len }
    }

    /// Its checksum and its size.
    pub(crate) fn numbers(self) -> (u32, u32) {
        (self.crc, self.len)
    }

    /// These bytes follow.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        let mut hasher = Hasher::new_with_initial(self.crc);
        hasher.update(bytes);
        self.crc = hasher.finalize();
        self.len = self.len.wrapping_add(bytes.len() as u32);
    }

    /// This run follows.
    #[inline]
    pub(crate) fn append(&mut self, run: &Addend) {
        self.crc = multiply(run.shift, self.crc) ^ run.sum.crc;
        self.len = self.len.wrapping_add(run.sum.len);
    }
}

impl Addend {
    /// A run that consists of these pieces.
    pub(crate) fn of<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Self {
        let (mut sum, mut len) = (Sum::default(), 0);
        for piece in pieces {
            sum.add(piece);
            len += piece.len() as u64;
        }
        Self { sum, shift: bytes(len) }
    }
}

/// x to the 8 × `len`th, modulo the polynomial: by squaring.
fn bytes(mut len: u64) -> u32 {
    let (mut power, mut square) = (ONE, BYTE);
    while len > 0 {
        if len & 1 == 1 {
            power = multiply(power, square);
        }
        square = multiply(square, square);
        len >>= 1;
    }
    power
}

/// The product of two polynomials over GF(2), modulo that of CRC-32. No branch depends on them: a
/// wrong guess per client would cost more than all of it.
#[inline]
fn multiply(mut a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    for _ in 0..32 {
        product ^= b & (a >> 31).wrapping_neg();
        a <<= 1;
        b = (b >> 1) ^ (POLYNOMIAL & (b & 1).wrapping_neg());
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)
    }

    proptest! {
        #[test]
        fn runs_that_are_added_sum_up_to_the_whole(runs in prop::collection::vec(pieces(), 0..6)) {
            let (mut sum, mut by_bytes) = (Sum::default(), Sum::default());
            for run in &runs {
                sum.append(&Addend::of(run.iter().map(|piece| &piece[..])));
                run.iter().for_each(|piece| by_bytes.add(piece));
            }
            let whole = runs.concat().concat();
            prop_assert_eq!(sum.numbers(), (crc32fast::hash(&whole), whole.len() as u32));
            prop_assert_eq!(sum, by_bytes);
        }
    }

    #[test]
    fn a_run_may_be_longer_than_the_size_can_say() {
        // Five GiB of zeros, without writing them: a GiB is a MiB that is added 1,024 times.
        let zeros = vec![0; 1 << 20];
        let mut sum = Sum::default();
        let (mib, mut gib) = (Addend::of(std::iter::once(&zeros[..])), Sum::default());
        (0..1024).for_each(|_| gib.append(&mib));
        let run = Addend {
            sum: gib,
            shift: bytes(1 << 30),
        };
        (0..5).for_each(|_| sum.append(&run));
        assert_eq!(sum.len, 1 << 30);
        let (mut hasher, mut mib) = (Hasher::new(), Hasher::new());
        mib.update(&zeros);
        (0..5 * 1024).for_each(|_| hasher.combine(&mib));
        assert_eq!(sum.crc, hasher.finalize());
    }
}
