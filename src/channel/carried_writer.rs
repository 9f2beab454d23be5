//! The writing side of a shared log on its way to a successor process.

use super::carried::CarriedChannelState;
use super::channel::Channel;
use super::publisher::Publisher;
use super::settings::Settings;
use super::shared::SharedWriter;
use crate::log::CarriedLogError;
use crate::metrics::SourceMetrics;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::sync::Arc;

/// What a writing side is, by upstream: the id in force, and whether the origin has ended its stream for
/// good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CarriedWriter(Vec<(Vec<u8>, bool)>);

impl SharedWriter {
    /// What a successor has to know beside the channel.
    pub(crate) fn give(&self) -> CarriedWriter {
        CarriedWriter(self.publishers.iter().map(Publisher::give).collect())
    }
}

impl Channel {
    /// The same as [`Channel::take`] where several processes share the log.
    pub(crate) fn take_shared(
        (state, carried): (&CarriedChannelState, &CarriedWriter),
        log: impl Read,
        settings: Settings,
        metrics: Arc<SourceMetrics>,
    ) -> Result<(Arc<Self>, SharedWriter), CarriedLogError> {
        let channel = Self::take(state, log, settings, metrics)?;
        let Some(numbering) = channel.ids.epoch().numbering().cloned() else {
            return Err(CarriedLogError::Damaged("a shared log without a name"));
        };
        let upstreams = channel.settings().load().upstreams.len();
        let publisher = |n| {
            let (id, has_ended) = carried.0.get(n).cloned().unwrap_or_default();
            let mut publisher = Publisher::new(channel.clone(), n, has_ended);
            publisher.follow(&id);
            publisher.of_coalesced()
        };
        let writer = SharedWriter {
            publishers: (0..upstreams).map(publisher).collect(),
            numbering,
            channel: channel.clone(),
        };
        Ok((channel, writer))
    }
}
