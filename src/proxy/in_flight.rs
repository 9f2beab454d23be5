//! A proxied request that is under way: what it takes of its entry's quota, and how it is counted.

use super::body::{Body, BodyError};
use super::drain::Drain;
use super::event_stream::Ending;
use super::failure::Failure;
use super::origin::Origin;
use crate::metrics::ProxyMetrics;
use crate::quotas::Quota;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Response, StatusCode};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// One of the places that an entry has.
struct Place(Arc<Quota>);

impl Place {
    fn take(places: &Arc<Quota>) -> Option<Self> {
        places.take(1).then(|| Self(places.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.give_back(1);
    }
}

/// A request under way. Dropping it gives its place back and counts its time.
pub(super) struct InFlight {
    _place: Place,
    metrics: Arc<ProxyMetrics>,
    began: Instant,
    /// The response has no end of its own, so its time says nothing.
    endless: bool,
}

impl InFlight {
    /// Takes a place among the requests that the entry's origin may have at one time.
    pub(super) fn enter(origin: &Origin, metrics: &Arc<ProxyMetrics>) -> Result<Self, Failure> {
        Ok(Self {
            _place: Place::take(&origin.places).ok_or(Failure::Busy)?,
            metrics: metrics.clone(),
            began: Instant::now(),
            endless: false,
        })
    }

    /// The response's head is known.
    pub(super) fn answered(&self, status: StatusCode) {
        self.metrics.answered(status.as_u16());
    }

    /// The response is a stream or a tunnel: it has no end of its own.
    pub(super) fn is_endless(&mut self) {
        self.endless = true;
        self.metrics.seconds.record(self.began.elapsed());
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.endless {
            self.metrics.seconds.record(self.began.elapsed());
        }
    }
}

/// Counts an open event stream.
struct OpenStream(Arc<ProxyMetrics>);

impl OpenStream {
    fn new(metrics: Arc<ProxyMetrics>) -> Self {
        metrics.streams.increment(1);
        Self(metrics)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.streams.decrement(1);
    }
}

/// Whether a response is an event stream.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).map(hyper::header::HeaderValue::as_bytes);
    let media = value.and_then(|value| value.split(|byte| *byte == b';').next());
    media.is_some_and(|media| media.trim_ascii().eq_ignore_ascii_case(b"text/event-stream"))
}

/// A response whose body holds the request's place until it has been read.
pub(super) fn tracked(response: Response<Body>, mut in_flight: InFlight, drain: &Drain) -> Response<Body> {
    if !is_event_stream(response.headers()) {
        return response.map(|body| {
            Tracked {
                body,
                _in_flight: in_flight,
            }
            .boxed_unsync()
        });
    }
    in_flight.is_endless();
    let stream = OpenStream::new(in_flight.metrics.clone());
    let is_coded = response.headers().contains_key(hyper::header::CONTENT_ENCODING);
    response.map(|body| {
        let body = Ending::new(body, is_coded, drain);
        Tracked {
            body: body.boxed_unsync(),
            _in_flight: (in_flight, stream),
        }
        .boxed_unsync()
    })
}

struct Tracked<T> {
    body: Body,
    _in_flight: T,
}

impl<T: Unpin> hyper::body::Body for Tracked<T> {
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
