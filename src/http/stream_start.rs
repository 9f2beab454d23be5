//! What a request for an event stream leaves behind: all of a client but its connection.

use crate::channel::{HistoryPlace, Subscription};
use crate::delivery::{Framing, NewClient};
use crate::log::StartPoint;
use crate::net::Stream;
use crate::quotas::ClientPermit;
use bytes::Bytes;
use std::net::SocketAddr;

/// What a shard needs of a client beside its connection.
pub(super) struct StreamStart {
    pub(super) head: Bytes,
    pub(super) framing: Framing,
    pub(super) subscription: Subscription,
    pub(super) start: StartPoint,
    pub(super) permit: ClientPermit,
    pub(super) last_event_id: Option<Bytes>,
    pub(super) history: Option<Box<HistoryPlace>>,
    pub(super) peer: SocketAddr,
}

impl StreamStart {
    /// The client, as its shard takes it.
    pub(super) fn with(self, stream: Stream) -> NewClient {
        let Self {
            head,
            framing,
            subscription,
            start,
            permit,
            last_event_id,
            history,
            peer,
        } = self;
        NewClient {
            stream,
            head,
            framing,
            subscription,
            start,
            permit,
            last_event_id,
            history,
            peer,
        }
    }
}
