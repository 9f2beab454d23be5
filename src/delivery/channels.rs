//! The channels that a shard follows, and for which of them something is to be done.

use super::channel_queue::ChannelQueue;
use super::keys::{ChannelKey, ClientKey};
use super::shard_channel::ShardChannel;
use crate::channel::{Channel, Coding};
use crate::log::Cursor;
use slab::Slab;
use std::collections::HashMap;
use std::ops::{Index, IndexMut};
use std::sync::Arc;

/// A channel in a queue is one that is here; one without clients is not.
pub(super) struct Channels {
    slab: Slab<ShardChannel>,
    /// By the address of their channel, which they keep alive, and what their clients take.
    by_address: HashMap<(usize, Coding), ChannelKey>,
    /// Those with a pass to make or to go on with.
    pub(super) working: ChannelQueue,
    /// Those that keep a batch for clients that read on their own.
    pub(super) replayed: ChannelQueue,
    /// Those of which the publishing side has to hear how far waiting clients are.
    pub(super) waiting: ChannelQueue,
    /// Those whose stagger cursor is on its way round.
    pub(super) staggering: ChannelQueue,
}

impl Channels {
    pub(super) fn new() -> Self {
        Self {
            slab: Slab::new(),
            by_address: HashMap::new(),
            working: ChannelQueue::default(),
            replayed: ChannelQueue::default(),
            waiting: ChannelQueue::default(),
            staggering: ChannelQueue::default(),
        }
    }

    /// The shard's side of a channel for clients that take this coding, which is made if there is
    /// none.
    pub(super) fn key_of(
        &mut self,
        channel: &Arc<Channel>,
        coding: Coding,
        make: impl FnOnce(ChannelKey) -> ShardChannel,
    ) -> ChannelKey {
        *self.by_address.entry((address(channel), coding)).or_insert_with(|| {
            let entry = self.slab.vacant_entry();
            let key = ChannelKey::new(entry.key());
            entry.insert(make(key));
            key
        })
    }

    /// Without clients the shard has no use for a channel, and would be woken for nothing.
    pub(super) fn leave_if_empty(&mut self, key: ChannelKey) {
        if !self[key].clients.is_empty() {
            return;
        }
        let left = self.slab.remove(key.index());
        self.by_address.remove(&(address(&left.channel), left.coding));
        for queue in [
            &mut self.working,
            &mut self.replayed,
            &mut self.waiting,
            &mut self.staggering,
        ] {
            queue.remove(key);
        }
    }

    /// A client waits at this cursor from now on; `None`: it waits no longer.
    pub(super) fn set_waiting(&mut self, key: ChannelKey, client: ClientKey, cursor: Option<Cursor>) {
        if self[key].waiting.set(client, cursor) {
            self.waiting.push(key);
        }
    }

    pub(super) fn get_mut(&mut self, key: ChannelKey) -> Option<&mut ShardChannel> {
        self.slab.get_mut(key.index())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ChannelKey, &ShardChannel)> {
        self.slab
            .iter()
            .map(|(index, channel)| (ChannelKey::new(index), channel))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut ShardChannel> {
        self.slab.iter_mut().map(|(_, shard_channel)| shard_channel)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// That every channel is found by its address, and that queues hold each of them once.
    #[cfg(debug_assertions)]
    pub(super) fn check(&self) {
        assert_eq!(self.by_address.len(), self.slab.len());
        for (key, shard_channel) in self.iter() {
            let name = (address(&shard_channel.channel), shard_channel.coding);
            assert_eq!(self.by_address.get(&name), Some(&key));
        }
        for queue in [&self.working, &self.replayed, &self.waiting, &self.staggering] {
            queue.check();
            assert!(
                queue.iter().all(|key| self.slab.contains(key.index())),
                "a channel that is gone"
            );
        }
    }
}

fn address(channel: &Arc<Channel>) -> usize {
    Arc::as_ptr(channel) as usize
}

impl Index<ChannelKey> for Channels {
    type Output = ShardChannel;

    #[inline]
    fn index(&self, key: ChannelKey) -> &ShardChannel {
        &self.slab[key.index()]
    }
}

impl IndexMut<ChannelKey> for Channels {
    #[inline]
    fn index_mut(&mut self, key: ChannelKey) -> &mut ShardChannel {
        &mut self.slab[key.index()]
    }
}
