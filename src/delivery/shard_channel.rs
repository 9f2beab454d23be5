//! A shard's side of one channel: which clients follow it, and how far they have been served.

use super::batch::Batch;
use super::client::Client;
use super::follower::ShardFollower;
use super::framing::Framing;
use super::keys::{ChannelKey, ClientKey};
use super::mailbox::WakeFlag;
use super::member::{Member, put_own};
use super::note::Note;
use super::stagger_cursor::StaggerCursor;
use super::waiting::Waiting;
use crate::channel::{Channel, Coding, Follower};
use crate::config::Source;
use crate::log::{Cursor, frame};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// The shard's side of a channel. Lives while the shard has a client of it.
pub(super) struct ShardChannel {
    pub(super) channel: Arc<Channel>,
    /// What its clients take: those that take another follow another side of the channel.
    pub(super) coding: Coding,
    follower: Arc<ShardFollower>,
    /// Keys of the clients, in no order: each client knows its `index` in it.
    pub(super) clients: Vec<ClientKey>,
    /// Of compressed clients, what is remembered of each: at the client's place. Else empty.
    pub(super) members: Vec<Member>,
    /// Everything before it has been offered to every live client.
    pub(super) next: Cursor,
    /// The pass that is under way.
    pub(super) pass: Option<Pass>,
    /// The way round its clients, where delivery is staggered; there are no passes then.
    pub(super) cursor: Option<StaggerCursor>,
    /// The clients that the upstream waits for, under the policy `pause`.
    pub(super) waiting: Waiting,
    /// The last batch that was read for a client on its own: in a storm many come back to the same
    /// place.
    replayed: Option<Batch>,
    /// The heartbeat in force, as it was last written: for HTTP/1.1, and as a block.
    heartbeat: (Bytes, Bytes),
    /// The settings by which its clients are looked at.
    settings: Arc<Source>,
    /// Its source is no more, and each of its clients has a time to leave.
    pub(super) is_leaving: bool,
    pub(super) counts: Counts,
    /// What compressed clients would have been given in clear, since it was added up last.
    pub(super) clear_bytes: u64,
}

/// A pass over the clients with one batch.
pub(super) struct Pass {
    pub(super) batch: Batch,
    /// Clients at indices before it have been visited.
    pub(super) index: usize,
}

/// What a look at the log found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing new.
    Nothing,
    /// A pass has to be made.
    News,
    /// The log has let go what the live clients needed next.
    Lapsed,
}

/// Counted in plain integers, added up once a second.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) deliveries: u64,
    pub(super) bytes_sent: u64,
}

impl ShardChannel {
    pub(super) fn new(
        channel: Arc<Channel>,
        coding: Coding,
        wake_flag: WakeFlag<Note, mio::Waker, ChannelKey>,
    ) -> Self {
        let follower = Arc::new(ShardFollower::new(wake_flag, channel.log().head()));
        // Register, then look: what is published between the two raises the flag.
        channel.join(follower.clone(), coding);
        let head = channel.head(coding);
        let next = head.next();
        follower.set_offered(head);
        Self {
            cursor: None,
            settings: channel.settings().snapshot(),
            is_leaving: channel.removal().is_some(),
            channel,
            coding,
            follower,
            clients: Vec::new(),
            members: Vec::new(),
            next,
            pass: None,
            waiting: Waiting::default(),
            replayed: None,
            heartbeat: Default::default(),
            counts: Counts::default(),
            clear_bytes: 0,
        }
    }

    /// Where live clients will stand after the pass that is under way.
    pub(super) fn target(&self) -> Cursor {
        self.pass.as_ref().map_or(self.next, |pass| pass.batch.to)
    }

    /// Where a client stops reading on its own. One that is to be told when it has caught up gets
    /// there by itself: what the log holds by now is none of what comes live.
    pub(super) fn target_of(&self, has_caught_up: bool) -> Cursor {
        match has_caught_up || self.channel.settings().load().live_event.is_none() {
            true => self.target(),
            false => self.target().max(self.channel.head(self.coding).next()),
        }
    }

    /// Begins a pass if there is something new, or goes on with the one that is under way.
    pub(super) fn begin_pass(&mut self) -> Found {
        if self.pass.is_some() {
            return Found::News;
        }
        self.follower.clear();
        let log = self.channel.log();
        let head = self.channel.head(self.coding);
        if self.next > head {
            return Found::Nothing;
        }
        match Batch::read(log, self.next, head.next()) {
            Some(batch) => {
                self.pass = Some(Pass { batch, index: 0 });
                Found::News
            }
            None => {
                // The log went past us: each client reads on its own, and finds that out.
                self.moved_to(log.tail().max(self.next.next()));
                Found::Lapsed
            }
        }
    }

    /// Looks at the log, and moves on to its head: the first entry that is new, if any.
    pub(super) fn take_news(&mut self) -> Option<Cursor> {
        self.follower.clear();
        let (from, head) = (self.next, self.channel.head(self.coding));
        if from > head {
            return None;
        }
        self.moved_to(head.next());
        Some(from)
    }

