//! How other threads tell a shard of one of its streams.

use crate::delivery::keys::ConnectionRef;
use crate::h2::StreamKey;
use std::sync::Arc;

/// What a shard is told of one of its streams.
pub(in crate::delivery) enum StreamNote {
    /// A part of the answer is there, or there will be none.
    Answer,
    /// So much of the request's body has been taken.
    Taken(usize),
    /// The body is wanted, and the client waits to be told (RFC 9110, 10.1.1).
    Continue,
}

/// A shard, from other threads.
pub(in crate::delivery) trait TellShard: Send + Sync {
    /// Never waits.
    fn tell(&self, connection: ConnectionRef, stream: StreamKey, note: StreamNote);
}

/// Tells a shard of one stream.
#[derive(Clone)]
pub(super) struct StreamHandle {
    pub(super) shard: Arc<dyn TellShard>,
    pub(super) connection: ConnectionRef,
    pub(super) stream: StreamKey,
}

impl StreamHandle {
    pub(super) fn tell(&self, note: StreamNote) {
        self.shard.tell(self.connection, self.stream, note);
    }
}
