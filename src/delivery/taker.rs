//! What a shard gives its clients to, on their way to another process.

use super::carried::CarriedClient;
use crate::channel::Channel;
use std::collections::HashMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// Clients that are given at one time: as many as one message can carry descriptors (`SCM_MAX_FD` of
/// Linux).
pub const CARRIED_PER_BATCH: usize = 253;
/// What takes clients, and is called by the shards' threads, which wait for it meanwhile.
pub trait Taker: Send + Sync {
    /// Takes some clients, at most [`CARRIED_PER_BATCH`], each with the socket at its place. An error:
    /// nothing comes of the whole.
    fn clients(&self, clients: &[CarriedClient], sockets: &[BorrowedFd<'_>]) -> io::Result<()>;
}

/// The channels that were given, and the place of each by its address.
pub(super) struct ChannelPlaces {
    places: HashMap<usize, u32>,
    _channels: Vec<Arc<Channel>>,
}

impl ChannelPlaces {
    /// The places of these, in this order.
    pub(super) fn of(channels: Vec<Arc<Channel>>) -> Self {
        let addresses = channels.iter().map(|channel| Arc::as_ptr(channel) as usize);
        Self {
            places: addresses.zip(0..).collect(),
            _channels: channels,
        }
    }

    pub(super) fn place(&self, channel: &Arc<Channel>) -> Option<u32> {
        self.places.get(&(Arc::as_ptr(channel) as usize)).copied()
    }
}
