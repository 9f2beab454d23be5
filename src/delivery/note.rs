//! What reaches a shard from other threads.

use super::http2::{NewConnection, StreamNote, TellShard};
use super::keys::{ChannelKey, ConnectionRef};
use super::mailbox::MailboxSender;
use super::new_client::NewClient;
use super::report::{FoundClient, ShardReport, Whereabouts};
use super::still_holds::StillHolds;
use super::taker::{ChannelPlaces, Taker};
use super::taking::TakenClient;
use crate::config::Drain;
use crate::h2::StreamKey;
use std::io;
use std::sync::{Arc, mpsc};

pub(super) enum Note {
    /// Something was published to this channel.
    Published(ChannelKey),
    /// Something to do.
    Command(Command),
}

pub(super) enum Command {
    Join(Box<NewClient>),
    /// An HTTP/2 connection is this shard's from now on.
    Connect(Box<NewConnection>),
    /// Something about a stream of one of its connections.
    Stream(ConnectionRef, StreamKey, StreamNote),
    /// So many connections without streams are to end, for others.
    MakeRoom(usize),
    Drain(Drain),
    /// End the streams of clients that this does not let stay, and of those that come later.
    Expire(StillHolds),
    Report(tokio::sync::oneshot::Sender<ShardReport>),
    /// Who is there?
    Find(Whereabouts, tokio::sync::oneshot::Sender<Vec<FoundClient>>),
    /// Stop, and give the clients that can go over.
    Give(Box<GiveOrder>),
    /// Go on with the clients that were given.
    GoOn,
    /// The successor has them.
    LetGo,
    /// Clients that a predecessor had.
    Adopt(Vec<TakenClient>),
    /// To be answered as soon as it is taken up.
    Ping(tokio::sync::oneshot::Sender<()>),
    Stop,
}

/// What a shard is told that gives its clients.
pub(super) struct GiveOrder {
    pub(super) channels: Arc<ChannelPlaces>,
    pub(super) taker: Arc<dyn Taker>,
    /// Told what it has given, or why that failed. It stands still then, in either case.
    pub(super) answer: mpsc::Sender<io::Result<GiveCounts>>,
}

/// How many clients a shard has given, and how many it has beside them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct GiveCounts {
    pub(super) given: usize,
    pub(super) staying: usize,
}

impl From<ChannelKey> for Note {
    fn from(key: ChannelKey) -> Self {
        Note::Published(key)
    }
}

impl TellShard for MailboxSender<Note, mio::Waker> {
    fn tell(&self, connection: ConnectionRef, stream: StreamKey, note: StreamNote) {
        // A shard that is gone has no connections.
        let _ = self.send(Note::Command(Command::Stream(connection, stream, note)));
    }
}
