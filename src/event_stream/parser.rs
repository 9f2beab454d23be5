//! The incremental parser.

use super::Event;
use bytes::Bytes;
use std::time::Duration;

/// What the parser found.
#[derive(Debug, Clone)]
pub enum Item {
    /// A block that dispatches an event, or that carries nothing but an id.
    Event(Event),
    /// A valid `retry` field: the new reconnection time.
    Retry(Duration),
    /// A comment line in plain form (`:...\n`), if they are asked for; comes before the block in which it stood.
    Comment(Bytes),
    /// A block over the limit: dropped whole.
    Oversized {
        /// Bytes dropped.
        bytes: u64,
        /// The id it set, if that was seen before the limit was reached.
        id: Option<Bytes>,
    },
}

/// Bounds and choices.
#[derive(Debug, Clone, Copy)]
pub struct ParserOptions {
    /// Largest block, and so largest line, in bytes.
    pub event_bytes_max: usize,
    /// Whether comments are wanted.
    pub comments: bool,
}

/// The incremental parser: feed it reads, take items.
#[derive(Debug)]
pub struct Parser {
    options: ParserOptions,
}

impl Parser {
    /// A parser at the start of a stream.
    pub fn new(options: ParserOptions) -> Self {
        Self { options }
    }
}
