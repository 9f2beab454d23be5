//! One HTTP/2 connection of a shard.

use super::body::BodySender;
use super::parts::{Part, Requests};
use crate::delivery::clock::Tick;
use crate::delivery::keys::{ClientKey, Generation};
use crate::h2::{self, StreamKey};
use crate::net::Stream;
use crate::quotas::{ClientPermit, ConnectionPermit};
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A connection on its way to a shard.
pub(in crate::delivery) struct NewConnection {
    pub(in crate::delivery) stream: Stream,
    /// What has been read of it: its preface, and perhaps more.
    pub(in crate::delivery) read: Bytes,
    pub(in crate::delivery) peer: SocketAddr,
    pub(in crate::delivery) requests: Arc<dyn Requests>,
}

pub(super) struct Http2Connection {
    pub(super) stream: Stream,
    pub(super) protocol: h2::Connection<Owner>,
    pub(super) generation: Generation,
    pub(super) peer: SocketAddr,
    pub(super) requests: Arc<dyn Requests>,
    /// Its place among what lasts, while it has streams.
    pub(super) permit: Option<ConnectionPermit>,
    /// What is given back when all output has left.
    pub(super) held: Vec<Held>,
    /// It stands in the list of those with output to flush.
    pub(super) is_dirty: bool,
    /// It stands in the queue of those with more to be read.
    pub(super) is_reading: bool,
    /// Counts among the connections without streams.
    pub(super) is_idle: bool,
    /// When its last stream ended, or it came.
    pub(super) idle_since: Tick,
    /// When a head began that has not ended.
    pub(super) head_since: Option<Tick>,
    /// When something came last.
    pub(super) heard: Tick,
    /// It was asked for a sign of life since.
    pub(super) is_asked: bool,
    /// When it was told to make no more requests, and when it was closed for good.
    pub(super) announced: Option<Tick>,
}

/// Whose a stream is.
#[derive(Debug)]
pub(super) enum Owner {
    Client(ClientKey),
    /// A request that is being answered.
    Asked(Box<Asked>),
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Asked {
    /// `None`: there is no body.
    pub(super) body: Option<BodySender>,
    pub(super) parts: mpsc::Receiver<Part>,
    /// What has been taken from `parts` and not been written.
    pub(super) next: Option<Part>,
}

/// What is dropped when the output has left.
pub(super) enum Held {
    /// A client's place.
    Client { _permit: ClientPermit },
    /// The end of a response.
    Response { _parts: Box<Asked> },
}

impl Http2Connection {
    /// The request on a stream that is being answered.
    pub(super) fn asked_mut(&mut self, stream: StreamKey) -> Option<&mut Asked> {
        match self.protocol.owner_mut(stream)? {
            Some(Owner::Asked(asked)) => Some(asked),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Head(..) => "Head",
            Self::Data(_) => "Data",
            Self::End => "End",
            Self::Trailers(_) => "Trailers",
            Self::Join(..) => "Join",
        })
    }
}
