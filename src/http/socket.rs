//! A client's socket while hyper reads its request: registered with the runtime only if it has to wait.
//!
//! Most requests are in the kernel's buffer by the time the connection is accepted. They are read, and the socket moves to
//! its shard, without ever having been in the runtime's poll: two calls and a task less per client.

use crate::net::{Stream, watch};
use bytes::{Buf as _, Bytes};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::unix::AsyncFd;

/// Bytes read at one time: more than nearly every request head.
const READ_BYTES: usize = 4096;
/// The same for bodies.
const READ_BODY_BYTES: usize = 32 * 1024;

/// What the socket's owner and hyper's connection agree on.
#[derive(Debug, Default)]
pub(super) struct Mode {
    /// The connection is being polled without a task of its own: waiting is reported, not arranged.
    pub(super) probing: AtomicBool,
    /// The request has been read and the socket is about to be taken: nothing is read any more.
    pub(super) taken: AtomicBool,
    /// How far a passed request is: one of the constants below; 0: there was none.
    pass: AtomicU8,
    /// How far the request is that hyper has read: one of the constants below; 0: it has read none.
    turn: AtomicU8,
    /// The status with which hyper refuses a request that it can't read; 0: there is none.
    unreadable: AtomicU16,
}

/// The request is being answered.
const ASKED: u8 = 1;
/// hyper has the answer, but for what a body of it that is still to come may hold.
const ANSWER_KNOWN: u8 = 2;

/// What stands before the status in an answer of hyper's own.
const BEFORE_STATUS: &[u8] = b"HTTP/1.1 ";

/// The request is being passed, or its answer.
const PASSING: u8 = 1;
/// hyper has all of the answer.
const ANSWERED: u8 = 2;
/// The kernel has all of the answer.
const FLUSHED: u8 = 3;
/// That has been noticed, and the next request may come.
const PASSED: u8 = 4;

/// A request is being passed on a connection, until this is dropped with the end of its answer.
#[derive(Debug)]
pub(super) struct Passing(Arc<Mode>);

impl Mode {
    /// A request is passed from now on.
    pub(super) fn passing(self: &Arc<Self>) -> Passing {
        self.pass.store(PASSING, Ordering::Release);
        Passing(self.clone())
    }

    /// Whether somebody waits for this connection's answer, or is about to read it.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self.pass.load(Ordering::Acquire), PASSING | ANSWERED)
    }

    /// hyper has read a request.
    pub(super) fn request_is_read(&self) {
        self.turn.store(ASKED, Ordering::Relaxed);
    }

    /// Its answer is known.
    pub(super) fn answer_is_known(&self) {
        self.turn.store(ANSWER_KNOWN, Ordering::Relaxed);
    }

    /// The status with which hyper would have refused a request that it can't read.
    pub(super) fn unreadable(&self) -> Option<u16> {
        Some(self.unreadable.load(Ordering::Relaxed)).filter(|&status| status > 0)
    }

    /// The request can be read after all.
    pub(super) fn can_be_read_after_all(&self) {
        self.unreadable.store(0, Ordering::Relaxed);
    }

    /// Whether an answer has left since this was asked last.
    pub(super) fn has_passed(&self) -> bool {
        let left = self.pass.load(Ordering::Relaxed) == FLUSHED;
        if left {
            self.pass.store(PASSED, Ordering::Relaxed);
        }
        left
    }

    /// Whether the last request was passed and answered: a connection that stays silent after that has refused nobody anything.
    pub(super) fn was_passed(&self) -> bool {
        self.pass.load(Ordering::Relaxed) == PASSED
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.0.pass.store(ANSWERED, Ordering::Release);
    }
}

#[derive(Debug)]
pub(super) struct LazySocket {
    state: State,
    mode: Arc<Mode>,
    /// To be read before what the socket holds.
    ahead: Bytes,
}

#[derive(Debug)]
enum State {
    Bare(Stream),
    Watched(AsyncFd<Stream>),
    /// Registering failed, and the socket went with it.
    Lost,
}

