//! How values are written into frames: postcard's encoding, which has a published specification,
//! and reads no more than the bytes it has got.

use super::error::LinkError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value as a payload.
pub fn encode(value: &impl Serialize) -> Result<Vec<u8>, LinkError> {
    postcard::to_allocvec(value).map_err(|_| LinkError::Malformed("a value that can't be written"))
}

/// The value in a payload. Bytes that are left over are a mistake: the two sides do not mean the
/// same.
pub fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, LinkError> {
    let (value, rest) = decode_beginning(payload)?;
    match rest {
        [] => Ok(value),
        _ => Err(LinkError::Malformed("a value with something behind it")),
    }
}

/// The value at the beginning of a payload, and what stands behind it: where a later format may
/// have more to say.
pub(super) fn decode_beginning<T: DeserializeOwned>(payload: &[u8]) -> Result<(T, &[u8]), LinkError> {
    postcard::take_from_bytes(payload).map_err(|_| LinkError::Malformed("a value of another kind"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_they_were_and_nothing_else_is_taken() {
        let value = (7_u64, Some("text".to_owned()), vec![1_u8, 2, 3]);
        let bytes = encode(&value).expect("a value");
        let read: (u64, Option<String>, Vec<u8>) = decode(&bytes).expect("the value");
        assert_eq!(read, value);
        for cut in 0..bytes.len() {
            assert!(
                decode::<(u64, Option<String>, Vec<u8>)>(&bytes[..cut]).is_err(),
                "{cut}"
            );
        }
        let longer = [&bytes[..], b"x"].concat();
        assert!(decode::<(u64, Option<String>, Vec<u8>)>(&longer).is_err());
        let (beginning, rest): ((u64, Option<String>, Vec<u8>), _) = decode_beginning(&longer).expect("the value");
        assert_eq!((beginning, rest), (value, &b"x"[..]));
    }

    /// A length that the payload does not have reserves nothing.
    #[test]
    fn a_length_that_lies_costs_no_memory() {
        let bytes = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1];
        assert!(decode::<Vec<u64>>(&bytes).is_err());
        assert!(decode::<Vec<u8>>(&bytes).is_err());
        assert!(decode::<String>(&bytes).is_err());
    }
}
