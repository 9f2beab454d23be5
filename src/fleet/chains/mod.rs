//! Sources with parameters in a fleet: a chain of messages for each channel, in one stream.
//!
//! - `chain` is the protocol, as a state machine without I/O, clock or engine; `names` is how the
//!   numbering is called; `engine` is what both need.
//! - `source_log` is what the channels of a source share: `tail` reads all of them, `routes` leads each
//!   message to its channel, `peers` knows which leaders live.
//! - `joining` opens a channel, `part` takes part in it, `loading` reads it from the engine, `sink` takes
//!   what a leader reads from the origin.

mod chain;
mod engine;
mod joining;
mod loading;
#[cfg(test)]
mod model;
mod names;
mod part;
mod peers;
mod routes;
mod sink;
mod source_log;
mod tail;

pub(super) use engine::{ChainEngine, Sign, Tail};
pub(crate) use part::{ChainOver, Part};
pub(crate) use sink::ChannelLeaderSink;
pub(crate) use source_log::{SourceLog, SourceSettings};
pub(crate) use tail::keep;
