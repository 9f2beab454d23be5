//! All shards give their clients, and adopt those of a predecessor.

use super::mailbox::MailboxSender;
use super::note::{Command, GiveCounts, GiveOrder, Note};
use super::shards::Shards;
use super::taker::{ChannelPlaces, Taker};
use super::taking::{TakenClient, TakenClients};
use crate::channel::Channel;
use std::io;
use std::sync::{Arc, mpsc};
use std::time::Instant;

/// Clients of one note: a shard that adopts thousands takes up other notes in between.
const ADOPTED_TOGETHER: usize = 64;

/// Shards that have given their clients, and stand still. Dropping it lets them go on as if nothing
/// had been.
#[must_use]
pub struct Given {
    shards: Vec<MailboxSender<Note, mio::Waker>>,
    counts: GiveCounts,
}

impl Given {
    /// Clients that were given.
    pub fn handed_over(&self) -> usize {
        self.counts.given
    }

    /// Those that stay in this process.
    pub fn to_drain(&self) -> usize {
        self.counts.staying
    }

    /// The successor has the clients that were given: they are let go without a word, and the shards go
    /// on with the others.
    pub fn let_go(mut self) {
        for shard in self.shards.drain(..) {
            // A shard that is gone has no clients.
            let _ = shard.send(Note::Command(Command::LetGo));
        }
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        for shard in &self.shards {
            let _ = shard.send(Note::Command(Command::GoOn));
        }
    }
}

impl Shards {
    /// Lets each shard stop and give the clients of these channels to `taker`, which the shards call at
    /// the same time. Blocks until all have, or one fails, or until the deadline: then all go on.
    pub fn give(&self, channels: Vec<Arc<Channel>>, taker: &Arc<dyn Taker>, deadline: Instant) -> io::Result<Given> {
        let channels = Arc::new(ChannelPlaces::of(channels));
        let (answer, answers) = mpsc::channel();
        let mut given = Given {
            shards: Vec::new(),
            counts: GiveCounts::default(),
        };
        for shard in self.mailboxes() {
            let order = GiveOrder {
                channels: channels.clone(),
                taker: taker.clone(),
                answer: answer.clone(),
            };
            let sent = shard.send(Note::Command(Command::Give(Box::new(order))));
            sent.map_err(|_| io::Error::other("a shard is gone"))?;
            given.shards.push(shard.clone());
        }
        for _ in 0..given.shards.len() {
            let left = deadline.saturating_duration_since(Instant::now());
            let counts = answers.recv_timeout(left).map_err(|_| io::ErrorKind::TimedOut)??;
            given.counts.given += counts.given;
            given.counts.staying += counts.staying;
        }
        Ok(given)
    }

    /// Goes on with clients that a predecessor has let go. From now on they are written to.
    pub fn adopt(&self, mut taken: TakenClients) {
        taken.cut();
        let mut shares: Vec<Vec<TakenClient>> = self.mailboxes().map(|_| Vec::new()).collect();
        for client in taken.clients {
            let n = self.shard_of(client.subscription.channel());
            shares[n].push(client);
        }
        for (shard, mut share) in self.mailboxes().zip(shares) {
            while !share.is_empty() {
                let later = share.split_off(share.len().min(ADOPTED_TOGETHER));
                let now = std::mem::replace(&mut share, later);
                // A shard that is gone drops its clients, and with them their sockets.
                let _ = shard.send(Note::Command(Command::Adopt(now)));
            }
        }
    }
}
