//! fanfare: a relay for server-sent events.
//!
//! The modules, in the order in which the bytes travel.

pub mod config;
pub mod event_stream;
pub mod metrics;
pub mod upstream;
