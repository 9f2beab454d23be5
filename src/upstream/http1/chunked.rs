//! Chunks (RFC 9112, 7.1): where the body's bytes are among those that frame them.
//!
//! The state is where in the framing the last byte was, so bytes may come in any pieces. Extensions
//! and trailers are read, bounded and dropped: nothing in an event stream asks for them.

use serde::{Deserialize, Serialize};

/// The longest line that frames a chunk, in bytes: a size of 16 digits, and more extensions than
/// are in use.
const SIZE_LINE_BYTES_MAX: u32 = 16 * 1024;

/// All trailer fields together, in bytes.
const TRAILERS_BYTES_MAX: u32 = 16 * 1024;

/// A body whose framing is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(&'static str);

impl Malformed {
    /// What is wrong, for people.
    pub fn what(self) -> &'static str {
        self.0
    }
}

/// What a chunked body has come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chunked {
    place: Place,
    /// The chunk's size as far as its digits have come; then what is left of its bytes.
    left: u64,
    /// Bytes of the line in the making that frames a chunk, or of all trailers.
    framing_bytes: u32,
}

/// Where in the framing the next byte is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Place {
    /// The first digit of a size.
    #[default]
    Start,
    /// Behind a digit.
    Size,
    /// In white space behind the size.
    Space,
    /// In an extension, which is not looked at.
    Extension,
    /// The LF behind a size's line.
    SizeLf,
    /// In the chunk's bytes.
    Data,
    /// The CR behind them.
    DataCr,
    /// The LF behind that.
    DataLf,
    /// The first byte of a line behind the last chunk.
    TrailerStart,
    /// In a trailer field, which is not looked at.
    Trailer,
    /// The LF behind a trailer field.
    TrailerLf,
    /// The LF behind the blank line.
    EndLf,
    /// Behind the body.
    Over,
}

impl Chunked {
    /// Whether the last chunk and all behind it have come.
    pub(super) fn is_over(&self) -> bool {
        self.place == Place::Over
    }

    /// Moves the body's bytes in a read to its beginning, and returns how many they are. On an
    /// error those before it are there too.
    pub(super) fn decode(&mut self, read: &mut [u8]) -> (usize, Result<(), Malformed>) {
        let (mut at, mut kept) = (0, 0);
        while at < read.len() && !self.is_over() {
            if self.place == Place::Data {
                let here = read.len() - at;
                let len = usize::try_from(self.left).map_or(here, |left| left.min(here));
                if kept != at {
                    read.copy_within(at..at + len, kept);
                }
                (at, kept) = (at + len, kept + len);
                self.left -= len as u64;
                if self.left == 0 {
                    self.place = Place::DataCr;
                }
                continue;
            }
            match self.step(read[at]) {
                Ok(next) => self.place = next,
                Err(malformed) => return (kept, Err(malformed)),
            }
            at += 1;
        }
        (kept, Ok(()))
    }

    /// Where a byte of the framing leads.
    fn step(&mut self, byte: u8) -> Result<Place, Malformed> {
        let wrong = |what| Err(Malformed(what));
        Ok(match (self.place, byte) {
            (Place::Start | Place::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                self.bound(SIZE_LINE_BYTES_MAX, "a chunk's size line without end")?;
                self.digit(byte)?;
                Place::Size
            }
            (Place::Start, _) => return wrong("a chunk without a size"),
            (Place::Size | Place::Space | Place::Extension, b'\r') => Place::SizeLf,
            (Place::Size | Place::Space, b';') => Place::Extension,
            (Place::Size | Place::Space, b' ' | b'\t') => {
                self.bound(SIZE_LINE_BYTES_MAX, "a chunk's size line without end")?;
                Place::Space
            }
            (Place::Size | Place::Space, _) => return wrong("a chunk's size that is no number"),
            // Who does not look for the CR would take the line to be over.
            (Place::Extension, b'\n') => return wrong("a line feed in a chunk's extension"),
            (Place::Extension, _) => {
                self.bound(SIZE_LINE_BYTES_MAX, "a chunk's extensions without end")?;
                Place::Extension
            }
            (Place::SizeLf, b'\n') => {
                self.framing_bytes = 0;
                if self.left == 0 {
                    Place::TrailerStart
                } else {
                    Place::Data
                }
            }
            (Place::DataCr, b'\r') => Place::DataLf,
            (Place::DataLf, b'\n') => Place::Start,
            (Place::TrailerStart, b'\r') => Place::EndLf,
            (Place::TrailerStart | Place::Trailer, _) => {
                self.bound(TRAILERS_BYTES_MAX, "trailers without end")?;
                if byte == b'\r' {
                    Place::TrailerLf
                } else {
                    Place::Trailer
                }
            }
            (Place::TrailerLf, b'\n') => Place::TrailerStart,
            (Place::EndLf, b'\n') => Place::Over,
            (Place::SizeLf | Place::DataCr | Place::DataLf | Place::TrailerLf | Place::EndLf, _) => {
                return wrong("a chunk without its line end");
            }
            (Place::Data | Place::Over, _) => self.place,
        })
    }

    fn digit(&mut self, byte: u8) -> Result<(), Malformed> {
        let digit = char::from(byte).to_digit(16).unwrap_or_default();
        let size = self
            .left
            .checked_mul(16)
            .and_then(|size| size.checked_add(u64::from(digit)));
        self.left = size.ok_or(Malformed("a chunk's size that is too large"))?;
        Ok(())
    }

    fn bound(&mut self, bytes_max: u32, what: &'static str) -> Result<(), Malformed> {
        // What another process has counted may be anything.
        self.framing_bytes = self.framing_bytes.saturating_add(1);
        if self.framing_bytes > bytes_max {
            return Err(Malformed(what));
        }
        Ok(())
    }
}
