//! Frames: a header of eight bytes, then the payload. Descriptors come beside the first byte.
//!
//! ```text
//! bytes of payload (u32) | kind (u16) | descriptors (u16)      all little-endian
//! ```

use super::error::LinkError;
use super::kind::Kind;
use std::os::fd::OwnedFd;

/// Descriptors of one frame: what the kernel takes in one message (`SCM_MAX_FD`).
pub const DESCRIPTORS_MAX: usize = 253;
/// Bytes of one frame's payload: clients in the middle of large events. What is larger, as a log,
/// goes beside it as a file in memory.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of a header.
pub(super) const HEADER_BYTES: usize = 8;

/// What came from the other side.
#[derive(Debug)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// An encoded value.
    pub payload: Vec<u8>,
    /// What came beside it, in order.
    pub descriptors: Vec<OwnedFd>,
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) payload_bytes: usize,
    pub(super) kind: Kind,
    pub(super) descriptors: usize,
}

impl Header {
    /// `None`: the frame is too large.
    pub(super) fn new(kind: Kind, payload_bytes: usize, descriptors: usize) -> Option<Self> {
        (payload_bytes <= PAYLOAD_BYTES_MAX && descriptors <= DESCRIPTORS_MAX).then_some(Self {
            payload_bytes,
            kind,
            descriptors,
        })
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "both are bounded where a header is made, far below"
    )]
    pub(super) fn bytes(self) -> [u8; HEADER_BYTES] {
        let [a, b, c, d] = (self.payload_bytes as u32).to_le_bytes();
        let [e, f] = (self.kind as u16).to_le_bytes();
        let [g, h] = (self.descriptors as u16).to_le_bytes();
        [a, b, c, d, e, f, g, h]
    }

    pub(super) fn parse([a, b, c, d, e, f, g, h]: [u8; HEADER_BYTES]) -> Result<Self, LinkError> {
        let payload_bytes = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        let kind = Kind::of(u16::from_le_bytes([e, f])).ok_or(LinkError::Malformed("a frame of no known kind"))?;
        let descriptors = usize::from(u16::from_le_bytes([g, h]));
        Self::new(kind, payload_bytes, descriptors).ok_or(LinkError::Malformed("a frame that is too large"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_what_it_was() {
        for (kind, bytes, descriptors) in [
            (Kind::TakeOver, 0, 0),
            (Kind::Left, PAYLOAD_BYTES_MAX, DESCRIPTORS_MAX),
            (Kind::Clients, 70_000, 1),
        ] {
            let header = Header::new(kind, bytes, descriptors).expect("within the bounds");
            assert_eq!(Header::parse(header.bytes()).expect("one of ours"), header);
        }
        assert_eq!(Header::new(Kind::End, PAYLOAD_BYTES_MAX + 1, 0), None);
        assert_eq!(Header::new(Kind::End, 0, DESCRIPTORS_MAX + 1), None);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for bytes in [
            [0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0],
            [0, 0, 0, 0, 1, 0, 0xff, 0],
            [0, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0xff, 0xff, 0, 0],
            *b"GET / HT",
        ] {
            assert!(Header::parse(bytes).is_err(), "{bytes:?}");
        }
    }
}
