//! Who may read.
//!
//! A [`Gate`] stands before a source, or before the admin, and is made of the ways in that the
//! configuration lists. It is asked about a request and answers with a [`Verdict`]: a grant, or a
//! denial; at once where it can, else in a future, which waits for a thread that hashes, for keys,
//! or for the origin. It promises that
//!
//! - nothing is let in by an error: what can't be decided lets nobody in;
//! - secrets are compared in constant time or by keyed digests, and kept by no cache;
//! - every wait is bounded, in time and in number;
//! - what it answers does not say which part of the credentials was wrong. The metric does.
//!
//! It opens nothing upstream, and knows neither channels nor connections.

mod ask;
mod ask_request;
mod basic;
mod bearer;
mod cache;
mod claims;
mod cookies;
mod denial;
mod digest;
mod gate;
mod gates;
mod hashing;
mod jwks;
mod jwt;
mod key_keeper;
mod key_set;
mod query;
mod request;
mod signed;
mod signing;
mod verdict;

pub use denial::{Answer, Denial};
pub use gate::Gate;
pub use gates::Gates;
pub use request::AccessRequest;
pub use signing::{CantSign, SignedUrl, sign};
pub use verdict::{Check, Verdict};
