//! What another process could send.

use super::error::LinkError;
use super::frame::{Frame, HEADER_BYTES, Header};
use super::hello::{Hello, Welcome};
use super::kind::Kind;
use crate::fuzzing::assert_may_be_shown;

/// A header, and a hello or its answer: whatever comes is read or refused, and shown only where
/// that is safe.
pub fn handover(bytes: &[u8]) {
    if let Some((header, _)) = bytes.split_first_chunk::<HEADER_BYTES>()
        && let Ok(parsed) = Header::parse(*header)
    {
        assert_eq!(parsed.bytes(), *header);
    }
    for kind in [Kind::TakeOver, Kind::Welcome, Kind::Refused] {
        let frame = Frame {
            kind,
            payload: bytes.to_vec(),
            descriptors: Vec::new(),
        };
        if let Ok(hello) = Hello::of(&frame) {
            assert_may_be_shown(&hello.version);
        }
        match Welcome::of(&frame) {
            Ok(welcome) => assert_may_be_shown(&welcome.version),
            Err(error @ LinkError::Refused { .. }) => assert_may_be_shown(&error.to_string()),
            Err(_) => {}
        }
    }
}
