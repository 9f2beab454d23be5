//! A stream: one request and its response.

use super::window::Window;

/// Names an open stream of a connection, and no other of it ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamKey {
    pub(super) slot: u32,
    pub(super) id: u32,
}

#[derive(Debug)]
pub(super) struct Stream<T> {
    pub(super) id: u32,
    /// What may be sent.
    pub(super) window: Window,
    /// What may be in flight beyond half of the peer's window.
    pub(super) unread_max: u32,
    /// What the peer may still send.
    pub(super) may_receive: u32,
    /// What has been taken of that, and not been given back.
    pub(super) taken: u32,
    /// What is missing of a request whose length is known.
    pub(super) missing: Option<u64>,
    /// All of the request is here.
    pub(super) request_ended: bool,
    /// The response's head has been sent.
    pub(super) has_head: bool,
    /// Less was taken than there was to send: it is told when there is room.
    pub(super) waits: bool,
    /// What waits is data; heads and trailers need room in the output alone.
    pub(super) needs_window: bool,
    /// Whose it is, once it has been given to somebody.
    pub(super) owner: Option<T>,
}
