//! What an origin sends, head and body, whatever it is and however it comes.

use super::chunked::Malformed;
use super::decoder::Decoder;
use super::head::HeadReader;
use crate::fuzzing::assert_may_be_shown;

/// A body and how it went, read in pieces of this size.
type Read = (Vec<u8>, Result<bool, Malformed>);

/// An answer is refused in words that may be shown, or has one body, on every split.
pub fn body(bytes: &[u8]) {
    let mut reader = HeadReader::default();
    reader.bytes.extend_from_slice(bytes);
    let decoder = match reader.next() {
        Ok(Some((_, decoder))) => decoder,
        Ok(None) => return,
        Err(why) => return assert_may_be_shown(&why),
    };
    let rest = &reader.bytes[..];
    let whole = in_pieces(&decoder, rest, rest.len().max(1));
    assert!(whole.0.len() <= rest.len());
    for piece in [1, 2, 7] {
        assert_eq!(in_pieces(&decoder, rest, piece), whole, "in pieces of {piece}");
    }
}

fn in_pieces(decoder: &Decoder, bytes: &[u8], piece: usize) -> Read {
    let mut decoder = decoder.clone();
    let mut body = Vec::new();
    for read in bytes.chunks(piece) {
        let mut read = read.to_vec();
        let (len, outcome) = decoder.decode(&mut read);
        body.extend_from_slice(&read[..len]);
        if let Err(malformed) = outcome {
            return (body, Err(malformed));
        }
    }
    (body, Ok(decoder.may_end()))
}
