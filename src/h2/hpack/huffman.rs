//! The Huffman code of strings (RFC 7541, 5.2 and Appendix B).
//!
//! The code is canonical: codes of one length follow each other in the order of their symbols, and
//! those of the next length behind them. So the lengths say all of it.

/// Bits of each byte's code.
#[rustfmt::skip]
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// The longest code; the end-of-string symbol has the last one of this length.
const BITS_MAX: usize = 30;
/// The shortest code.
const BITS_MIN: usize = 5;

/// What decodes.
struct Code {
    /// All symbols, in the order of their codes.
    symbols: [u8; 256],
    /// By length: the first code behind those of this length, its bits at the left of 32; and how
    /// many codes are shorter or as long.
    behind: [(u64, u16); BITS_MAX + 1],
}

static CODE: Code = Code::new();

impl Code {
    const fn new() -> Self {
        let mut code = Self {
            symbols: [0; 256],
            behind: [(0, 0); BITS_MAX + 1],
        };
        let (mut next, mut count, mut len) = (0u64, 0usize, 1);
        while len <= BITS_MAX {
            let mut symbol = 0;
            while symbol < LENGTHS.len() {
                if LENGTHS[symbol] as usize == len {
                    code.symbols[count] = symbol as u8;
                    count += 1;
                    next += 1 << (32 - len);
                }
                symbol += 1;
            }
            code.behind[len] = (next, count as u16);
            len += 1;
        }
        code
    }
}

/// Decodes a string to the end of `out`, which then has no more than `bytes_max` bytes. `None`: the
/// string is none, or too long.
pub(super) fn decode(string: &[u8], out: &mut Vec<u8>, bytes_max: usize) -> Option<()> {
    // At the left of `bits`, `count` bits that have come and not been used.
    let (mut bits, mut count) = (0u64, 0usize);
    let mut rest = string.iter();
    loop {
        while count <= 32 {
            let Some(&byte) = rest.next() else { break };
            bits |= u64::from(byte) << (56 - count);
            count += 8;
        }
        let Some((symbol, len)) = symbol(bits >> 32, count) else {
            // What is left over is less than a byte, and all ones (RFC 7541, 5.2).
            let is_padding = count < 8 && (bits >> 32) >> (32 - count) == (1 << count) - 1;
            return is_padding.then_some(());
        };
        if out.len() == bytes_max {
            return None;
        }
        out.push(symbol);
        bits <<= len;
        count -= len;
    }
}

/// The symbol whose code stands at the left of these 32 bits, of which `count` have come, and its
/// length.
fn symbol(bits: u64, count: usize) -> Option<(u8, usize)> {
    let len = (BITS_MIN..=BITS_MAX).find(|&len| bits < CODE.behind[len].0)?;
    let (behind, symbols) = CODE.behind[len];
    if len > count {
        return None;
    }
    let from_end = (behind - bits - 1) >> (32 - len);
    let at = usize::from(symbols) - 1 - from_end as usize;
    Some((CODE.symbols[at], len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(string: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(string, &mut out, 1000).map(|()| out)
    }

    /// RFC 7541, C.4 and C.6.
    #[test]
    fn the_examples_of_the_standard() {
        for (string, text) in [
            (
                &b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"[..],
                "www.example.com",
            ),
            (b"\xa8\xeb\x10\x64\x9c\xbf", "no-cache"),
            (b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf", "custom-value"),
            (
                b"\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x82\xa6\x2d\x1b\xff",
                "Mon, 21 Oct 2013 20:13:21 GMT",
            ),
            (b"", ""),
        ] {
            assert_eq!(decoded(string).as_deref(), Some(text.as_bytes()));
        }
    }

    #[test]
    fn what_is_no_code_is_none() {
        for string in [
            // Padding of eight ones, of zeros, and the end of the string inside it.
            &b"\xa8\xeb\x10\x64\x9c\xbf\xff"[..],
            b"\xa8\xeb\x10\x64\x9c\xbe",
            b"\xff\xff\xff\xff",
            b"\xff",
        ] {
            assert_eq!(decoded(string), None, "{}", string.escape_ascii());
        }
        let mut out = Vec::new();
        assert_eq!(decode(b"\xa8\xeb\x10\x64\x9c\xbf", &mut out, 7), None, "too long");
    }

    proptest::proptest! {
        /// Against another implementation.
        #[test]
        fn what_another_encoder_writes_is_read(text in proptest::collection::vec(proptest::num::u8::ANY, 0..100)) {
            let mut string = Vec::new();
            httlib_huffman::encode(&text, &mut string).expect("a code for every byte");
            proptest::prop_assert_eq!(decoded(&string), Some(text));
        }

        #[test]
        fn any_bytes_are_answered(string in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let _ = decoded(&string);
        }
    }
}
