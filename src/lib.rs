//! fanfare: a relay for server-sent events.
//!
//! The modules, in the order in which the bytes travel.

// An event's way: from the origin into the log, from the log to every client.
pub mod upstream;
pub mod event_stream;
pub mod kept;
mod gzip;
pub mod log;
pub mod channel;
mod fleet;
pub mod source;
pub mod delivery;

// A client's way: from a listener to a shard.
pub mod net;
pub mod h2;
pub mod quotas;
pub mod access;
pub mod http;
pub mod path;
mod proxy;

// The process around them.
pub mod admin;
pub mod cli;
pub mod config;
pub mod crowd;
pub mod demo;
pub mod error;
pub mod handover;
pub mod metrics;
pub mod relay;
pub mod service_manager;
pub mod signals;
pub mod status;
pub mod telemetry;

// What several of them use.
pub mod access_log;
mod wake_up_batching;
mod auxiliary_http;
mod certificate;
mod redaction;
mod sync;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod timestamp;
pub mod critical;
