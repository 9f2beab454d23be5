//! An upgrade that cuts no client: the old process gives what it has to the new one, which goes on
//! where it stopped.
//!
//! The new process connects, and everything goes over one connection (`crate::handover`): the
//! listening sockets first; then, while nothing is read or written, what is behind them. Until the
//! new process holds all of it, and is told that it is its own, the old one can go on as if nothing
//! had been: it does so after any failure. From then on the old one touches none of it, and drains
//! what could not be given.
//!
//! Both sides do this on a thread of their own, in blocking calls, each with a deadline.

mod answering;
mod error;
mod frozen;
mod giving;
mod inherited;
mod predecessor;
mod receiving;
mod records;
mod sending;
mod state;

pub(super) use answering::answer;
pub use error::TakeOverError;
pub(super) use inherited::{Inherited, Role};
pub(super) use predecessor::Predecessor;
pub use records::Told;
pub(super) use state::HandOver;
pub use state::ask;
