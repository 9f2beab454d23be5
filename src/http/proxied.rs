//! A proxied request, from the connection's side: its place, its answer, and what comes after.
//!
//! The place is held until the kernel has all of the answer, so that nobody who counts places takes the rest of it away.

use super::connection::Connection;
use super::response::{self, Response};
use super::server::Server;
use crate::net::Watched;
use crate::proxy::{Failure, Proxied, Proxy, Tunnel, Unread, is_event_stream};
use crate::quotas::ProxyPermit;
use bytes::Bytes;
use hyper::Request;
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::sync::Arc;
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
                let response = match failure {
                    Failure::Busy => response::busy(),
                    _ => response::problem(status, detail),
                };
                (response, None)
            }
        };
        let is_stream = is_event_stream(response.headers());
        let mut permit = permit;
        if is_stream || tunnel.is_some() {
            permit.not_awaited();
        }
        // The connection may be gone by now.
        let _ = afterwards.send(Afterwards {
            _permit: permit,
            tunnel,
            unread,
            is_stream,
        });
        response
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
    if let Err(error) = tunnel.run(stream, &sent).await {
        tracing::debug!(%error, "a tunnel broke");
    }
}
