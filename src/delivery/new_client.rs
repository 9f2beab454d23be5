//! A client on its way to a shard.

use super::framing::Framing;
use crate::channel::{Coding, HistoryPlace, Subscription};
use crate::log::StartPoint;
use crate::net::Stream;
use crate::quotas::ClientPermit;
use bytes::Bytes;
use std::net::SocketAddr;

/// A connection whose request has been read and is not answered yet.
pub struct NewClient {
    /// Its connection.
    pub stream: Stream,
    /// The response head, complete.
    pub head: Bytes,
    /// How what follows is framed.
    pub framing: Framing,
    /// What is to be known of it beside its connection.
    pub joining: Joining,
}

/// A client, but for the way to it.
pub struct Joining {
    /// What it joins.
    pub subscription: Subscription,
    /// How the events are coded for it.
    pub coding: Coding,
    /// Its place in the process.
    pub permit: ClientPermit,
    /// Where it starts without a last event ID.
    pub start: StartPoint,
    /// The last event ID it came with.
    pub last_event_id: Option<Bytes>,
    /// What it gets from before the channel's log, if the origin returned it.
    pub history: Option<Box<HistoryPlace>>,
    /// Where it came from; unspecified for Unix sockets.
    pub peer: SocketAddr,
}
