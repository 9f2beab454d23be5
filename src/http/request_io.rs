//! What hyper reads one request from, and writes its response to.
//!
//! hyper sees a connection that ends with the request, so it never reads beyond it. If it tries to,
//! it would serve another request: then the connection may go on.

use super::head::BodyLength;
use crate::net::Watched;
use bytes::{Buf as _, Bytes};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

/// Bytes of a body read at one time.
const READ_BYTES: usize = 32 * 1024;

/// How far a request and its response are.
#[derive(Debug, Default)]
pub(super) struct Progress {
    has_request: AtomicBool,
    has_response: AtomicBool,
}

impl Progress {
    /// Whether all of the request has been read.
    pub(super) fn has_request(&self) -> bool {
        self.has_request.load(Ordering::Relaxed)
    }

    /// Whether the response has begun.
    pub(super) fn has_response(&self) -> bool {
        self.has_response.load(Ordering::Relaxed)
    }
}

pub(super) struct RequestIo<'a> {
    stream: &'a Watched,
    /// The head, and what is here of the body.
    ahead: Bytes,
    /// What is still to be read of the body; `None`: it comes in chunks, and only hyper knows where
    /// they end.
    left: Option<u64>,
    asked_for_more: bool,
    progress: &'a Progress,
}

impl<'a> RequestIo<'a> {
    /// `begun`: what has been read of the body.
    pub(super) fn new(
        stream: &'a Watched,
        ahead: Bytes,
        body: BodyLength,
        begun: usize,
        progress: &'a Progress,
    ) -> Self {
        let left = match body {
            BodyLength::Known(bytes) => Some(bytes.saturating_sub(begun as u64)),
            BodyLength::Chunked => None,
        };
        progress.has_request.store(left == Some(0), Ordering::Relaxed);
        Self {
            stream,
            ahead,
            left,
            asked_for_more: false,
            progress,
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
        let this = &mut *self;
        if let Some(left) = &mut this.left {
            *left -= read as u64;
            this.progress.has_request.store(*left == 0, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for RequestIo<'_> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.progress.has_response.store(true, Ordering::Relaxed);
        self.stream.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_flush(cx)
    }

    /// hyper does not decide whether the connection ends.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
