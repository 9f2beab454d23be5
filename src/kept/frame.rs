//! A piece of a file that is whole or is not there: its length, a checksum of both, and its bytes.

use bytes::Buf as _;

/// Length and checksum, 32 bits each, the lower byte first.
pub(super) const HEAD_BYTES: usize = 8;

/// Puts a piece behind what there is; `write` gives its bytes.
pub(super) fn put(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    write(out);
    let len = (out.len() - start - HEAD_BYTES) as u32;
    out[start..start + 4].copy_from_slice(&len.to_le_bytes());
    let sum = checksum(len, &out[start + HEAD_BYTES..]);
    out[start + 4..start + HEAD_BYTES].copy_from_slice(&sum.to_le_bytes());
}

/// The bytes of the piece that these begin with, and what is behind it. `None`: no whole one is
/// here. An empty piece is none: so zeros, which a file may have been grown with, are no pieces.
pub(super) fn take(mut bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = bytes.try_get_u32_le().ok()?;
    let sum = bytes.try_get_u32_le().ok()?;
    let (piece, rest) = bytes.split_at_checked(len as usize)?;
    (len > 0 && checksum(len, piece) == sum).then_some((piece, rest))
}

fn checksum(len: u32, piece: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&len.to_le_bytes());
    hasher.update(piece);
    hasher.finalize()
}

/// A number of 32 bits, then as many bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// The same, read.
pub(super) fn take_bytes<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = from.try_get_u32_le().ok()? as usize;
    let (bytes, rest) = from.split_at_checked(len)?;
    *from = rest;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_whole_or_not_there() {
        let mut file = Vec::new();
        put(&mut file, |out| out.extend_from_slice(b"first"));
        let first = file.len();
        put(&mut file, |out| put_bytes(out, b"second"));
        let (piece, rest) = take(&file).unwrap();
        assert_eq!(piece, b"first");
        let (mut piece, rest) = take(rest).unwrap();
        assert_eq!((take_bytes(&mut piece), rest), (Some(&b"second"[..]), &b""[..]));
        for end in 0..first {
            assert_eq!(take(&file[..end]), None, "cut at {end}");
        }
        for at in 0..first {
            for bit in 0..8 {
                let mut file = file.clone();
                file[at] ^= 1 << bit;
                assert_eq!(take(&file), None, "bit {bit} of byte {at}");
            }
        }
        assert_eq!(take(&[0; 64]), None);
    }
}
