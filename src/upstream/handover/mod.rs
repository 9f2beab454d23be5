//! An upgrade that no origin notices: a running upstream is given to the process that comes next.
//!
//! It is asked to hold still ([`Hold`]), and gives what it is as plain data ([`CarriedUpstream`]),
//! beside its socket if that is one in clear text that speaks HTTP/1.1. The other process makes it
//! one of its own ([`Taken`]) and begins where it was: in the middle of a chunk, of an event, of a
//! wait. What can't be given is asked for anew, with the last event ID in force. Where there is none
//! the old process passes the stream on (`pipe.rs`), until the new one has joined a connection of its
//! own to it.

mod carried;
mod digest;
mod hold;
mod pipe;
mod taken;

pub use carried::{CarriedEnd, CarriedError, CarriedParser, CarriedStatus, CarriedStream, CarriedUpstream, Doing};
pub(crate) use digest::digest;
pub(crate) use hold::Answer;
pub use hold::{Given, Hold};
pub(crate) use pipe::Pipes;
pub use taken::Taken;

#[cfg(test)]
mod tests;
