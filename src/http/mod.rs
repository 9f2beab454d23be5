//! HTTP towards the clients: heads, routes, responses.
//!
//! The head of every request is read here (`head/`), and the handler decides on it. One that opens an event stream over HTTP/1.x ends as a
//! bare stream in a delivery shard, wherever it stands on its connection. Every other response is written by hyper.

mod connection;
mod cors;
mod exchange;
mod handler;
mod head;
mod long_poll;
mod pending;
mod phase;
pub(crate) mod problem;
mod proxied;
mod request;
mod request_io;
mod response;
mod router;
mod server;
mod snapshot;
mod stream_head;

pub use router::{Place, Router};

pub(crate) use server::Server;
pub(crate) use snapshot::Snapshot;
