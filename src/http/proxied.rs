//! A proxied request, from the connection's side: its place, and its answer.
//!
//! The place is held until the kernel has all of the answer, so that a drain, which counts places,
//! does not cut the rest of it.

use super::afterwards::Afterwards;
use super::exchange::{Answer, Exchange};
use super::passed_line::PassedLine;
use super::response;
use super::server::Server;
use crate::net::Phase;
use crate::proxy::{Failure, Peer, Proxied, Proxy, is_event_stream};
use crate::quotas::ProxyPermit;
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::sync::Arc;

/// A request that goes to an origin.
pub(super) struct ProxiedRequest {
    pub(super) proxy: Arc<Proxy>,
    /// The entry that takes it.
    pub(super) at: usize,
    pub(super) permit: ProxyPermit,
}

impl ProxiedRequest {
    /// The exchange that asks the origin.
    pub(super) fn into_exchange(self: Box<Self>, server: &Arc<Server>, peer: SocketAddr, is_tls: bool) -> Exchange {
        let server = server.clone();
        Exchange::Asked {
            by: Box::new(move |request| {
                Box::pin(async move { self.answer(&server, request.map(whole_body), peer, is_tls).await })
            }),
            phase: Phase::Waiting,
        }
    }

    pub(super) async fn answer(
        self,
        server: &Server,
        request: Request<response::Body>,
        peer: SocketAddr,
        is_tls: bool,
    ) -> Answer {
        let Self { proxy, at, mut permit } = self;
        let line = PassedLine::of(server, &request, peer);
        let (passed, unread) = proxy.send(at, request, Peer { ip: peer.ip(), is_tls }).await;
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
        let (response, line) = match PassedLine::with_answer(line, &response, tunnel.is_some()) {
            Some(line) if tunnel.is_none() => (response.map(|body| line.with(body)), None),
            line => (response, line),
        };
        let afterwards = Some(Afterwards::new(permit, tunnel, unread, line));
        Answer { response, afterwards }
    }
}

fn whole_body(body: Incoming) -> response::Body {
    body.map_err(Into::into).boxed_unsync()
}
