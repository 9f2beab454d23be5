//! Frames (RFC 9113, 4 and 6).

use super::error::ErrorCode;

/// What a client's connection begins with (RFC 9113, 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Length of a frame's header.
pub(super) const HEADER_BYTES: usize = 9;

/// The types that mean something here. Others are passed over (RFC 9113, 5.5).
pub(super) mod kind {
    pub(in crate::h2) const DATA: u8 = 0x0;
    pub(in crate::h2) const HEADERS: u8 = 0x1;
    pub(in crate::h2) const PRIORITY: u8 = 0x2;
    pub(in crate::h2) const RST_STREAM: u8 = 0x3;
    pub(in crate::h2) const SETTINGS: u8 = 0x4;
    pub(in crate::h2) const PUSH_PROMISE: u8 = 0x5;
    pub(in crate::h2) const PING: u8 = 0x6;
    pub(in crate::h2) const GOAWAY: u8 = 0x7;
    pub(in crate::h2) const WINDOW_UPDATE: u8 = 0x8;
    pub(in crate::h2) const CONTINUATION: u8 = 0x9;
}

/// Flags; what each means depends on the type.
pub(super) mod flag {
    pub(in crate::h2) const END_STREAM: u8 = 0x1;
    pub(in crate::h2) const ACK: u8 = 0x1;
    pub(in crate::h2) const END_HEADERS: u8 = 0x4;
    pub(in crate::h2) const PADDED: u8 = 0x8;
    pub(in crate::h2) const PRIORITY: u8 = 0x20;
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Length of the payload.
    pub(super) len: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// 0: the connection.
    pub(super) stream: u32,
}

impl Header {
    /// The header at the beginning of `bytes`; `None`: it is not complete.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let &[a, b, c, kind, flags, s0, s1, s2, s3] = bytes.first_chunk::<HEADER_BYTES>()?;
        Some(Self {
            len: u32::from_be_bytes([0, a, b, c]) as usize,
            kind,
            flags,
            stream: id([s0, s1, s2, s3]),
        })
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let [_, a, b, c] = (self.len as u32).to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        out.extend_from_slice(&[a, b, c, self.kind, self.flags, s0, s1, s2, s3]);
    }
}

/// A stream's identifier: the highest bit means nothing.
pub(super) fn id(bytes: [u8; 4]) -> u32 {
    u32::from_be_bytes(bytes) & 0x7fff_ffff
}

/// Writes a frame as a whole.
pub(super) fn put(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let len = payload.len();
    Header {
        len,
        kind,
        flags,
        stream,
    }
    .put(out);
    out.extend_from_slice(payload);
}

pub(super) fn put_reset(out: &mut Vec<u8>, stream: u32, code: ErrorCode) {
    put(out, kind::RST_STREAM, 0, stream, &(code as u32).to_be_bytes());
}

pub(super) fn put_window_update(out: &mut Vec<u8>, stream: u32, bytes: u32) {
    put(out, kind::WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes());
}

pub(super) fn put_go_away(out: &mut Vec<u8>, last: u32, code: ErrorCode, why: &str) {
    let mut payload = Vec::with_capacity(8 + why.len());
    payload.extend_from_slice(&last.to_be_bytes());
    payload.extend_from_slice(&(code as u32).to_be_bytes());
    payload.extend_from_slice(why.as_bytes());
    put(out, kind::GOAWAY, 0, 0, &payload);
}

/// A payload without its padding (RFC 9113, 6.1); `None`: the padding is longer than that.
pub(super) fn unpadded(header: Header, payload: &[u8]) -> Option<&[u8]> {
    if !header.has(flag::PADDED) {
        return Some(payload);
    }
    let (&padding, rest) = payload.split_first()?;
    rest.len().checked_sub(usize::from(padding)).map(|len| &rest[..len])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_as_it_was_written() {
        let header = Header {
            len: 0x0001_0203,
            kind: kind::HEADERS,
            flags: flag::END_HEADERS | flag::END_STREAM,
            stream: 0x7fff_fffe,
        };
        let mut out = Vec::new();
        header.put(&mut out);
        assert_eq!(out.len(), HEADER_BYTES);
        assert_eq!(Header::parse(&out), Some(header));
        assert_eq!(Header::parse(&out[..8]), None);
        out[5] |= 0x80;
        assert_eq!(Header::parse(&out), Some(header), "the reserved bit means nothing");
    }

    #[test]
    fn padding_is_taken_off() {
        let padded = |payload: &'static [u8]| {
            let header = Header {
                len: payload.len(),
                kind: kind::DATA,
                flags: flag::PADDED,
                stream: 1,
            };
            unpadded(header, payload)
        };
        assert_eq!(padded(&[2, b'a', 0, 0]), Some(&b"a"[..]));
        assert_eq!(padded(&[0]), Some(&b""[..]));
        assert_eq!(padded(&[3, b'a', 0]), None);
        assert_eq!(padded(&[]), None);
    }
}
