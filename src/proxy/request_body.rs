//! The request's body on its way to the origin: read from the client only as the origin takes it.
//!
//! A client that says `Expect: 100-continue` gets its 100 when the body is first read. So it is not
//! read before the origin has sent its own 100, or has left us without an answer for a while (RFC
//! 9110, 10.1.1: a proxy does not wait without bound). When the origin has answered in full and
//! closes, the rest of the body has no reader, and is held back.

use super::body::BodyError;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// How long an origin's 100 is waited for. Origins that don't know it say nothing and want the
/// body.
const CONTINUE_TIMEOUT: Duration = Duration::from_secs(2);

/// What the task that sends the body and the task that waits for the answer share.
#[derive(Debug)]
pub(super) struct RequestBodyState {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    gate: Gate,
    /// Wakes the task that polled the body while it was held back.
    waker: Option<Waker>,
    /// When the body moved last.
    moved: Instant,
    /// The origin would take more, and the client has not sent it.
    waits_for_client: bool,
    /// All of it was read.
    ended: bool,
    /// It can't be read: it broke off, or is none.
    broken: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    /// Until the origin says 100.
    Expecting,
    Open,
    /// The origin has answered and wants no more of it.
    HeldBack,
    /// And its answer has been read.
    Shut,
}

impl RequestBodyState {
    /// `ended`: there is no body.
    pub(super) fn new(ended: bool) -> Arc<Self> {
        let state = State {
            gate: Gate::Open,
            waker: None,
            moved: Instant::now(),
            waits_for_client: false,
            ended,
            broken: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
        })
    }

    /// The client waits for a 100.
    pub(super) fn expects(&self) {
        self.turn(|_| Gate::Expecting);
    }

    /// The origin wants the body.
    pub(super) fn wanted(&self) {
        self.turn(|gate| if gate == Gate::Expecting { Gate::Open } else { gate });
    }

    /// The origin has answered; `closes`: it says that this was the connection's last answer.
    pub(super) fn answered(&self, closes: bool) {
        self.turn(|gate| match gate {
            Gate::Expecting => Gate::HeldBack,
            Gate::Open if closes => Gate::HeldBack,
            gate => gate,
        });
    }

    /// The answer has been read, or its reader is gone.
    pub(super) fn over(&self) {
        self.turn(|gate| if gate == Gate::HeldBack { Gate::Shut } else { gate });
    }

    /// When the body moved last, or the request was begun.
    pub(super) fn moved(&self) -> Instant {
        self.state().moved
    }

    /// Whether the origin waits for the client.
    pub(super) fn waits_for_client(&self) -> bool {
        let state = self.state();
        state.waits_for_client && !state.ended
    }

    /// Whether all of the body was read.
    pub(super) fn has_ended(&self) -> bool {
        self.state().ended
    }

    /// Whether it could not be read.
    pub(super) fn is_broken(&self) -> bool {
        self.state().broken
    }

    fn turn(&self, to: impl FnOnce(Gate) -> Gate) {
        let waker = {
            let mut state = self.state();
            state.gate = to(state.gate);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body as the origin's connection reads it.
pub(super) struct RequestBody {
    /// `None`: there is none.
    incoming: Option<super::body::Body>,
    body_state: Arc<RequestBodyState>,
    patience: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    pub(super) fn new(incoming: Option<super::body::Body>, body_state: Arc<RequestBodyState>) -> Self {
        Self {
            incoming,
            body_state,
            patience: None,
        }
    }

    /// Whether the client may be asked for more; `None`: not any more.
    fn poll_gate(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        let mut state = self.body_state.state();
        if state.gate == Gate::Expecting {
            let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(CONTINUE_TIMEOUT)));
            if patience.as_mut().poll(cx).is_ready() {
                state.gate = Gate::Open;
            }
        }
        match state.gate {
            Gate::Open => Poll::Ready(Some(())),
            Gate::Shut => Poll::Ready(None),
            Gate::Expecting | Gate::HeldBack => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if std::task::ready!(self.poll_gate(cx)).is_none() {
            return Poll::Ready(Some(Err("the origin has answered without it".into())));
        }
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(&mut *incoming).poll_frame(cx);
        let ended = incoming.is_end_stream();
        let mut state = self.body_state.state();
        state.waits_for_client = polled.is_pending();
        if let Poll::Ready(frame) = &polled {
            state.moved = Instant::now();
            state.broken |= matches!(frame, Some(Err(_)));
            // Trailers are the end; an error is none.
            state.ended |= ended
                || frame
                    .as_ref()
                    .is_none_or(|frame| frame.as_ref().is_ok_and(Frame::is_trailers));
        }
        drop(state);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.incoming {
            Some(incoming) => incoming.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}
