//! The log against a model that keeps everything: whatever is appended and however little is kept,
//! what readers find and where clients resume is what the documents promise.
//!
//! The model knows all entries ever written, and so every place at which a client with a given last
//! event ID may have been. Its rule for resuming is the contract's (2): such a client gets all that
//! follows, or is told that it can't.

mod carried;
mod cases;
mod checks;
mod model;
mod pair;
mod properties;

/// An id that was let go is remembered until at least so many entries after its last use.
const REMEMBERED_ENTRIES: u64 = 64;
