//! HTTP towards the clients: listeners, handshakes, routes, answers.
//!
//! hyper reads every request. One that opens an event stream over HTTP/1.x is taken from hyper before anything is written; its
//! bare socket moves to a delivery shard. Every other request is answered by hyper.

mod answer;
mod cors;
mod decide;
mod handshake;
mod long_poll;
mod passage;
mod request;
mod router;
mod socket;
mod stream_head;
mod unreadable;
mod waiting;

pub use router::{Place, Router};

pub(crate) use handshake::Front;
