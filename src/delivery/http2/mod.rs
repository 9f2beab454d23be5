//! HTTP/2 in a shard: connections that carry several streams, each a client or a request that is
//! being answered elsewhere.
//!
//! A connection belongs to its shard from its preface to its end. A request's head goes to whoever
//! answers requests ([`Requests`]), and what becomes of it comes back in parts: the head of a
//! response and its body, or that the stream is a client's from now on. What is written to the
//! streams of a connection in one turn leaves in one write.

mod answers;
mod body;
mod connection;
mod connections;
mod flush;
mod handle;
mod leave;
mod parts;
mod receive;
mod sweep;

pub use body::RequestBody;
pub(super) use connection::NewConnection;
pub(super) use connections::Connections;
pub(super) use handle::{StreamNote, TellShard};
pub use parts::{AskedRequest, Gone, Reply, RequestLimits, Requests};
