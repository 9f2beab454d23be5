//! Bodies on their way to the client: streamed, or what was read of one and then the rest of it.

use super::body::{Body, BodyError};
use super::request_body::RequestBodyState;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::{Frame, Incoming, SizeHint};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;

/// The origin's body as it comes. Its end is told to the request's.
pub(super) struct ResponseBody {
    /// What had been read before it was clear that it is not to be rewritten.
    before: VecDeque<Bytes>,
    /// The trailers that came with that.
    trailers: Option<HeaderMap>,
    /// `None`: all of it is in `before`.
    incoming: Option<Incoming>,
    body_state: Arc<RequestBodyState>,
    /// Given back with the body.
    _room: Option<OwnedSemaphorePermit>,
}

impl ResponseBody {
    pub(super) fn new(incoming: Incoming, body_state: Arc<RequestBodyState>) -> Self {
        Self {
            before: VecDeque::new(),
            trailers: None,
            incoming: Some(incoming),
            body_state,
            _room: None,
        }
    }

    /// All of a body: these pieces, and then these trailers. `room`: what they take of the budget.
    pub(super) fn whole(
        pieces: VecDeque<Bytes>,
        trailers: Option<HeaderMap>,
        body_state: Arc<RequestBodyState>,
        room: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            before: pieces,
            trailers,
            incoming: None,
            body_state,
            _room: room,
        }
    }

    /// These pieces, and then the rest.
    pub(super) fn after(
        pieces: VecDeque<Bytes>,
        incoming: Incoming,
        body_state: Arc<RequestBodyState>,
        room: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            before: pieces,
            trailers: None,
            incoming: Some(incoming),
            body_state,
            _room: room,
        }
    }

    pub(super) fn boxed(self) -> Body {
        self.boxed_unsync()
    }
}

impl hyper::body::Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(piece) = self.before.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if let Some(incoming) = &mut self.incoming {
            return Pin::new(incoming).poll_frame(cx).map_err(Into::into);
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        let rest_has_ended = self.incoming.as_ref().is_none_or(hyper::body::Body::is_end_stream);
        self.before.is_empty() && self.trailers.is_none() && rest_has_ended
    }

    fn size_hint(&self) -> SizeHint {
        let before: u64 = self.before.iter().map(|piece| piece.len() as u64).sum();
        let Some(incoming) = &self.incoming else {
            // With trailers it goes in chunks.
            return match self.trailers {
                Some(_) => SizeHint::default(),
                None => SizeHint::with_exact(before),
            };
        };
        match incoming.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(before + rest),
            None => SizeHint::default(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.body_state.over();
    }
}
