//! A proxied request, from the connection's side: its place, its answer, and what comes after.
//!
//! The place is held until the kernel has all of the answer, so that a drain, which counts places, does not cut the rest of it.

use super::connection::Connection;
use super::exchange::{Answer, Exchange};
use super::response;
use super::server::Server;
use crate::net::{Phase, Watched};
use crate::proxy::{Failure, Proxied, Proxy, Tunnel, Unread, is_event_stream};
use crate::quotas::ProxyPermit;
use bytes::Bytes;
use hyper::Request;
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// After an answer that did not wait for all of the request's body: how long the rest of it is read and thrown away.
const LINGER_MAX: Duration = Duration::from_secs(10);

/// A request that goes to an origin.
pub(super) struct ProxiedRequest {
    pub(super) proxy: Arc<Proxy>,
    /// The entry that takes it.
    pub(super) at: usize,
    pub(super) permit: ProxyPermit,
}

/// What the connection needs once hyper has the answer.
pub(crate) struct Afterwards {
    _permit: ProxyPermit,
    /// What follows a `101`.
    tunnel: Option<Tunnel>,
    unread: Unread,
}

impl ProxiedRequest {
    /// The exchange that asks the origin.
    pub(super) fn into_exchange(self: Box<Self>, server: &Arc<Server>, peer: SocketAddr) -> Exchange {
        let server = server.clone();
        Exchange::Asked {
            by: Box::new(move |request| Box::pin(async move { self.answer(&server, request, peer).await })),
            phase: Phase::Waiting,
        }
    }

    async fn answer(self, server: &Server, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        let Self { proxy, at, mut permit } = self;
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
        if is_event_stream(response.headers()) || tunnel.is_some() {
            permit.not_awaited();
        }
        let afterwards = Afterwards {
            _permit: permit,
            tunnel,
            unread,
        };
        Answer {
            response,
            afterwards: Some(afterwards),
        }
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
