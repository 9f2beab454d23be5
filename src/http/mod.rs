//! HTTP towards the clients: heads, routes, responses.
//!
//! The head of every request is read here (`head/`), and the handler decides on it. One that opens
//! an event stream over HTTP/1.x ends as a bare stream in a delivery shard, wherever it stands on
//! its connection. Every other response is written by hyper. A connection that begins with HTTP/2's
//! preface is a shard's as a whole, which gives its requests to `http2.rs`.

mod access_check;
mod afterwards;
mod asked;
mod client_connection;
mod client_filter;
mod client_side;
mod client_start;
mod client_wants;
mod coding;
pub(crate) mod connection;
mod cors;
mod deferred;
pub(crate) mod exchange;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod gathering;
mod handler;
pub mod head;
mod http2;
mod long_poll;
pub(crate) mod problem;
mod passed_line;
mod proxied;
mod request;
mod request_io;
pub(crate) mod response;
mod router;
mod server;
mod snapshot;
mod stream_head;
mod stream_start;
mod tls_connection;
mod unasked;
mod watched_client;

pub use router::{RoutedSource, Router};

pub(crate) use client_side::ClientSide;
pub(crate) use server::Server;
pub(crate) use snapshot::Snapshot;
pub(crate) use unasked::{CarriedConnection, Unasked};
