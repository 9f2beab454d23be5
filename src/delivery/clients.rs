//! The clients of a shard, the looks at them that are due some time, and the queue of those that
//! read on their own.

use super::client::{Client, ClientState};
use super::keys::{ClientKey, ClientRef, Generation};
use super::timers::Timers;
use slab::Slab;
use std::collections::VecDeque;
use std::ops::{Index, IndexMut};
use std::time::Duration;

/// Every client stands in the timers, and one that is replaying in the queue, once.
pub(super) struct Clients {
    slab: Slab<Client>,
    /// That of the client that joined last.
    newest: Generation,
    timers: Timers,
    replaying: VecDeque<ClientRef>,
}

impl Clients {
    pub(super) fn new() -> Self {
        Self {
            slab: Slab::new(),
            newest: Generation::FIRST,
            timers: Timers::new(),
            replaying: VecDeque::new(),
        }
    }

    /// What the next client will be called; none may come between this and its [`Clients::insert`].
    pub(super) fn next_ref(&mut self) -> ClientRef {
        self.newest = self.newest.next();
        ClientRef {
            key: ClientKey::new(self.slab.vacant_key()),
            generation: self.newest,
        }
    }

    pub(super) fn insert(&mut self, client: Client) -> ClientKey {
        ClientKey::new(self.slab.insert(client))
    }

    /// Takes a client out. What refers to it in timers and queues is passed over when it comes up.
    pub(super) fn remove(&mut self, key: ClientKey) -> Client {
        self.slab.remove(key.index())
    }

    /// The key of a client that is still here.
    pub(super) fn key_of(&self, client: ClientRef) -> Option<ClientKey> {
        let found = self.slab.get(client.key.index())?;
        (found.generation == client.generation).then_some(client.key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ClientKey, &Client)> {
        self.slab.iter().map(|(index, client)| (ClientKey::new(index), client))
    }

    fn reference(&self, key: ClientKey) -> ClientRef {
        let generation = self[key].generation;
        ClientRef { key, generation }
    }

    /// Enters a look `delay` after `now` (ticks since the shard's start). One that was entered
    /// before is stale from now on.
    pub(super) fn arm(&mut self, key: ClientKey, now: u64, delay: Duration) {
        let client = self.reference(key);
        self[key].armed = self.timers.enter(client, now, delay);
    }

    /// Takes note of the looks that are due by `now`.
    pub(super) fn turn_timers(&mut self, now: u64) {
        self.timers.turn(now);
    }

    /// The next reference whose look is due; `Some(None)`: the client is gone.
    pub(super) fn next_due(&mut self) -> Option<Option<ClientKey>> {
        let client = self.timers.next_due()?;
        Some(self.key_of(client))
    }

    /// How long after `now` the next look comes up.
    pub(super) fn until_look(&self, now: u64) -> Option<Duration> {
        self.timers.until_next(now)
    }

    /// Puts a client at the end of the queue of those that read on their own, in which it must not
    /// stand.
    pub(super) fn replay_later(&mut self, key: ClientKey) {
        self[key].state = ClientState::Replaying;
        self.replaying.push_back(self.reference(key));
    }

    /// The next one's turn; `Some(None)`: it is gone, or does something else by now.
    pub(super) fn next_replay(&mut self) -> Option<Option<ClientKey>> {
        let client = self.replaying.pop_front()?;
        let key = self.key_of(client);
        Some(key.filter(|&key| self[key].state == ClientState::Replaying))
    }

    pub(super) fn has_replays(&self) -> bool {
        !self.replaying.is_empty()
    }

    /// Whether no look is due and no client reads on its own.
    pub(super) fn is_idle(&self) -> bool {
        !self.has_replays() && !self.timers.has_due()
    }
}

impl Index<ClientKey> for Clients {
    type Output = Client;

    #[inline]
    fn index(&self, key: ClientKey) -> &Client {
        &self.slab[key.index()]
    }
}

impl IndexMut<ClientKey> for Clients {
    #[inline]
    fn index_mut(&mut self, key: ClientKey) -> &mut Client {
        &mut self.slab[key.index()]
    }
}

/// What a check of a shard asks for.
#[cfg(debug_assertions)]
impl Clients {
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// The clients from the `start`th place on.
    pub(super) fn from(&self, start: usize) -> impl Iterator<Item = (ClientKey, &Client)> {
        (start..self.slab.capacity()).filter_map(|index| Some((ClientKey::new(index), self.slab.get(index)?)))
    }

    pub(super) fn is_timed(&self, key: ClientKey) -> bool {
        self.timers.holds(self.reference(key), self[key].armed)
    }

    /// How often each replaying client stands in the queue.
    pub(super) fn replaying(&self) -> std::collections::HashMap<usize, usize> {
        let mut times = std::collections::HashMap::new();
        let current = self.replaying.iter().filter_map(|&client| self.key_of(client));
        for key in current.filter(|&key| self[key].state == ClientState::Replaying) {
            *times.entry(key.index()).or_insert(0) += 1;
        }
        times
    }
}
