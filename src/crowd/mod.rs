//! Clients by the thousand, for what sends event streams: who asks, reads, counts and comes back.
//!
//! It is the load harness's swarm without its measuring, and `fanfare demo` fills a relay with it.
//! It knows nothing of the relay: what it reads is read by a scanner of its own, so that one that
//! errs doesn't hide what the other does wrong. A client is a socket, a scanner and a tally of a few
//! hundred bytes; all share one thread, one poll and one buffer, and a delivery allocates nothing.
//!
//! [`run()`] is the whole of a plain crowd. The harness's swarm, which speaks TLS and HTTP/2 too,
//! builds its own loop out of the same parts.

mod client;
pub mod clock;
mod engine;
mod filler;
pub mod head;
mod inflate;
mod latency;
mod orders;
mod rate;
pub mod scan;
mod socket;
pub mod stamp;
pub mod tally;

pub use client::{Asked, Client, Kind, Stage};
pub use engine::{Finished, run};
pub use orders::{Order, Report, Setup};
pub use rate::Rate;
pub use socket::begin;
