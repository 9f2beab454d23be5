//! What a client's member consists of beside fragments that others get too: its header, what the
//! relay writes to it alone, and its end.

use super::sum::Sum;
use bytes::{BufMut, BytesMut};

/// A member's header (RFC 1952, 2.3): deflate, without a name, a time or a system.
pub(crate) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// An empty last block with fixed codes (RFC 1951, 3.2.6): in two bytes, where a stored one takes
/// five.
const LAST_BLOCK: [u8; 2] = [0x03, 0x00];
/// What a stored block can hold (RFC 1951, 3.2.4).
const STORED_MAX: usize = u16::MAX as usize;

/// Bytes as stored blocks (RFC 1951, 3.2.4), which begin and end at a byte.
pub(crate) fn put_stored(out: &mut impl Extend<u8>, bytes: &[u8]) {
    for part in bytes.chunks(STORED_MAX) {
        let len = part.len() as u16;
        let ([low, high], [not_low, not_high]) = (len.to_le_bytes(), (!len).to_le_bytes());
        out.extend([0, low, high, not_low, not_high]);
        out.extend(part.iter().copied());
    }
}

/// The end of a member (RFC 1952, 2.3.1).
pub(crate) fn put_end(out: &mut BytesMut, sum: Sum) {
    let (crc, len) = sum.numbers();
    out.put_slice(&LAST_BLOCK);
    out.put_u32_le(crc);
    out.put_u32_le(len);
}
