//! What reaches a shard from other threads.

use super::http2::{NewConnection, StreamNote, TellShard};
use super::keys::{ChannelKey, ConnectionRef};
use super::mailbox::MailboxSender;
use super::new_client::NewClient;
use super::report::{FoundClient, ShardReport, Whereabouts};
use super::still_holds::StillHolds;
use crate::config::Drain;
use crate::h2::StreamKey;

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
    /// To be answered as soon as it is taken up.
    Ping(tokio::sync::oneshot::Sender<()>),
    Stop,
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
