//! A request that is passed to an origin, from the connection's side: its place, its answer, and what comes after.
//!
//! The place is held until the kernel has all of the answer, so that nobody who counts places takes the rest of it away.

use super::answer::{self, Answer};
use super::decide::Decision;
use super::handshake::{Front, Slot};
use super::socket::{LazySocket, Passing};
use crate::proxy::{Body, BodyError, Failure, Proxied, Proxy, Tunnel, Unread};
use crate::quotas::ProxyPermit;
use bytes::Bytes;
use hyper::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

/// After an answer that did not wait for all of the request's body: how long the rest of it is read and thrown away. A socket that is
/// closed with bytes unread resets the connection, and the answer may be lost with it (RFC 9112, 9.6).
const LINGER_MAX: Duration = Duration::from_secs(10);

/// What the connection keeps of its passed request.
#[derive(Default)]
pub(super) struct Passage(Mutex<Option<Box<State>>>);

struct State {
    _permit: ProxyPermit,
    tunnel: Option<(Tunnel, Passing)>,
    unread: Option<Unread>,
}

impl Passage {
    fn enter(&self, permit: ProxyPermit) {
        *self.state() = Some(Box::new(State {
            _permit: permit,
            tunnel: None,
            unread: None,
        }));
    }

    /// The answer has left.
    pub(super) fn leave(&self) {
        let mut state = self.state();
        // The connection ends with an answer that left something unread, and then it is looked at.
        if state
            .as_ref()
            .is_some_and(|state| !state.unread.as_ref().is_some_and(Unread::any))
        {
            *state = None;
        }
    }

    /// Whether the connection is still of use when hyper is done with it.
    pub(super) fn goes_on(&self) -> bool {
        let state = self.state();
        let Some(state) = &*state else { return false };
        state.tunnel.is_some() || state.unread.as_ref().is_some_and(Unread::any)
    }

    /// What is done with the connection after hyper. `sent`: what has been read of it.
    pub(super) fn go_on(&self, io: LazySocket, sent: Bytes) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let state = self.state().take();
        Box::pin(async move {
            let mut io = TokioIo::new(io);
            // The place is held until the end.
            let Some(mut state) = state else { return };
            match state.tunnel.take() {
                Some((tunnel, _passing)) => {
                    if let Err(error) = tunnel.run(io, &sent).await {
                        tracing::debug!(%error, "a tunnel broke");
                    }
                }
                None => {
                    let mut scratch = vec![0; 16 * 1024];
                    let drained = async { while matches!(io.read(&mut scratch).await, Ok(read) if read > 0) {} };
                    let _ = timeout(LINGER_MAX, drained).await;
                }
            }
        })
    }

    fn state(&self) -> MutexGuard<'_, Option<Box<State>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Front {
    /// Proxy a request to an origin.
    pub(super) fn pass(
        self: &Arc<Self>,
        passes: Arc<Proxy>,
        at: usize,
        request: Request<Incoming>,
        peer: SocketAddr,
        slot: &Arc<Slot>,
    ) -> Decision {
        match self.quotas.proxy() {
            Ok(permit) => slot.passage.enter(permit),
            Err(reason) => {
                self.refused(reason);
                return Decision::Now(Err(answer::busy()));
            }
        }
        let passing = slot.mode.passing();
        let (front, slot) = (self.clone(), slot.clone());
        Decision::Later(Box::pin(async move {
            let (passed, unread) = passes.send(at, request, peer.ip()).await;
            Err(front.passed(passed, unread, passing, &slot))
        }))
    }

    fn passed(&self, passed: Result<Proxied, Failure>, unread: Unread, passing: Passing, slot: &Slot) -> Answer {
        let mut state = slot.passage.state();
        if let Some(state) = &mut *state {
            state.unread = Some(unread);
        }
        let Proxied { response, tunnel } = match passed {
            Ok(passed) => passed,
            Err(failure) => {
                self.refused(failure.reason());
                let (status, detail) = failure.answer();
                return guarded(answer::problem(status, detail), Some(passing));
            }
        };
        match (tunnel, &mut *state) {
            (Some(tunnel), Some(state)) => {
                state.tunnel = Some((tunnel, passing));
                guarded(response, None)
            }
            _ => guarded(response, Some(passing)),
        }
    }
}

/// An answer whose end is the end of the passage.
fn guarded(response: Answer, passing: Option<Passing>) -> Answer {
    use http_body_util::BodyExt as _;
    response.map(|body| {
        Guarded {
            body,
            _passing: passing,
        }
        .boxed_unsync()
    })
}

struct Guarded {
    body: Body,
    _passing: Option<Passing>,
}

impl hyper::body::Body for Guarded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
