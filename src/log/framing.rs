//! Chunks (RFC 9112, 7.1): how a block is framed in an entry.

use bytes::{BufMut, Bytes, BytesMut};
use std::ops::Range;

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
    frame.slice(block_in(frame))
}

/// Where it stands there.
pub(super) fn block_in(frame: &[u8]) -> Range<usize> {
    let start = memchr::memchr(b'\n', frame).map_or(0, |end_of_size_line| end_of_size_line + 1);
    start..frame.len() - 2
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
