//! A connection on which requests are read, one after the other.
//!
//! Every head is read here, whatever answers it. hyper writes the answers and reads the bodies, one
//! request at a time (`exchange.rs`); between two requests a connection holds neither a buffer nor
//! anything of hyper's.

use super::head::{Malformed, Preface, ReadAhead, RequestHead};
use crate::net::proxy_protocol::BadHeader;
use crate::net::{Phase, SharedPhase, Watched};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

/// Bytes read at one time: more than nearly every request head.
pub(super) const READ_BYTES: usize = 4096;

/// How long a connection is read after its last answer, and its bytes at most: a socket that is
/// closed with bytes unread resets the connection, and the answer may be lost with it (RFC 9112,
/// 9.6).
const LINGER_MAX: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// What bounds the wait for a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadLimits {
    /// From the beginning of the wait, or of the head on a connection that has been used before, to
    /// the head's end.
    pub(crate) header_timeout: Duration,
    /// How long a connection that has been used before may wait for the beginning of a head.
    pub(crate) keep_alive: Duration,
    pub(crate) header_bytes: usize,
}

/// What comes next on a connection.
#[derive(Debug)]
pub(crate) enum Next {
    Request(Box<RequestHead>),
    Malformed(Refused),
    /// The preface of HTTP/2: the rest of the connection is in that.
    Http2,
    /// The PROXY protocol header that has to come first is none.
    NotProxied(BadHeader),
    /// No head within `header_timeout`, or it took another's room for too long.
    TooLate,
    /// Nothing: the client has left, or has let its connection lie idle.
    Nothing,
}

/// A request that can't be understood.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) why: Malformed,
    /// It was a `HEAD`: the refusal has no body.
    pub(crate) to_head: bool,
}

/// What has been read, once that is a whole head or can't become one. A PROXY protocol header
/// before it says who the peer is.
pub(super) fn look(ahead: &mut ReadAhead, peer: &mut SocketAddr, bytes_max: usize) -> Option<Next> {
    match ahead.take_proxy_header(peer) {
        Ok(true) => {}
        Ok(false) => return None,
        Err(why) => return Some(Next::NotProxied(why)),
    }
    match ahead.preface() {
        Preface::None => {}
        Preface::Begun => return None,
        Preface::Whole => return Some(Next::Http2),
    }
    let to_head = ahead.asks_for_head();
    match ahead.next(bytes_max) {
        Ok(Some(head)) => Some(Next::Request(Box::new(head))),
        Ok(None) => None,
        Err(why) => Some(Next::Malformed(Refused { why, to_head })),
    }
}

pub(crate) struct Connection {
    pub(super) peer: SocketAddr,
    /// What is here of the next request.
    pub(super) ahead: ReadAhead,
    phase: Arc<SharedPhase>,
    /// A request has come over it.
    is_used: bool,
    is_tls: bool,
}

impl Connection {
    pub(crate) fn new(peer: SocketAddr, ahead: ReadAhead) -> Self {
        Self {
            peer,
            ahead,
            phase: Arc::new(SharedPhase::new(Phase::Head)),
            is_used: false,
            is_tls: false,
        }
    }

    pub(crate) fn phase(&self) -> Arc<SharedPhase> {
        self.phase.clone()
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
    }

    /// A request has come over it: from now on it may be idle between two requests.
    pub(super) fn use_for(&mut self, phase: Phase) {
        self.is_used = true;
        self.enter(phase);
    }

    /// Its handshake is over: its first request is awaited.
    pub(super) fn secured(&mut self) {
        self.is_tls = true;
        self.enter(Phase::Head);
    }

    /// Whether a request has come over it.
    pub(super) fn is_used(&self) -> bool {
        self.is_used
    }

    /// It was to make room, or to go elsewhere, and stays.
    pub(super) fn stay(&self) {
        self.phase.stay();
    }

    /// Whether its client speaks TLS with us.
    pub(super) fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Whether something has come behind the PROXY protocol header, where one has to come.
    pub(super) fn has_begun(&mut self) -> Result<bool, BadHeader> {
        Ok(self.ahead.take_proxy_header(&mut self.peer)? && !self.ahead.is_empty())
    }

    /// Reads once; 0: nothing more will come.
    pub(super) async fn read_on(&mut self, stream: &Watched) -> io::Result<usize> {
        poll_fn(|cx| self.poll_read(cx, stream)).await
    }

    /// Whether it is to make room for another.
    pub(super) fn has_to_leave(&self) -> bool {
        self.phase.has_to_leave()
    }

