//! Integers with a prefix (RFC 7541, 5.1).

/// Bytes behind the prefix: enough for 2^28, which no length and no index comes near.
const BYTES_MAX: usize = 4;

/// Takes an integer from the front of `bytes`, whose first one holds its lowest `prefix` bits;
/// `None`: it is not complete, or too long.
pub(super) fn take(bytes: &mut &[u8], prefix: u32) -> Option<usize> {
    let (&first, mut rest) = bytes.split_first()?;
    let mask = (1u8 << (prefix - 1) << 1).wrapping_sub(1);
    let mut value = usize::from(first & mask);
    if first & mask == mask {
        for n in 0..=BYTES_MAX {
            let (&byte, behind) = rest.split_first().filter(|_| n < BYTES_MAX)?;
            rest = behind;
            value += usize::from(byte & 0x7f) << (7 * n);
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *bytes = rest;
    Some(value)
}

/// Writes an integer; `first` has the bits above the prefix.
pub(super) fn put(out: &mut Vec<u8>, first: u8, prefix: u32, value: usize) {
    let mask = (1usize << prefix) - 1;
    if value < mask {
        return out.push(first | value as u8);
    }
    out.push(first | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7541, C.1.
    #[test]
    fn the_examples_of_the_standard() {
        for (bytes, prefix, value) in [(&[0x0a][..], 5, 10), (&[0x1f, 0x9a, 0x0a], 5, 1337), (&[0x2a], 8, 42)] {
            let mut rest = bytes;
            assert_eq!((take(&mut rest, prefix), rest.len()), (Some(value), 0));
            let mut out = Vec::new();
            put(&mut out, 0, prefix, value);
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn what_is_cut_or_endless_is_none() {
        for bytes in [
            &[][..],
            &[0x1f],
            &[0x1f, 0x80],
            &[0x1f, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0xff; 20],
        ] {
            assert_eq!(take(&mut &*bytes, 5), None, "{bytes:x?}");
        }
        // Zeros may follow (RFC 7541, 5.1), but not for ever.
        assert_eq!(take(&mut &[0x1f, 0x80, 0x80, 0x80, 0x00][..], 5), Some(31));
        assert_eq!(take(&mut &[0x1f, 0x80, 0x80, 0x80, 0x80, 0x00][..], 5), None);
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_the_same(value in 0usize..1 << 28, prefix in 1u32..=8) {
            let mut out = Vec::new();
            put(&mut out, 0, prefix, value);
            proptest::prop_assert_eq!(take(&mut &out[..], prefix), Some(value));
        }
    }
}
