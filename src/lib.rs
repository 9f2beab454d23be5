//! fanfare: a relay for server-sent events.
//!
//! The modules, in the order in which the bytes travel.

pub mod cli;
pub mod config;
pub mod error;
pub mod event_stream;
pub mod metrics;
pub mod telemetry;
pub mod upstream;
pub mod event_stream;
pub mod log;
pub mod channel;
pub mod delivery;

// A client's way: from a listener to a shard.
pub mod admission;
pub mod http;

// The process around them.
pub mod admin;
pub mod cli;
pub mod config;
pub mod demo;
pub mod error;
pub mod metrics;
pub mod relay;
pub mod status;
pub mod telemetry;
mod side_server;
mod sync;
pub mod timestamp;
