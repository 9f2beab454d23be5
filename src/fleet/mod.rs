//! One log for a fleet: instances that share a source's log agree on one numbering, one of them is
//! connected to the origin, and all of them serve what the log has acknowledged.
//!
//! - `record` is what the log holds; `lease`, `pipeline`, `reading` and `member` are the protocol, as
//!   state machines without I/O, clock or engine (`model` explores them); `engine` is what they need.
//! - `driver` carries out what they say; `inbox`, `coalescing` and `sink` take what the leader reads
//!   from the origin; `apply` publishes what has been read back.
//! - `chains` is the same for sources with parameters: a log for each channel, in one stream.
//! - `nats` is the one engine there is. Nothing of it is named outside of its folder.
//!
//! It promises that no event is lost, doubled or out of order in silence, whoever leads, and that no
//! append of a leader that has been followed by another lands. It does not promise delivery while the
//! engine is away.
#![cfg_attr(
    not(feature = "fleet"),
    allow(dead_code, reason = "the parts that only an engine uses are kept, without an engine")
)]

mod apply;
mod as_serde;
mod carried;
mod chains;
mod coalescing;
mod driver;
mod engine;
mod history;
mod inbox;
mod lease;
mod local;
mod member;
#[cfg(test)]
mod model;
#[cfg_attr(not(feature = "fleet"), path = "absent.rs")]
mod nats;
mod pipeline;
mod reading;
mod record;
mod shared;
mod sink;

pub(crate) use carried::CarriedMember;
pub(crate) use chains::{ChainOver, ChannelLeaderSink, Part, SourceLog, SourceSettings, keep};
pub(crate) use coalescing::Coalescing;
pub(crate) use driver::{Parts, drive};
pub(crate) use engine::Engine;
pub(crate) use history::Histories;
pub(crate) use local::Local;
pub(crate) use member::Settings;
pub(crate) use nats::{Fleet, Log};
pub(crate) use shared::{FleetState, Lead, Shared};
pub(crate) use sink::LeaderSink;
