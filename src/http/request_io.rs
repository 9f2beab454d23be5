//! What hyper reads one request from, and writes its response to.
//!
//! hyper sees a connection that ends with the request: it never reads beyond it. That it asked for more all the same says that the
//! connection may go on.

use super::head::BodyLength;
use crate::net::Watched;
use bytes::{Buf as _, Bytes};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Bytes of a body read at one time.
const READ_BYTES: usize = 32 * 1024;

pub(super) struct RequestIo<'a> {
    stream: &'a Watched,
    /// The head, and what is here of the body.
    ahead: Bytes,
    /// What is still to be read of the body; `None`: where it ends only hyper knows.
    left: Option<u64>,
    asked_for_more: bool,
}

impl<'a> RequestIo<'a> {
    /// `begun`: what has been read of the body.
    pub(super) fn new(stream: &'a Watched, ahead: Bytes, body: BodyLength, begun: usize) -> Self {
        Self {
            stream,
            ahead,
            left: match body {
                BodyLength::Known(bytes) => Some(bytes.saturating_sub(begun as u64)),
                BodyLength::Chunked => None,
            },
            asked_for_more: false,
        }
    }

    /// Whether hyper wanted another request.
    pub(super) fn may_go_on(&self) -> bool {
        self.asked_for_more
    }
}

impl hyper::rt::Read for RequestIo<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut into: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let room = into.remaining();
        if !self.ahead.is_empty() {
            let len = self.ahead.len().min(room);
            into.put_slice(&self.ahead[..len]);
            self.ahead.advance(len);
            return Poll::Ready(Ok(()));
        }
        let left = self
            .left
            .map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        if left == 0 {
            self.asked_for_more = true;
            return Poll::Ready(Ok(()));
        }
        let mut scratch = [0; READ_BYTES];
        let len = room.min(left).min(READ_BYTES);
        let read = ready!(self.stream.poll_read(cx, &mut scratch[..len]))?;
        into.put_slice(&scratch[..read]);
        if let Some(left) = &mut self.left {
            *left -= read as u64;
        }
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for RequestIo<'_> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Whether the connection ends is not hyper's to say.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
