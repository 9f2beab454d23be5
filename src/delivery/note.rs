//! What reaches a shard from other threads.

use super::keys::ChannelKey;
use super::new_client::NewClient;
use super::report::ShardReport;
use super::still_holds::StillHolds;
use crate::config::Drain;

pub(super) enum Note {
    /// Something was published to this channel.
    Published(ChannelKey),
    /// Something to do.
    Command(Command),
}

pub(super) enum Command {
    Join(Box<NewClient>),
    Drain(Drain),
    /// End the streams of clients that this does not let stay, and of those that come later.
    Expire(StillHolds),
    Report(tokio::sync::oneshot::Sender<ShardReport>),
    /// To be answered as soon as it is taken up.
    Ping(tokio::sync::oneshot::Sender<()>),
    Stop,
}

impl From<ChannelKey> for Note {
    fn from(key: ChannelKey) -> Self {
        Note::Published(key)
    }
}
