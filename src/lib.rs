//! fanfare: a relay for server-sent events.
//!
//! The modules, in the order in which the bytes travel.

pub mod admission;
pub mod channel;
pub mod config;
pub mod delivery;
pub mod http;
pub mod log;
pub mod event_stream;
pub mod metrics;
mod sync;
pub mod upstream;
