//! A shard: the clients of one thread, the channels that they follow, and its time.
//!
//! What is done with them stands in files of its own, each a part of one turn: `join`, `passes`,
//! `stagger`, `replays`, `looks`, `lag`, `leave`, `expire`, `survey`. `shard_thread` calls them in turn.

use super::accounts::Accounts;
use super::channels::Channels;
use super::clients::Clients;
use super::clock::{Clock, Tick};
use super::http2::Connections;
use super::keys::{ChannelKey, ClientKey};
use super::mailbox::MailboxSender;
use super::note::Note;
use super::slow_client;
use super::still_holds::StillHolds;
use crate::access_log::AccessLog;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// Everything here belongs to one thread alone.
///
/// A client names its channel by a key, and stands in that one's list; a channel without clients is
/// let go.
pub(super) struct Shard {
    pub(super) clients: Clients,
    pub(super) accounts: Accounts,
    pub(super) channels: Channels,
    /// Those that carry the streams of several clients.
    pub(super) connections: Connections,
    /// Into this shard's own mailbox.
    pub(super) mailbox_sender: MailboxSender<Note, mio::Waker>,
    pub(super) clock: Clock,
    /// Until when streams may go on, once the process leaves.
    pub(super) drained_by: Option<Tick>,
    /// Whom a reload lets stay; `None`: there was none.
    pub(super) holds: Option<StillHolds>,
}

impl Shard {
    /// `idle_count`: how many HTTP/2 connections of all shards have no streams.
    pub(super) fn new(
        mailbox_sender: MailboxSender<Note, mio::Waker>,
        idle_count: Arc<AtomicUsize>,
        access_log: Arc<AccessLog>,
    ) -> Self {
        Self {
            connections: Connections::new(Arc::new(mailbox_sender.clone()), idle_count),
            mailbox_sender,
            clients: Clients::new(),
            accounts: Accounts::new(access_log),
            channels: Channels::new(),
            clock: Clock::new(),
            drained_by: None,
            holds: None,
        }
    }

    /// Whether nothing is left to be done before something comes or is due.
    pub(super) fn is_idle(&self) -> bool {
        self.channels.working.is_empty() && self.clients.is_idle() && self.connections.is_quiet()
    }

    /// How long nothing will be due.
    pub(super) fn until_due(&self) -> Option<Duration> {
        let looks = self.clients.until_look(self.clock.ticks());
        let visits = self.until_next_visit();
        looks.into_iter().chain(visits).chain(self.until_sweep()).min()
    }

    /// Enters a look at a client. One that was entered before is stale from now on.
    pub(super) fn arm(&mut self, key: ClientKey, delay: Duration) {
        self.clients.arm(key, self.clock.ticks(), delay);
    }

    /// A client goes on by itself: it reads the log when it is its turn.
    pub(super) fn replay_later(&mut self, key: ClientKey) {
        self.clients.replay_later(key);
        self.waiting_changed(key);
    }

    /// A client began to wait for its socket or its turn, moved on, or waits no longer: where the
    /// upstream waits for clients, it has to know.
    pub(super) fn waiting_changed(&mut self, key: ClientKey) {
        let client = &self.clients[key];
        let policy = client.subscription.channel().settings().load().slow_client.policy;
        let cursor = client.waits_at().filter(|_| slow_client::upstream_waits(policy));
        self.channels.set_waiting(client.channel_key, key, cursor);
    }

    /// Tells the publishing sides how far the slowest clients are, where they wait for them.
    pub(super) fn tell_waiting(&mut self) {
        while let Some(key) = self.channels.waiting.pop() {
            self.channels[key].tell_progress();
        }
    }

    /// Puts a client's channel among those with work.
    pub(super) fn has_work(&mut self, key: ChannelKey) {
        // It may be gone by now, and notes about it on their way.
        if self.channels.get_mut(key).is_some() {
            self.channels.working.push(key);
        }
    }
}
