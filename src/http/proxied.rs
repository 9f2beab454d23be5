//! A proxied request, from the connection's side: its place, its answer, and what comes after.
//!
//! The place is held until the kernel has all of the answer, so that nobody who counts places takes the rest of it away.

use super::connection::Connection;
use super::response::{self, Response};
use super::server::Server;
use crate::net::Watched;
use crate::proxy::{Body, BodyError, Proxied, Proxy, Tunnel, Unread};
use crate::quotas::{ProxyPermit, Quotas};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::header::CONTENT_TYPE;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;

/// After an answer that did not wait for all of the request's body: how long the rest of it is read and thrown away.
const LINGER_MAX: Duration = Duration::from_secs(10);

/// A request that goes to an origin.
pub(super) struct ProxiedRequest {
    pub(super) proxy: Arc<Proxy>,
    /// The entry that takes it.
    pub(super) at: usize,
    pub(super) permit: ProxyPermit,
}

/// What the connection has to know of it once hyper has the answer.
pub(super) struct Afterwards {
    _permit: ProxyPermit,
    /// What follows a `101`.
    tunnel: Option<Tunnel>,
    unread: Unread,
    /// The answer is an event stream.
    pub(super) is_stream: bool,
}

impl ProxiedRequest {
    /// Asks the origin. What the connection has to know goes to `afterwards`.
    pub(super) async fn exchange(
        self,
        server: &Arc<Server>,
        request: Request<Incoming>,
        peer: SocketAddr,
        afterwards: oneshot::Sender<Afterwards>,
    ) -> Response {
        let Self { proxy, at, permit } = self;
        let (passed, unread) = proxy.send(at, request, peer.ip()).await;
        let (response, tunnel) = match passed {
            Ok(Proxied { response, tunnel }) => (response, tunnel),
            Err(failure) => {
                server.refused(failure.reason());
                let (status, detail) = failure.answer();
                (response::problem(status, detail), None)
            }
        };
        let is_stream = is_event_stream(&response);
        // The connection may be gone by now.
        let _ = afterwards.send(Afterwards {
            _permit: permit,
            tunnel,
            unread,
            is_stream,
        });
        if !is_stream {
            return response;
        }
        let drained = Box::pin(drained(server.quotas.clone(), server.snapshot.load().drain_spread));
        response.map(|body| EndsWithDrain { body, drained }.boxed_unsync())
    }
}

impl Afterwards {
    /// Whether the connection is still of use when hyper is done with it.
    pub(super) fn has_more_to_do(&self) -> bool {
        self.tunnel.is_some() || self.unread.any()
    }
}

/// What is done with a connection after hyper. `sent`: what hyper has read of it.
pub(super) async fn go_on(mut afterwards: Afterwards, connection: &mut Connection, stream: &Watched, sent: Bytes) {
    let Some(tunnel) = afterwards.tunnel.take() else {
        // An answer that left something unread.
        return connection.linger(stream, LINGER_MAX, usize::MAX).await;
    };
    let behind = connection.ahead.take(usize::MAX);
    let sent = [&sent[..], &behind].concat();
    let spread = connection.server.snapshot.load().drain_spread;
    tokio::select! {
        ended = tunnel.run(stream, &sent) => if let Err(error) = ended {
            tracing::debug!(%error, "a tunnel broke");
        },
        () = drained(connection.server.quotas.clone(), spread) => {}
    }
}

fn is_event_stream(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).map(|value| value.as_bytes());
    let media = content_type.and_then(|value| value.split(|&byte| byte == b';').next());
    media.is_some_and(|media| media.trim_ascii().eq_ignore_ascii_case(b"text/event-stream"))
}

/// Completes when the process leaves, and this stream's turn has come.
async fn drained(quotas: Arc<Quotas>, spread: Duration) {
    quotas.leaving().await;
    tokio::time::sleep(spread.mul_f64(fastrand::f64())).await;
}

/// A body without an end of its own, which ends in time when the process leaves.
struct EndsWithDrain<D> {
    body: Body,
    drained: Pin<Box<D>>,
}

impl<D: Future<Output = ()>> hyper::body::Body for EndsWithDrain<D> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        self.drained.as_mut().poll(cx).map(|()| None)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
