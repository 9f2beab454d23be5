//! What a request for an event stream leaves behind: all of a client but its connection.

use crate::delivery::{Framing, Joining, NewClient};
use crate::h2::HeadBlock;
use crate::net::Stream;
use bytes::Bytes;

/// What a shard needs of a client beside its connection.
pub(super) struct StreamStart {
    pub(super) head: StreamHead,
    pub(super) joining: Joining,
}

/// The response's head, as the client's version of HTTP has it.
pub(super) enum StreamHead {
    /// As text, and how what follows is framed.
    Text(Bytes, Framing),
    /// As a header block.
    Block(HeadBlock),
}

impl StreamStart {
    /// The client, as its shard takes it; `None`: it has no connection of its own.
    pub(super) fn with(self, stream: Stream) -> Option<NewClient> {
        let Self { head, joining } = self;
        match head {
            StreamHead::Text(head, framing) => Some(NewClient {
                stream,
                head,
                framing,
                joining,
            }),
            StreamHead::Block(_) => None,
        }
    }
}
