//! Reads header blocks (RFC 7541, 3 and 6).

use super::dynamic_table::{DynamicTable, FIELD_OVERHEAD};
use super::static_table::FIELDS;
use super::{huffman, integer};

/// What a block can't be read for. The table is of no use then: the connection has to end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// It is none.
    Malformed,
    /// The list in it is larger than any that is read.
    TooLarge,
}

/// One connection's decoder.
#[derive(Debug)]
pub(crate) struct Decoder {
    table: DynamicTable,
    table_bytes_max: usize,
}

impl Decoder {
    /// `table_bytes_max`: the table size that the peer was told, or the default.
    pub(crate) fn new(table_bytes_max: usize) -> Self {
        Self {
            table: DynamicTable::new(table_bytes_max),
            table_bytes_max,
        }
    }

    /// Reads a whole block, and gives each of its fields to `field`. `list_bytes_max`: of all
    /// fields together, counted as RFC 9113 (6.5.2) does.
    pub(crate) fn decode(
        &mut self,
        mut block: &[u8],
        list_bytes_max: usize,
        mut field: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), DecodeError> {
        let (mut name, mut value) = (Vec::new(), Vec::new());
        let (mut left, mut has_field) = (list_bytes_max, false);
        while let Some(&first) = block.first() {
            if first & 0xe0 == 0x20 {
                // A change of the table's size stands before all fields (RFC 7541, 4.2).
                let size = integer::take(&mut block, 5).filter(|&size| size <= self.table_bytes_max && !has_field);
                self.table.resize(size.ok_or(DecodeError::Malformed)?);
                continue;
            }
            has_field = true;
            name.clear();
            value.clear();
            let is_indexed = first & 0x80 != 0;
            let prefix = match first {
                _ if is_indexed => 7,
                0x40.. => 6,
                _ => 4,
            };
            let index = integer::take(&mut block, prefix).ok_or(DecodeError::Malformed)?;
            if is_indexed {
                let (known_name, known_value) = self.get(index).ok_or(DecodeError::Malformed)?;
                left = count(left, known_name.len() + known_value.len())?;
                field(known_name, known_value);
                continue;
            }
            match index {
                0 => take_string(&mut block, &mut name, left)?,
                _ => name.extend_from_slice(self.get(index).ok_or(DecodeError::Malformed)?.0),
            }
            take_string(&mut block, &mut value, left)?;
            left = count(left, name.len() + value.len())?;
            if first & 0x40 != 0 {
                self.table.insert(&name, &value);
            }
            field(&name, &value);
        }
        Ok(())
    }

    fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let at = index.checked_sub(1)?;
        match FIELDS.get(at) {
            Some((name, value)) => Some((name.as_bytes(), value.as_bytes())),
            None => self.table.get(at - FIELDS.len()),
        }
    }
}

fn count(left: usize, len: usize) -> Result<usize, DecodeError> {
    left.checked_sub(len + FIELD_OVERHEAD).ok_or(DecodeError::TooLarge)
}