impl LazySocket {
    pub(super) fn new(socket: Stream, mode: Arc<Mode>) -> Self {
        Self {
            state: State::Bare(socket),
            mode,
            ahead: Bytes::new(),
        }
    }

    /// The same socket, of which this is still to be read.
    pub(super) fn with_ahead(self, ahead: Bytes) -> Self {
        Self { ahead, ..self }
    }

    /// The bare socket.
    pub(super) fn into_stream(self) -> Option<Stream> {
        match self.state {
            State::Bare(fd) => Some(fd),
            State::Watched(watched) => Some(watched.into_inner()),
            State::Lost => None,
        }
    }

    /// Registers the socket with the runtime, if it isn't yet.
    fn watched(&mut self) -> io::Result<&AsyncFd<Stream>> {
        if let State::Bare(_) = self.state
            && let State::Bare(fd) = std::mem::replace(&mut self.state, State::Lost)
        {
            self.state = State::Watched(watch(fd)?);
        }
        match &self.state {
            State::Watched(watched) => Ok(watched),
            State::Bare(_) | State::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn fd(&self) -> io::Result<&Stream> {
        match &self.state {
            State::Bare(fd) => Ok(fd),
            State::Watched(watched) => Ok(watched.get_ref()),
            State::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn poll_read_some<const BYTES: usize>(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut scratch = [0; BYTES];
        let len = BYTES.min(buf.remaining());
        let read = ready!(self.poll_io(cx, true, |fd| fd.read(&mut scratch[..len])))?;
        buf.put_slice(&scratch[..read]);
        Poll::Ready(Ok(()))
    }

    /// Tries an operation, and again whenever the socket may be ready for it.
    fn poll_io(
        &mut self,
        cx: &mut Context<'_>,
        reading: bool,
        mut operation: impl FnMut(&Stream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if let State::Bare(fd) = &self.state {
            match operation(fd) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
            if self.mode.probing.load(Ordering::Relaxed) {
                return Poll::Pending;
            }
        }
        let watched = self.watched()?;
        loop {
            let mut guard = ready!(if reading {
                watched.poll_read_ready(cx)
            } else {
                watched.poll_write_ready(cx)
            })?;
            if let Ok(done) = guard.try_io(|watched| operation(watched.get_ref())) {
                return Poll::Ready(done);
            }
        }
    }
}

impl hyper::rt::Read for LazySocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.mode.taken.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        if !self.ahead.is_empty() {
            let len = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead[..len]);
            self.ahead.advance(len);
            return Poll::Ready(Ok(()));
        }
        if self.mode.is_passing() {
            return self.poll_read_some::<READ_BODY_BYTES>(cx, &mut buf);
        }
        self.poll_read_some::<READ_BYTES>(cx, &mut buf)
    }
}

impl hyper::rt::Write for LazySocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.mode.turn.load(Ordering::Relaxed) == 0
            && let Some(status) = status(buf)
        {
            // Nobody has asked anything: it is hyper's own answer to what it can't read.
            self.mode.unreadable.store(status, Ordering::Relaxed);
        }
        if self.mode.unreadable().is_some() {
            return Poll::Ready(Ok(buf.len()));
        }
        self.poll_io(cx, false, |fd| fd.write(buf))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper calls this when it has nothing left to write, and only then.
        if self.mode.pass.load(Ordering::Acquire) == ANSWERED {
            self.mode.pass.store(FLUSHED, Ordering::Release);
        }
        if self.mode.turn.load(Ordering::Relaxed) == ANSWER_KNOWN && !self.mode.is_passing() {
            self.mode.turn.store(0, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.mode.unreadable().is_some() {
            // It is to be answered yet.
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(self.fd()?.finish())
    }
}

/// The status in the head of an answer.
fn status(answer: &[u8]) -> Option<u16> {
    let digits = answer.strip_prefix(BEFORE_STATUS)?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
