//! HTTP/2 (RFC 9113), the server's side of one connection, without I/O.
//!
//! Bytes of the peer go in and become events (`receive`): a request, a part of its body, a stream
//! that is gone, a window that has opened. Calls (`send`) become frames in an output that the owner
//! writes to the socket. Nothing here reads a clock, waits, or knows what a request is for; all
//! that a peer can make grow has a bound, and a reason beside it (`limits`).
//!
//! Not served, on purpose: pushes, extended CONNECT, and priorities (accepted and without effect).

mod budget;
mod connection;
mod error;
mod frame;
mod hpack;
mod limits;
mod output;
mod receive;
mod receive_heads;
mod request;
mod response;
mod send;
mod settings;
mod stream;
#[cfg(test)]
mod tests;
mod window;

pub use connection::{Connection, Event};
pub use error::ErrorCode;
pub use frame::PREFACE;
pub use request::{LastEventId, Malformed, RequestHead};
pub use response::HeadBlock;
pub use stream::StreamKey;
