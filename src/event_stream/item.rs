//! What the parser finds, and the bounds within which it looks.

use super::Event;
use bytes::Bytes;
use std::time::Duration;

/// What the parser found.
#[derive(Debug, Clone)]
pub enum Item<'a> {
    /// A block that dispatches an event, or that carries nothing but an id.
    Event(Event<'a>),
    /// A valid `retry` field: the new reconnection time, in force at once, whatever becomes of the
    /// block around it. At most [`RECONNECTION_TIME_MAX`](super::RECONNECTION_TIME_MAX).
    Retry(Duration),
    /// A comment line in plain form (`:...\n`), if they are asked for; comes before the block in
    /// which it stood. One that does not fit into the limit beside that block's lines so far is
    /// left out.
    Comment(Bytes),
    /// A block over the limit: dropped whole. Comes when it has ended.
    Oversized {
        /// Bytes dropped: the block's size in plain form.
        bytes: u64,
        /// The last valid id that it set, as far as seen: after the limit was reached, an `id` line
        /// counts if it fits into the limit beside the id before it.
        id: Option<Bytes>,
    },
}

/// Bounds and choices.
#[derive(Debug, Clone, Copy)]
pub struct ParserOptions {
    /// Largest block in plain form with its blank line, and so largest line, in bytes. At most
    /// `u32::MAX`, which is what a larger value means.
    pub event_bytes_max: usize,
    /// Whether comments are wanted.
    pub comments: bool,
}
