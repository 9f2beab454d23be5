//! A compressed client's stream, as one gzip member: what is remembered of it, and what the relay
//! writes to it alone.

use super::framing::Framing;
use crate::gzip::{self, Sum};
use crate::log::put_frame;
use bytes::{BufMut, Bytes, BytesMut};

/// The last chunk (RFC 9112, 7.1).
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// What is remembered of a compressed client beside what is of every client. It stands beside the
/// client's key in its channel's list, so that clients in clear don't carry it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Member {
    /// Of all that it was given, whether its socket has taken it by now or not.
    pub(super) sum: Sum,
    /// It has the channel's history from its begin on and nothing behind it: it can read what refers
    /// to that.
    pub(super) in_history: bool,
    /// Its header was written.
    pub(super) has_header: bool,
}

impl Member {
    /// One that another process has begun: it goes on with this sum.
    pub(super) fn going_on(sum: Sum) -> Self {
        Self {
            sum,
            in_history: false,
            has_header: true,
        }
    }

    /// What this client alone is given: nothing shared can refer beyond it.
    fn stored(&mut self, blocks: &[u8]) -> BytesMut {
        let mut out = BytesMut::with_capacity(gzip::HEADER.len() + blocks.len() + 16);
        if !self.has_header {
            self.has_header = true;
            out.put_slice(&gzip::HEADER);
        }
        gzip::put_stored(&mut out, blocks);
        self.sum.add(blocks);
        self.in_history = false;
        out
    }
}

/// Writes blocks of the relay's own for one client, at an event boundary. `member`: that of a
/// compressed client.
pub(super) fn put_own(out: &mut BytesMut, framing: Framing, member: Option<&mut Member>, blocks: &[u8]) {
    match member {
        Some(member) => put_framed(out, framing, &member.stored(blocks)),
        None => put_framed(out, framing, blocks),
    }
}

/// The last bytes of a stream that ends in order, `blocks` among them.
pub(super) fn farewell(framing: Framing, member: Option<&mut Member>, blocks: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    match member {
        Some(member) => {
            let mut rest = member.stored(blocks);
            gzip::put_end(&mut rest, member.sum);
            put_framed(&mut out, framing, &rest);
        }
        None => put_framed(&mut out, framing, blocks),
    }
    if framing == Framing::Chunked {
        out.put_slice(LAST_CHUNK);
    }
    out.freeze()
}

fn put_framed(out: &mut BytesMut, framing: Framing, bytes: &[u8]) {
    match framing {
        // A chunk of size zero would end the body.
        _ if bytes.is_empty() => {}
        Framing::Chunked => put_frame(out, &[bytes]),
        Framing::Plain => out.put_slice(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressed_client_costs_a_dozen_bytes() {
        assert_eq!(size_of::<Member>(), 12);
    }

    #[test]
    fn a_farewell_is_as_short_as_it_can_be() {
        assert_eq!(farewell(Framing::Chunked, None, b""), LAST_CHUNK);
        assert_eq!(farewell(Framing::Plain, None, b""), "");
        assert_eq!(farewell(Framing::Chunked, None, b"x"), "1\r\nx\r\n0\r\n\r\n");
        // A header, the last block, and a checksum and a size of nothing.
        let empty = farewell(Framing::Plain, Some(&mut Member::default()), b"");
        assert_eq!(empty.len(), gzip::HEADER.len() + 2 + 8);
    }
}
