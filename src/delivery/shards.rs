//! The shards of the process, from outside.

use super::http2::{NewConnection, Requests};
use super::intake::Intake;
use super::mailbox::MailboxSender;
use super::new_client::NewClient;
use super::note::{Command, Note};
use super::ping::ShardPing;
use super::report::{FoundClient, ShardReport, Whereabouts};
use super::shard_thread::ShardThread;
use super::still_holds::StillHolds;
use crate::access_log::AccessLog;
use crate::channel::Channel;
use crate::config::Drain;
use crate::critical::CriticalTasks;
use crate::net::Stream;
use bytes::Bytes;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Clients of a templated channel that stay together; a larger audience is spread.
const TOGETHER_MAX: usize = 64;

/// All shards. Dropping it cuts every client and waits for the threads.
pub struct Shards {
    shards: Vec<Handle>,
    next: AtomicUsize,
    /// HTTP/2 connections that have no streams.
    idle_count: Arc<AtomicUsize>,
}

struct Handle {
    mailbox_sender: MailboxSender<Note, mio::Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Shards {
    /// Starts `count` shards, without any of which the process must not go on.
    pub fn start(count: usize, critical: &CriticalTasks, access_log: &Arc<AccessLog>) -> io::Result<Self> {
        let idle_count = Arc::new(AtomicUsize::new(0));
        let start = |n| {
            let intake = Intake::new()?;
            let sender = intake.sender().clone();
            let shard = ShardThread::new(intake, idle_count.clone(), access_log.clone());
            Handle::start(n, critical.clone(), sender, shard)
        };
        let shards = (0..count.max(1)).map(start).collect::<io::Result<Vec<_>>>()?;
        Ok(Self {
            shards,
            next: AtomicUsize::new(0),
            idle_count,
        })
    }

    /// Gives a client to the next shard in turn; one of a job's few clients to the shard where the
    /// others are, so that the job's events wake one shard and not all.
    pub fn hand_over(&self, new_client: NewClient) {
        let n = self.shard_of(new_client.joining.subscription.channel());
        // A shard that is gone drops the client, and with it its socket and its places.
        let _ = self.shards[n]
            .mailbox_sender
            .send(Note::Command(Command::Join(Box::new(new_client))));
    }

    /// The place of the shard that a client of this channel goes to.
    pub(super) fn shard_of(&self, channel: &Channel) -> usize {
        let together = channel.settings().load().is_templated() && channel.subscribers() <= TOGETHER_MAX;
        let n = match together {
            true => channel.preferred_shard(),
            false => self.next.fetch_add(1, Ordering::Relaxed),
        };
        n % self.shards.len()
    }

    pub(super) fn mailboxes(&self) -> impl Iterator<Item = &MailboxSender<Note, mio::Waker>> {
        self.shards.iter().map(|shard| &shard.mailbox_sender)
    }

    /// Gives an HTTP/2 connection to the next shard in turn. `read`: what has been read of it, its
    /// preface included. There may be `idle_max` of them without streams: if there are more, those
    /// that have had none for longest make room.
    pub fn hand_over_http2(
        &self,
        stream: Stream,
        read: Bytes,
        peer: SocketAddr,
        requests: Arc<dyn Requests>,
        idle_max: usize,
    ) {
        if self.idle_count.load(Ordering::Relaxed) >= idle_max {
            self.make_room(1);
        }
        let connection = NewConnection {
            stream,
            read,
            peer,
            requests,
        };
        self.send_to_next(Command::Connect(Box::new(connection)));
    }

    /// Ends some HTTP/2 connections that have no streams, for others.
    pub fn make_room(&self, count: usize) {
        for _ in 0..count.min(self.idle_count.load(Ordering::Relaxed)) {
            self.send_to_next(Command::MakeRoom(1));
        }
    }

    fn send_to_next(&self, command: Command) {
        let n = self.next.fetch_add(1, Ordering::Relaxed) % self.shards.len();
        // A shard that is gone drops what it is sent.
        let _ = self.shards[n].mailbox_sender.send(Note::Command(command));
    }

    /// Ends all streams, spread over `drain.spread`, at event boundaries; what is left at
    /// `drain.timeout` is cut.
    pub fn drain(&self, drain: &Drain) {
        for shard in &self.shards {
            let _ = shard.mailbox_sender.send(Note::Command(Command::Drain(drain.clone())));
        }
    }

    /// What asks each shard for a sign of life.
    pub(crate) fn pings(&self) -> Vec<ShardPing> {
        let shards = self.shards.iter().enumerate();
        shards
            .map(|(n, shard)| ShardPing::new(thread_name(n), shard.mailbox_sender.clone()))
            .collect()
    }

    /// Ends the streams of clients that may stay no longer, at event boundaries; also of clients
    /// that were let in before and join later.
    pub fn expire(&self, holds: &StillHolds) {
        for shard in &self.shards {
            let _ = shard.mailbox_sender.send(Note::Command(Command::Expire(holds.clone())));
        }
    }

    /// What the shards know of their clients; one entry per shard that answers.
    pub async fn report(&self) -> Vec<ShardReport> {
        self.each(Command::Report).await
    }

    /// The clients at an address.
    pub async fn find(&self, whereabouts: Whereabouts) -> Vec<FoundClient> {
        let found = self.each(|answer| Command::Find(whereabouts, answer)).await;
        found.into_iter().flatten().collect()
    }

    /// The answers of the shards, of those that are there.
    async fn each<T>(&self, ask: impl Fn(oneshot::Sender<T>) -> Command) -> Vec<T> {
        let mut answers = Vec::new();
        for shard in &self.shards {
            let (sender, receiver) = oneshot::channel();
            if shard.mailbox_sender.send(Note::Command(ask(sender))).is_ok() {
                answers.push(receiver);
            }
        }
        let mut told = Vec::new();
        for answer in answers {
            told.extend(answer.await);
        }
        told
    }
}

/// A shard's name: its thread's, and in the log.
fn thread_name(n: usize) -> String {
    format!("shard-{n}")
}

impl Handle {
    fn start(
        n: usize,
        critical: CriticalTasks,
        mailbox_sender: MailboxSender<Note, mio::Waker>,
        shard: ShardThread,
    ) -> io::Result<Self> {
        let name = thread_name(n);
        let thread = std::thread::Builder::new().name(name.clone()).spawn(move || {
            if let Err(error) = critical.run(&name, || shard.run()) {
                tracing::error!(%error, "{name} stops: its poll failed");
                critical.fail(&name);
            }
        })?;
        Ok(Self {
            mailbox_sender,
            thread: Some(thread),
        })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _ = self.mailbox_sender.send(Note::Command(Command::Stop));
        if let Some(thread) = self.thread.take() {
            // A panic of the shard has been reported by the hook; there is nothing to add.
            let _ = thread.join();
        }
    }
}
