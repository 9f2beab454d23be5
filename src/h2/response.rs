//! The heads of responses.

use super::hpack::Encoder;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONNECTION, HeaderMap, HeaderName, TRANSFER_ENCODING, UPGRADE};

/// A response's head as a header block. It depends on no connection's state.
#[derive(Debug, Clone)]
pub struct HeadBlock(pub(super) Bytes);

/// Fields that concern one HTTP/1.1 connection, and make a response malformed (RFC 9113, 8.2.2).
const OF_CONNECTIONS: [HeaderName; 5] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
];

impl HeadBlock {
    /// The head with this status and these fields, but for those of a connection.
    pub fn new(status: StatusCode, fields: &HeaderMap) -> Self {
        let mut encoder = Encoder::response(status.as_u16());
        for (name, value) in fields {
            if !OF_CONNECTIONS.contains(name) {
                // hyper's names are in lower case.
                encoder.field(name.as_str(), value.as_bytes());
            }
        }
        Self(encoder.finish().into())
    }
}
