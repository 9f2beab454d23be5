//! What makes a configured source live: its channels, the upstreams that are run for them, and the
//! registry of all.

mod ask_origin;
mod change;
mod channel_life;
mod channel_list;
mod first_response;
mod live_source;
mod plain;
mod registry;
mod sink;
mod surroundings;
mod templated;
mod upstream_runner;

pub(crate) use change::Change;
pub(crate) use channel_list::OpenOutcome;
pub(crate) use first_response::FirstResponse;
pub(crate) use live_source::LiveSource;
pub(crate) use plain::Plain;
pub(crate) use registry::Registry;
pub use templated::Templated;