    /// The next request.
    pub(crate) async fn next(&mut self, stream: &Watched, limits: HeadLimits) -> Next {
        if let Some(next) = look(&mut self.ahead, &mut self.peer, limits.header_bytes) {
            return next;
        }
        if self.is_used && self.ahead.is_empty() {
            self.enter(Phase::Idle);
            match timeout(limits.keep_alive, self.read(stream)).await {
                Ok(Ok(1..)) => {}
                _ => return Next::Nothing,
            }
        }
        self.enter(Phase::Head);
        let head = timeout(limits.header_timeout, self.read_head(stream, limits.header_bytes));
        head.await.unwrap_or(Next::TooLate)
    }

    /// Reads until a head is complete, or can't become one.
    async fn read_head(&mut self, stream: &Watched, bytes_max: usize) -> Next {
        loop {
            if let Some(next) = look(&mut self.ahead, &mut self.peer, bytes_max) {
                return next;
            }
            match self.read(stream).await {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Next::TooLate,
                Ok(_) | Err(_) => return Next::Nothing,
            }
        }
    }

    /// Reads what comes. If the connection has to make room, only what is here already;
    /// `WouldBlock`: that is nothing.
    async fn read(&mut self, stream: &Watched) -> io::Result<usize> {
        while !self.has_to_leave() {
            let phase = self.phase.clone();
            tokio::select! {
                biased;
                read = poll_fn(|cx| self.poll_read(cx, stream)) => return read,
                // One that stays after all is not asked any more.
                () = phase.asked_to_leave() => {}
            }
        }
        let mut scratch = [0; READ_BYTES];
        let read = stream.stream().read(&mut scratch)?;
        self.ahead.push(&scratch[..read]);
        Ok(read)
    }

    /// Completes when the client sends no more.
    pub(super) async fn ended(&mut self, stream: &Watched) {
        // A broken connection has ended too.
        let _ = poll_fn(|cx| self.poll_ended(cx, stream)).await;
    }

    /// The same; an error: the connection is broken. What the client sends before that is kept, as
    /// far as there is room.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>, stream: &Watched) -> Poll<io::Result<()>> {
        loop {
            if self.ahead.len() >= READ_BYTES {
                return Poll::Pending;
            }
            if ready!(self.poll_read(cx, stream))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, stream: &Watched) -> Poll<io::Result<usize>> {
        let mut scratch = [0; READ_BYTES];
        let read = ready!(stream.poll_read(cx, &mut scratch))?;
        self.ahead.push(&scratch[..read]);
        Poll::Ready(Ok(read))
    }

    /// Answers a request that can't be understood, and ends.
    pub(crate) async fn refuse(&mut self, stream: &Watched, refused: Refused) {
        self.answer_last(stream, &refused.why.response(refused.to_head)).await;
    }

    /// Answers by these bytes, and ends.
    pub(super) async fn answer_last(&mut self, mut stream: &Watched, response: &[u8]) {
        self.enter(Phase::Lingering);
        // A client that has gone, or takes nothing, needs no answer.
        if matches!(timeout(LINGER_MAX, stream.write_all(response)).await, Ok(Ok(()))) {
            self.linger(stream, LINGER_MAX, LINGER_BYTES_MAX).await;
        }
    }

    /// Closes the sending half, and reads until the client does the same, so that what was written
    /// arrives.
    pub(super) async fn linger(&mut self, stream: &Watched, time_max: Duration, bytes_max: usize) {
        let mut left = bytes_max;
        // A client that takes no more is waited for as one that says nothing.
        let finish = timeout(time_max, poll_fn(|cx| stream.poll_finish(cx)));
        if !matches!(finish.await, Ok(Ok(()))) {
            return;
        }
        let read_all = poll_fn(|cx| {
            let mut scratch = [0; READ_BYTES];
            while left > 0 {
                match ready!(stream.poll_read(cx, &mut scratch)) {
                    Ok(read @ 1..) => left = left.saturating_sub(read),
                    Ok(0) | Err(_) => break,
                }
            }
            Poll::Ready(())
        });
        // A client that sends for longer was not going to read.
        let _ = timeout(time_max, read_all).await;
    }

    /// Lets the last answer of ours arrive.
    pub(super) async fn leave(&mut self, stream: &Watched) {
        self.enter(Phase::Lingering);
        self.linger(stream, LINGER_MAX, LINGER_BYTES_MAX).await;
    }
}
