//! A connection that needs more than to be handed to a shard: a request that has not come yet, an answer that is no event stream, or the
//! next request behind one.
//!
//! Heads are read here, every one of them. hyper writes the answers and reads the bodies, one request at a time (`exchange.rs`); between
//! two requests a connection holds neither a buffer nor anything of hyper's.

use super::exchange::{self, Exchange};
use super::handler::{Decision, Deferred, Outcome};
use super::head::{Malformed, ReadAhead};
use super::phase::{Phase, SharedPhase};
use super::server::{READ_BYTES, Server, Step};
use crate::metrics::RefuseReason;
use crate::net::{Stream, Watched};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;
use tokio::time::timeout;

/// How long a connection is read after its last answer, and its bytes at most: a socket that is closed with bytes unread resets the
/// connection, and the answer may be lost with it (RFC 9112, 9.6).
const LINGER_MAX: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 1024 * 1024;

pub(super) struct Connection {
    pub(super) server: Arc<Server>,
    pub(super) peer: SocketAddr,
    /// What is here of the next request.
    pub(super) ahead: ReadAhead,
    phase: Arc<SharedPhase>,
}

impl Connection {
    pub(super) fn new(server: Arc<Server>, peer: SocketAddr, ahead: ReadAhead) -> Self {
        Self {
            server,
            peer,
            ahead,
            phase: Arc::new(SharedPhase::new(Phase::Head)),
        }
    }

    pub(super) fn phase(&self) -> Arc<SharedPhase> {
        self.phase.clone()
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
    }

    /// Serves it to its end, or until it is a shard's.
    pub(super) async fn run(mut self, stream: Stream, first: Step) {
        let stream = match Watched::new(stream) {
            Ok(stream) => stream,
            Err(error) => return tracing::debug!(peer = %self.peer, %error, "connection dropped: it can't be watched"),
        };
        let mut step = match first {
            Step::Read => self.read_head(&stream).await,
            step => Some(step),
        };
        while let Some(Step::Do(head, decision)) = step {
            // What is large has a box of its own: most connections wait here for a head.
            let exchange = match decision {
                Decision::Now(outcome) => Exchange::of(outcome),
                Decision::Later(deferred) => match Box::pin(self.wait(&stream, deferred)).await {
                    Some(outcome) => Exchange::of(outcome),
                    None => return,
                },
                Decision::Proxy(proxied) => Ok(Exchange::Proxy(proxied)),
            };
            let exchange = match exchange {
                Ok(exchange) => exchange,
                Err(start) => return self.server.hand_over(stream.into_stream(), *start),
            };
            if !Box::pin(exchange::serve(&mut self, &stream, *head, exchange)).await {
                return;
            }
            step = match self.server.step(&mut self.ahead, self.peer) {
                Step::Read => self.read_next(&stream).await,
                step => Some(step),
            };
        }
        if let Some(Step::Refuse { why, to_head }) = step {
            Box::pin(self.refuse(&stream, why, to_head)).await;
        }
    }

    /// A request on a connection that has been used before; `None`: none comes.
    async fn read_next(&mut self, stream: &Watched) -> Option<Step> {
        if self.ahead.is_empty() {
            self.enter(Phase::Idle);
            let keep_alive = self.server.snapshot.load().limits.keep_alive;
            let read = timeout(keep_alive, poll_fn(|cx| self.poll_read(cx, stream))).await;
            if !matches!(read, Ok(Ok(1..))) {
                return None;
            }
        }
        self.read_head(stream).await
    }

    /// Reads until a head is complete, or can't become one; `None`: it does not come, or not in time.
    async fn read_head(&mut self, stream: &Watched) -> Option<Step> {
        self.enter(Phase::Head);
        let in_time = self.server.snapshot.load().limits.header_timeout;
        let step = timeout(in_time, async {
            loop {
                match self.server.step(&mut self.ahead, self.peer) {
                    Step::Read => {}
                    step => return Some(step),
                }
                if !matches!(poll_fn(|cx| self.poll_read(cx, stream)).await, Ok(1..)) {
                    return None;
                }
            }
        });
        step.await.unwrap_or_else(|_elapsed| {
            self.server.refused(RefuseReason::HeaderTimeout);
            tracing::debug!(peer = %self.peer, "the request did not come in time");
            None
        })
    }

    /// Waits for what an answer depends on; `None`: the client has left.
    async fn wait(&mut self, stream: &Watched, deferred: Box<Deferred>) -> Option<Outcome> {
        self.enter(Phase::Waiting);
        let (server, is_stream) = (self.server.clone(), deferred.is_stream());
        let has_ended = Notify::new();
        let mut outcome = pin!(deferred.outcome(&server, has_ended.notified()));
        let mut ended = pin!(self.ended(stream));
        let mut told = false;
        loop {
            tokio::select! {
                outcome = &mut outcome => return Some(outcome),
                () = &mut ended, if !told => {
                    // A stream's client that says so has left. A poll's gets its answer, at once.
                    if is_stream {
                        return None;
                    }
                    told = true;
                    has_ended.notify_one();
                }
            }
        }
    }

    /// Completes when the client sends no more.
    async fn ended(&mut self, stream: &Watched) {
        // A broken connection has ended too.
        let _ = poll_fn(|cx| self.poll_ended(cx, stream)).await;
    }

    /// The same; an error: the connection is broken. What the client sends before that is kept, as far as there is room.
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

    async fn refuse(&mut self, mut stream: &Watched, why: Malformed, to_head: bool) {
        self.enter(Phase::Lingering);
        self.server.refused(RefuseReason::BadRequest);
        tracing::debug!(peer = %self.peer, reason = RefuseReason::BadRequest.label(), ?why, "request refused");
        let response = why.response(to_head);
        // Who has gone, or takes nothing, needs no answer.
        if matches!(timeout(LINGER_MAX, stream.write_all(&response)).await, Ok(Ok(()))) {
            self.linger(stream, LINGER_MAX, LINGER_BYTES_MAX).await;
        }
    }

    /// Says that nothing more comes, and lets what was said arrive.
    pub(super) async fn linger(&mut self, stream: &Watched, time_max: Duration, bytes_max: usize) {
        let mut left = bytes_max;
        if stream.stream().finish().is_err() {
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
        // Who sends on for longer was not going to read.
        let _ = timeout(time_max, read_all).await;
    }

    /// Lets the last answer of ours arrive.
    pub(super) async fn leave(&mut self, stream: &Watched) {
        self.enter(Phase::Lingering);
        self.linger(stream, LINGER_MAX, LINGER_BYTES_MAX).await;
    }
}
