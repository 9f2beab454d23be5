//! A request's body on its way from the shard to who reads it.
//!
//! What waits here is bounded by the stream's window: the peer may send more once some has been
//! taken. It is one piece of memory, however small the frames are in which it came.

use super::handle::{StreamHandle, StreamNote};
use bytes::{Bytes, BytesMut};
use hyper::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// What has come and has not been taken.
#[derive(Debug, Default)]
struct State {
    bytes: BytesMut,
    /// What stands behind it.
    trailers: Option<Box<HeaderMap>>,
    end: Option<End>,
    /// Nothing is taken any more.
    is_unread: bool,
    waker: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Broken,
}

/// The shard's end. Dropping it breaks the body off, unless that has ended.
#[derive(Debug)]
pub(super) struct BodySender(Arc<Mutex<State>>);

/// A request's body. What is not read of it when it is dropped is thrown away.
pub struct RequestBody {
    state: Arc<Mutex<State>>,
    handle: StreamHandle,
    /// What has not been taken of a body whose length is known.
    length: Option<u64>,
    /// The client waits for a sign that the body is wanted.
    expects: bool,
}

/// The client has left before the body was whole.
#[derive(Debug, thiserror::Error)]
#[error("the client has left within the body of its request")]
pub struct BrokenOff;

impl RequestBody {
    pub(super) fn new(handle: StreamHandle, length: Option<u64>, expects: bool) -> (BodySender, Self) {
        let state = Arc::new(Mutex::default());
        let body = Self {
            state: state.clone(),
            handle,
            length,
            expects,
        };
        (BodySender(state), body)
    }
}

impl BodySender {
    /// Adds what has come. False: it is not wanted any more.
    pub(super) fn push(&self, bytes: &[u8]) -> bool {
        let mut state = lock(&self.0);
        if state.is_unread {
            return false;
        }
        state.bytes.extend_from_slice(bytes);
        wake(state);
        true
    }

    /// This stands behind it.
    pub(super) fn trailers(&self, trailers: Box<HeaderMap>) {
        lock(&self.0).trailers = Some(trailers);
    }

    /// All of it has come.
    pub(super) fn end(&self) {
        let mut state = lock(&self.0);
        state.end.get_or_insert(End::Whole);
        wake(state);
    }
}

impl Drop for BodySender {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.end.get_or_insert(End::Broken);
        wake(state);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes the reader, after unlocking.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = &mut *self;
        let expects = std::mem::take(&mut this.expects);
        let mut state = lock(&this.state);
        if state.bytes.is_empty() {
            return match state.end {
                Some(End::Whole) => Poll::Ready(state.trailers.take().map(|trailers| Ok(Frame::trailers(*trailers)))),
                Some(End::Broken) => Poll::Ready(Some(Err(BrokenOff))),
                None => {
                    state.waker = Some(cx.waker().clone());
                    drop(state);
                    if expects {
                        this.handle.tell(StreamNote::Continue);
                    }
                    Poll::Pending
                }
            };
        }
        let bytes = std::mem::take(&mut state.bytes).freeze();
        drop(state);
        this.handle.tell(StreamNote::Taken(bytes.len()));
        if let Some(length) = &mut this.length {
            *length = length.saturating_sub(bytes.len() as u64);
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        let state = lock(&self.state);
        state.bytes.is_empty() && state.trailers.is_none() && state.end == Some(End::Whole)
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.is_unread = true;
        let left = std::mem::take(&mut state.bytes).len();
        drop(state);
        if left > 0 {
            self.handle.tell(StreamNote::Taken(left));
        }
    }
}
