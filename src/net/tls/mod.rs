//! TLS of the listeners: handshakes, records, certificates.
//!
//! - A connection's encryption is a part of its [`super::Stream`] ([`TlsState`]) and goes with it,
//!   from the handshake (a task of the runtime) to the shard that writes the events.
//! - It has no buffers of its own: records are made and read in memory of the thread. What a socket
//!   did not take, and what has come and is no whole record, is kept per connection as long as
//!   there is some.
//! - An end in order is said (`close_notify`); where it is missing, the peer knows that it was cut.
//! - There is no 0-RTT: what could be sent again by anybody on the way is never served.

mod certificates;
mod clear_text;
mod handshake;
mod listener;
mod names;
mod outcome;
mod scratch;
mod session;
mod state;
#[cfg(test)]
pub(crate) mod testing;
mod under_way;

pub(crate) use certificates::Certificates;
pub(crate) use clear_text::refusal as clear_text_refusal;
pub(crate) use handshake::{Failed, handshake, let_arrive};
pub use listener::TlsError;
pub(crate) use listener::TlsListener;
pub(crate) use state::TlsState;
pub(super) use under_way::PATIENCE as HANDSHAKE_PATIENCE;
pub(crate) use under_way::{UnderWay, UnderWayPermit};
