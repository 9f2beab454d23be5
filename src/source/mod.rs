//! What makes a configured source live: its channels, the upstreams that are run for them, and the
//! registry of all.

mod ask_origin;
mod basis;
mod carried;
#[cfg(test)]
mod carried_tests;
mod change;
mod channel_life;
mod channel_list;
mod combined;
mod first_response;
mod frozen_upstreams;
mod giving;
mod held_sharing;
mod keeping;
mod live_source;
mod plain;
mod reading;
mod registry;
mod shared_channel_life;
mod shared_channels;
mod sharing;
mod sink;
mod surroundings;
mod taken_upstreams;
mod taking;
mod templated;
mod upstream_runner;

pub(crate) use basis::Basis;
pub(crate) use carried::CarriedChannel;
pub use carried::CarriedChannelError;
pub(crate) use change::Change;
pub(crate) use channel_list::OpenOutcome;
pub(crate) use combined::{Combined, CombinedOutcome, Picked, UnknownSource};
pub(crate) use first_response::FirstResponse;
pub(crate) use frozen_upstreams::FrozenUpstreams;
pub(crate) use giving::{GivenChannel, GoingOn};
pub(crate) use held_sharing::HeldSharing;
pub(crate) use live_source::LiveSource;
pub(crate) use plain::Plain;
pub(crate) use reading::Reading;
pub(crate) use registry::Registry;
pub(crate) use taken_upstreams::{CarriedPlace, TakenUpstreams};
pub use templated::Templated;
