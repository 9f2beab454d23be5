//! The heads of responses.

use super::hpack::Encoder;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HOST,
    HeaderMap, HeaderName, MAX_FORWARDS, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

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

/// Fields that have no meaning behind a body, or a dangerous one: they frame the message, say where
/// it goes, who may, or how it is to be read (RFC 9110, 6.5.1). hyper leaves out the same over
/// HTTP/1.1.
pub(super) const NOT_IN_TRAILERS: [HeaderName; 12] = [
    AUTHORIZATION,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    HOST,
    MAX_FORWARDS,
    SET_COOKIE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
];

impl HeadBlock {
    /// The head with this status and these fields, but for those of a connection.
    pub fn new(status: StatusCode, fields: &HeaderMap) -> Self {
        Self::of(Encoder::response(status.as_u16()), fields, &[])
    }

    /// What stands behind a body; `None`: none of these fields may.
    pub fn trailers(fields: &HeaderMap) -> Option<Self> {
        let block = Self::of(Encoder::default(), fields, &NOT_IN_TRAILERS);
        (!block.0.is_empty()).then_some(block)
    }

    fn of(mut encoder: Encoder, fields: &HeaderMap, but: &[HeaderName]) -> Self {
        for (name, value) in fields {
            if !OF_CONNECTIONS.contains(name) && !but.contains(name) {
                // hyper's names are in lower case.
                encoder.field(name.as_str(), value.as_bytes());
            }
        }
        Self(encoder.finish().into())
    }
}
