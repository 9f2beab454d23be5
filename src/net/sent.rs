//! What became of bytes that were to be sent.

/// How many bytes of a stream's owner were taken, and whether there is room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// So many of them are on their way, or will be before all that is sent later.
    pub taken: usize,
    /// The socket is full: bytes were not taken, or the stream itself has some left, and goes on
    /// once the socket is writable.
    pub is_full: bool,
}
