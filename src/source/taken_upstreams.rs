//! The upstreams of a predecessor process, by whose they are.

use crate::upstream::handover::{CarriedUpstream, Taken};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Upstreams that may have two connections to their origins at one time, the predecessor's and one of
/// their own.
const OVERLAPS_MAX: usize = 16;

/// A channel: its source's name, and its parameters by name.
pub(super) type ChannelName = (String, Vec<(String, String)>);

/// An upstream, and whose it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CarriedPlace {
    /// The source's name.
    pub(crate) source: String,
    /// The channel's parameters; none of a source without.
    pub(crate) parameters: Vec<(String, String)>,
    /// Which of the source's upstreams.
    pub(crate) place: u32,
    /// What it is.
    pub(crate) upstream: CarriedUpstream,
}

/// Upstreams of a predecessor, to go on with. Dropping it closes this process's copies of their
/// sockets and nothing else.
pub(crate) struct TakenUpstreams {
    taken: HashMap<ChannelName, HashMap<u32, Taken>>,
    overlaps: Arc<Semaphore>,
}

impl Default for TakenUpstreams {
    fn default() -> Self {
        Self {
            taken: HashMap::new(),
            overlaps: Arc::new(Semaphore::new(OVERLAPS_MAX)),
        }
    }
}

impl TakenUpstreams {
    /// Takes one.
    pub(crate) fn take(&mut self, place: CarriedPlace, socket: Option<OwnedFd>) {
        let taken = Taken::new((place.upstream, socket)).among(&self.overlaps);
        let channel = self.taken.entry((place.source, place.parameters)).or_default();
        channel.insert(place.place, taken);
    }

    /// Those of one channel, by place; they are to be run.
    pub(super) fn of(
        &mut self,
        source: &str,
        parameters: Vec<(String, String)>,
        upstreams: usize,
    ) -> Vec<Option<Box<Taken>>> {
        let mut taken = self.taken.remove(&(source.to_owned(), parameters)).unwrap_or_default();
        let places = 0..u32::try_from(upstreams).unwrap_or(u32::MAX);
        places.map(|place| taken.remove(&place).map(Box::new)).collect()
    }
}
