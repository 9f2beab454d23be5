//! Writes header blocks (RFC 7541, 6), with the static table and literals alone.
//!
//! A response's head is sent once per stream, and a table of what was sent before would take more
//! memory per connection than it saves. So a block can also be made where the connection is not.

use super::integer;
use super::static_table::{FIELDS, index_of};

/// Index of the first `:status`, and how many there are.
const STATUS: (usize, usize) = (8, 7);

/// A block that is being written.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    block: Vec<u8>,
}

impl Encoder {
    /// A response's block begins with its status.
    pub(crate) fn response(status: u16) -> Self {
        let mut encoder = Self {
            block: Vec::with_capacity(256),
        };
        let text = [status / 100 % 10, status / 10 % 10, status % 10].map(|digit| b'0' + digit as u8);
        let (first, count) = STATUS;
        let known = FIELDS[first - 1..][..count]
            .iter()
            .position(|field| field.1.as_bytes() == text);
        match known {
            Some(at) => integer::put(&mut encoder.block, 0x80, 7, first + at),
            None => encoder.literal(first, "", &text),
        }
        encoder
    }

    /// Adds a field, whose name is in lower case.
    pub(crate) fn field(&mut self, name: &str, value: &[u8]) {
        self.literal(index_of(name), name, value);
    }

    /// Without indexing (RFC 7541, 6.2.2); by its name where the index is 0.
    fn literal(&mut self, index: usize, name: &str, value: &[u8]) {
        integer::put(&mut self.block, 0, 4, index);
        if index == 0 {
            self.string(name.as_bytes());
        }
        self.string(value);
    }

    fn string(&mut self, string: &[u8]) {
        integer::put(&mut self.block, 0, 7, string.len());
        self.block.extend_from_slice(string);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.block
    }
}

#[cfg(test)]
mod tests {
    use super::super::Decoder;
    use super::*;

    #[test]
    fn what_is_written_reads_the_same() {
        for status in [200, 204, 404, 429, 503] {
            let mut encoder = Encoder::response(status);
            let long = "v".repeat(300);
            let list = [
                ("content-type", "text/event-stream"),
                ("x-own", long.as_str()),
                ("vary", ""),
            ];
            list.iter()
                .for_each(|(name, value)| encoder.field(name, value.as_bytes()));
            let mut read = Vec::new();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Decoder::new(0)
                .decode(&encoder.finish(), 4096, |name, value| {
                    read.push((text(name), text(value)))
                })
                .expect("a block that needs no table");
            let status = status.to_string();
            let wanted = [&[(":status", status.as_str())][..], &list].concat();
            let read: Vec<_> = read
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            assert_eq!(read, wanted);
        }
    }
}
