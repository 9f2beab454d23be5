//! From a connection's bytes to a body's (RFC 9112, 6), without I/O.
//!
//! A read goes in, and what of it is body is moved to its beginning. Nothing is kept but a few
//! numbers: they are all that another process needs to go on with the body.

use super::chunked::{Chunked, Malformed};
use serde::{Deserialize, Serialize};

/// How a body is framed, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decoder(Framing);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Framing {
    /// So many bytes are left.
    Length(u64),
    /// In chunks.
    Chunked(Chunked),
    /// It ends with the connection.
    UntilClose,
}

impl Decoder {
    /// At the beginning of a body of so many bytes.
    pub fn length(bytes: u64) -> Self {
        Self(Framing::Length(bytes))
    }

    /// At the beginning of a chunked body.
    pub fn chunked() -> Self {
        Self(Framing::Chunked(Chunked::default()))
    }

    /// In a body that ends with its connection.
    pub fn until_close() -> Self {
        Self(Framing::UntilClose)
    }

    /// Whether the body is complete, whatever else comes on the connection.
    pub fn is_over(&self) -> bool {
        match &self.0 {
            Framing::Length(left) => *left == 0,
            Framing::Chunked(chunked) => chunked.is_over(),
            Framing::UntilClose => false,
        }
    }

    /// Moves the body's bytes in a read to its beginning, and returns how many they are; what is
    /// behind the body's end is dropped. On an error, those that came before it are there too, and
    /// the body can't go on.
    pub fn decode(&mut self, read: &mut [u8]) -> (usize, Result<(), Malformed>) {
        match &mut self.0 {
            Framing::Length(left) => {
                let len = usize::try_from(*left).map_or(read.len(), |left| left.min(read.len()));
                *left -= len as u64;
                (len, Ok(()))
            }
            Framing::Chunked(chunked) => chunked.decode(read),
            Framing::UntilClose => (read.len(), Ok(())),
        }
    }

    /// Whether the body is whole if the connection ends here.
    pub fn may_end(&self) -> bool {
        matches!(self.0, Framing::UntilClose) || self.is_over()
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
