//! The head of a request, from its first byte to a parsed request.
//!
//! Every head is read here, whatever answers it: bounded, however it is cut up on its way. What
//! hyper would not take and clients send all the same is repaired (`repair.rs`); whatever else is
//! not HTTP/1 is refused with a reason of ours (`malformed.rs`).
//!
//! This is also where a PROXY header and HTTP/2's preface are told from a request.

mod host;
mod malformed;
mod parse;
mod read_ahead;
mod repair;
mod request_line;

pub use malformed::Malformed;
pub(crate) use read_ahead::Preface;
pub use read_ahead::ReadAhead;

pub(super) use host::check as check_host;

use bytes::Bytes;
use hyper::Request;

/// A request without its body.
#[derive(Debug)]
pub struct RequestHead {
    /// Method, target, version and fields.
    pub request: Request<()>,
    /// The head as hyper can read it.
    pub bytes: Bytes,
    /// What follows it.
    pub body: BodyLength,
}

/// What follows a head before the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// So many bytes.
    Known(u64),
    /// Chunks: where they end is known when they have.
    Chunked,
}

/// A last event ID that no header can hold, beside its request (an extension of it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawLastEventId(pub Bytes);