    /// Whether so much has come since `from` that no client should be kept waiting for it: the log
    /// would let it go.
    pub(super) fn is_too_much(&self, from: Cursor) -> bool {
        let (log, source) = (self.channel.log(), self.channel.settings().load());
        let events = source.slow_client.events.min(source.log.events as u64);
        let bytes = source.slow_client.bytes.min(source.log.bytes);
        log.head().next().since(from) > events / 4 || log.bytes_from(from) > bytes / 4
    }

    /// Ends the pass if every client has been offered its batch.
    pub(super) fn end_pass_if_done(&mut self) {
        let is_done = |pass: &mut Pass| pass.index >= self.clients.len();
        if let Some(pass) = self.pass.take_if(is_done) {
            self.moved_to(pass.batch.to);
            let now = std::time::Instant::now();
            let seconds = &self.channel.metrics().fanout_seconds;
            for entry in pass.batch.entries() {
                seconds.record(now.saturating_duration_since(entry.received()));
            }
        }
    }

    fn moved_to(&mut self, next: Cursor) {
        self.next = next;
        self.tell_progress();
    }

    /// Tells the publishing side how far this shard is.
    pub(super) fn tell_progress(&mut self) {
        let waits_at = self.waiting.lowest().unwrap_or(self.next);
        let next = waits_at.min(self.next);
        self.follower.set_offered(next.before());
        self.channel.progressed();
    }

    /// Entries for a client that reads on its own, and what is remembered of it if it is compressed.
    /// `None`: the log has let `from` go.
    pub(super) fn replay(
        &mut self,
        from: Cursor,
        to: Cursor,
        index: usize,
    ) -> Option<(&mut Batch, Option<&mut Member>)> {
        let fits = self
            .replayed
            .as_ref()
            .is_some_and(|batch| batch.from == from && batch.to <= to);
        // Entries of a cached batch may have left the log: then the client is entitled to nothing,
        // but they are still what follows.
        if !fits {
            self.replayed = Batch::read(self.channel.log(), from, to);
        }
        Some((self.replayed.as_mut()?, self.members.get_mut(index)))
    }

    /// Blocks of the relay's own for a client, at an event boundary.
    pub(super) fn own(&mut self, client: &Client, blocks: &[u8]) -> Bytes {
        let mut own = BytesMut::new();
        put_own(
            &mut own,
            client.framing,
            self.members.get_mut(client.index as usize),
            blocks,
        );
        own.freeze()
    }

    /// Lets go of what is kept for replays: no client reads on its own any more.
    pub(super) fn forget_replays(&mut self) {
        self.replayed = None;
    }

    #[cfg(debug_assertions)]
    pub(super) fn keeps_replays(&self) -> bool {
        self.replayed.is_some()
    }

    /// Puts the `stagger` in force into effect, between two passes. Whether delivery is to be
    /// staggered.
    pub(super) fn follow_stagger(&mut self) -> bool {
        let over = self.channel.settings().load().stagger;
        match &mut self.cursor {
            Some(cursor) => cursor.set_over(over),
            None if self.pass.is_none() && !over.is_zero() => self.cursor = Some(StaggerCursor::new(over)),
            None => {}
        }
        self.cursor.is_some() && !over.is_zero()
    }

    /// The settings before and now, if they have been replaced since the last look.
    pub(super) fn replaced_settings(&mut self) -> Option<(Arc<Source>, Arc<Source>)> {
        let now = self.channel.settings().load();
        if Arc::ptr_eq(&now, &self.settings) {
            return None;
        }
        let now = Arc::clone(&now);
        let before = std::mem::replace(&mut self.settings, now.clone());
        Some((before, now))
    }

    /// The heartbeat in force, for this client.
    pub(super) fn heartbeat(&mut self, client: &Client) -> Bytes {
        let settings = self.channel.settings().load();
        let block = &settings.heartbeat.block;
        let framing = client.framing;
        if let Some(member) = self.members.get_mut(client.index as usize) {
            let mut own = BytesMut::new();
            put_own(&mut own, framing, Some(member), block);
            return own.freeze();
        }
        if self.heartbeat.1 != block {
            self.heartbeat = (frame(&[block]), block.clone());
        }
        match framing {
            Framing::Chunked => self.heartbeat.0.clone(),
            Framing::Plain => self.heartbeat.1.clone(),
        }
    }

    /// Adds up what was counted.
    pub(super) fn publish_counts(&mut self) {
        let Counts { deliveries, bytes_sent } = std::mem::take(&mut self.counts);
        let metrics = self.channel.metrics();
        if deliveries > 0 {
            metrics.deliveries.increment(deliveries);
        }
        if bytes_sent > 0 {
            metrics.bytes_sent.increment(bytes_sent);
        }
        if self.coding == Coding::Gzip && bytes_sent > 0 {
            metrics.compressed_bytes.increment(bytes_sent);
            metrics
                .uncompressed_bytes
                .increment(std::mem::take(&mut self.clear_bytes));
        }
    }
}

impl Drop for ShardChannel {
    fn drop(&mut self) {
        self.publish_counts();
        let follower: Arc<dyn Follower> = self.follower.clone();
        self.channel.leave(&follower, self.coding);
    }
}
