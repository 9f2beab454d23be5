//! What makes a configured source live: its channels, and the upstreams that are run for them.

mod first_response;
mod sink;
mod templated;
mod upstream_runner;

pub(crate) use first_response::FirstResponse;
pub use templated::Templated;
pub(crate) use templated::{ChannelUpstreams, OpenOutcome};
pub(crate) use upstream_runner::UpstreamRunner;
