//! HTTP towards the clients: heads, routes, responses.
//!
//! The head of every request is read here (`head/`), and the handler decides on it. One that opens an event stream over HTTP/1.x ends as a
//! bare stream in a delivery shard, wherever it stands on its connection. Every other response is written by hyper.

mod client_connection;
pub(crate) mod connection;
mod cors;
pub(crate) mod exchange;
mod handler;
pub mod head;
mod long_poll;
pub(crate) mod problem;
mod proxied;
mod request;
mod request_io;
pub(crate) mod response;
mod router;
mod server;
mod snapshot;
mod stream_head;
mod watched_client;

pub use router::{RoutedSource, Router};

pub(crate) use server::{ClientSide, Server};
pub(crate) use snapshot::Snapshot;
