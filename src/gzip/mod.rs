//! gzip (RFC 1952) for event streams: what is compressed once goes to any number of clients.
//!
//! A client's stream is one member: a header of its own, then *fragments*, then an end of its own
//! with the checksum of all that it was sent ([`Sum`]). A fragment is some blocks of an event
//! stream as deflate blocks (RFC 1951). It begins and ends at a byte, and what it stands for can be
//! read as soon as it is there. There are three kinds:
//!
//! - *alone*: it refers to nothing before it, so any client may get it at any time;
//! - *shared*: it refers back to the fragments of the same history, at most to the one that began
//!   it. Only a client that got all of those, and nothing in between, can read it: deflate
//!   refers by distance;
//! - *stored*: bytes of the relay's own for one client, not compressed. They move what came before
//!   them farther away, so a shared fragment may follow only once a new history begins.
//!
//! Nothing here knows of clients, logs or channels, and nothing is written anywhere.

mod encoder;
mod member;
mod sum;

pub(crate) use encoder::{Fragment, History, alone};
pub(crate) use member::{HEADER, put_end, put_stored};
pub(crate) use sum::{Addend, Sum};