/// Takes a string from the front of a block (RFC 7541, 5.2).
fn take_string(block: &mut &[u8], into: &mut Vec<u8>, bytes_max: usize) -> Result<(), DecodeError> {
    let is_coded = block.first().is_some_and(|first| first & 0x80 != 0);
    let len = integer::take(block, 7).ok_or(DecodeError::Malformed)?;
    let (string, rest) = block.split_at_checked(len).ok_or(DecodeError::Malformed)?;
    *block = rest;
    match is_coded {
        // A code has no more than 30 bits, so a string that is too long for a list of this size is
        // found out before it is decoded.
        true => huffman::decode(string, into, bytes_max).ok_or(DecodeError::Malformed),
        false if len > bytes_max => Err(DecodeError::TooLarge),
        false => {
            into.extend_from_slice(string);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Fields = Vec<(String, String)>;

    fn fields(list: &[(&str, &str)]) -> Fields {
        list.iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn decoded(decoder: &mut Decoder, block: &[u8]) -> Result<Fields, DecodeError> {
        let mut list = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        decoder.decode(block, 4000, |name, value| list.push((text(name), text(value))))?;
        Ok(list)
    }

    /// RFC 7541, C.3 and C.4: the same three requests, with and without Huffman code.
    #[test]
    fn the_examples_of_the_standard() {
        let plain: [&[u8]; 3] = [
            b"\x82\x86\x84\x41\x0fwww.example.com",
            b"\x82\x86\x84\xbe\x58\x08no-cache",
            b"\x82\x87\x85\xbf\x40\x0acustom-key\x0ccustom-value",
        ];
        let coded: [&[u8]; 3] = [
            b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff",
            b"\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf",
            b"\x82\x87\x85\xbf\x40\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf",
        ];
        let beginning = [
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "www.example.com"),
        ];
        let second = [&beginning[..], &[("cache-control", "no-cache")]].concat();
        let third = [
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/index.html"),
            (":authority", "www.example.com"),
            ("custom-key", "custom-value"),
        ];
        for blocks in [plain, coded] {
            let mut decoder = Decoder::new(4096);
            assert_eq!(decoded(&mut decoder, blocks[0]), Ok(fields(&beginning)));
            assert_eq!(decoded(&mut decoder, blocks[1]), Ok(fields(&second)));
            assert_eq!(decoded(&mut decoder, blocks[2]), Ok(fields(&third)));
        }
    }

    #[test]
    fn what_is_no_block_is_refused() {
        use DecodeError::{Malformed, TooLarge};
        for (block, why) in [
            (&b"\x80"[..], Malformed),
            (b"\xbe", Malformed),
            (b"\x7f\xff\xff\xff\xff\x01", Malformed),
            (b"\x40\x05name", Malformed),
            (b"\x40\x01a", Malformed),
            // A table larger than allowed, and a change behind a field.
            (b"\x3f\xe2\x1f", Malformed),
            (b"\x82\x20", Malformed),
            (b"\x82\x3f\xe1\x1f", Malformed),
            (b"\x00\x81\xff\x00", Malformed),
            (b"\x00\x7f\xff\x7f", Malformed),
        ] {
            assert_eq!(
                decoded(&mut Decoder::new(4096), block),
                Err(why),
                "{}",
                block.escape_ascii()
            );
        }
        // One field of the table, again and again: a bomb.
        let bomb = [&b"\x40\x01a\x7f\x91\x06"[..], &[b'x'; 912], &[0xbe; 20]].concat();
        assert_eq!(decoded(&mut Decoder::new(4096), &bomb), Err(TooLarge));
    }

    #[test]
    fn the_table_has_a_bound() {
        let mut decoder = Decoder::new(100);
        let insert = |name: u8| [&[0x40, 1, name, 10][..], &[b'v'; 10]].concat();
        let block: Vec<u8> = [insert(b'a'), insert(b'b'), insert(b'c')].concat();
        decoded(&mut decoder, &block).expect("a block");
        // 43 bytes each: two fit.
        assert_eq!(decoded(&mut decoder, b"\xbe\xbf").map(|list| list.len()), Ok(2));
        assert_eq!(decoded(&mut decoder, b"\xc0"), Err(DecodeError::Malformed));
        decoded(&mut decoder, b"\x20").expect("an empty table");
        assert_eq!(decoded(&mut decoder, b"\xbe"), Err(DecodeError::Malformed));
    }

    proptest::proptest! {
        /// Against another implementation, with and without indexing and Huffman code.
        #[test]
        fn what_another_encoder_writes_is_read(
            blocks in proptest::collection::vec(
                proptest::collection::vec(("[a-d:]{1,3}", "[ -~]{0,12}", 0u8..4), 0..8), 0..8),
        ) {
            let mut encoder = httlib_hpack::Encoder::default();
            let mut decoder = Decoder::new(4096);
            for list in blocks {
                let mut block = Vec::new();
                for (name, value, how) in &list {
                    let flags = match how {
                        0 => httlib_hpack::Encoder::BEST_FORMAT,
                        1 => httlib_hpack::Encoder::WITH_INDEXING | httlib_hpack::Encoder::HUFFMAN_VALUE,
                        2 => httlib_hpack::Encoder::NEVER_INDEXED | httlib_hpack::Encoder::HUFFMAN_NAME,
                        _ => 0,
                    };
                    let field = (name.clone().into_bytes(), value.clone().into_bytes(), flags);
                    encoder.encode(field, &mut block).expect("a field");
                }
                let wanted: Fields = list.into_iter().map(|(name, value, _)| (name, value)).collect();
                proptest::prop_assert_eq!(decoded(&mut decoder, &block), Ok(wanted));
            }
        }

        #[test]
        fn any_bytes_are_answered(block in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = decoded(&mut Decoder::new(4096), &block);
        }
    }
}
