//! Sources are opened with the channels of a predecessor process.

use super::carried::{CarriedChannel, CarriedChannelError};
use super::live_source::LiveSource;
use super::registry::Registry;
use super::taken_upstreams::TakenUpstreams;
use crate::channel::Channel;
use crate::config::Source;
use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

impl Registry {
    /// Makes these the live sources, in this order, with the channels of a predecessor; there is none
    /// yet. Nothing is connected before [`Registry::begin`]. Returns the channels in the order in which
    /// they came.
    pub(crate) fn open_with<L: Read>(
        &self,
        sources: &[Arc<Source>],
        carried: impl IntoIterator<Item = (CarriedChannel, L)>,
    ) -> Result<Vec<Arc<Channel>>, CarriedChannelError> {
        let known: HashMap<&str, &Arc<Source>> = sources.iter().map(|source| (source.name.as_str(), source)).collect();
        let mut live: HashMap<String, LiveSource> = HashMap::new();
        let mut channels = Vec::new();
        // The newest that is not derived: what is derived from a channel comes right behind it.
        let mut parent: Option<(CarriedChannel, Arc<Channel>)> = None;
        for (carried, log) in carried {
            let source = known.get(&*carried.source).ok_or(CarriedChannelError::Source)?;
            if let Some(filter) = &carried.filter {
                let is_of = |parent: &CarriedChannel| {
                    parent.source == carried.source && parent.parameters == carried.parameters
                };
                let (_, parent) = parent
                    .as_ref()
                    .filter(|(parent, _)| is_of(parent))
                    .ok_or(CarriedChannelError::Parent)?;
                channels.push(parent.take_derived(filter, &carried.state, log)?);
                continue;
            }
            let channel = match live.get(&carried.source) {
                Some(live) => live.take(&carried, log)?,
                None => {
                    let (opened, channel) = self.open_taking(source, &carried, log)?;
                    live.insert(carried.source.clone(), opened);
                    channel
                }
            };
            channels.push(channel.clone());
            parent = Some((carried, channel));
        }
        let list = sources.iter().map(|source| {
            let taken = live.remove(&source.name);
            Arc::new(taken.unwrap_or_else(|| self.open_source(source)))
        });
        self.put(list.collect());
        Ok(channels)
    }

    /// Connects what was opened, once, or goes on with the connections of a predecessor. Of what this
    /// process does not have, they are closed.
    pub(crate) fn begin(&self, taken: TakenUpstreams) {
        let mut taken = taken;
        self.list().iter().for_each(|live| self.begin_source(live, &mut taken));
    }
}
