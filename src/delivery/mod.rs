//! Delivery: threads that own the clients' sockets and write to them.
//!
//! A shard is a thread with one poll, a slab of clients and no lock. A client is a socket and a cursor into its channel's
//! log; it costs about a hundred bytes here. Publishing wakes a shard once; the shard then offers the same bytes to every
//! client at the head in one pass. Who could not take everything is left alone until its socket is
//! writable again, and then reads the log on its own, in turns, until it is back at the head.
//!
//! The data path names neither the configuration file nor the admin.

mod batch;
mod mailbox;
mod client;
mod clock;
mod deliver;
mod join;
mod lag;
mod leave;
mod report;
mod shard;
mod shards;
mod slow_client;
mod stagger;
mod survey;
mod shard_channel;
mod waiting;
mod wheel;

pub use batch::Framing;
pub(crate) use join::jittered;
pub use report::{ClientReport, ShardReport, SourceReport, keep_slowest};
pub use shards::Shards;

use crate::channel::Subscription;
use crate::log::StartPoint;
use crate::net::Stream;
use crate::quotas::ClientPermit;
use bytes::Bytes;
use std::net::SocketAddr;

/// A connection whose request has been read and answered by nobody yet.
pub struct NewClient {
    /// Its connection.
    pub stream: Stream,
    /// The response head, complete.
    pub head: Bytes,
    /// How what follows is framed.
    pub framing: Framing,
    /// What it joins.
    pub subscription: Subscription,
    /// Its place in the process.
    pub permit: ClientPermit,
    /// Where it starts without a last event ID.
    pub start: StartPoint,
    /// The last event ID it came with.
    pub last_event_id: Option<Bytes>,
    /// Where it came from; unspecified for Unix sockets.
    pub peer: SocketAddr,
}
