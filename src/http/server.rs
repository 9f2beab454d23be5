//! The server of the clients' connections: what they are served with, and how an accepted one becomes a client in a shard.

use super::client_connection::{self, First};
use super::connection::{self, Connection, HeadLimits, Next, READ_BYTES};
use super::handler::{Decision, StreamStart};
use super::head::ReadAhead;
use super::snapshot::Snapshot;
use crate::delivery::{NewClient, Shards};
use crate::metrics::{ListenerMetrics, RefuseReason};
use crate::net::{Accepted, Askers, PendingConnections, Phase, Stream};
use crate::quotas::Quotas;
use arc_swap::ArcSwap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// Connections that make room together when there is no descriptor for another one.
const ROOM_AT_ONCE: usize = 8;

/// Serves the clients' connections.
pub(crate) struct Server {
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    shards: Arc<Shards>,
    pub(super) quotas: Arc<Quotas>,
    metrics: ListenerMetrics,
    pending: PendingConnections,
}

impl Server {
    pub(crate) fn new(
        snapshot: Arc<ArcSwap<Snapshot>>,
        shards: Arc<Shards>,
        quotas: Arc<Quotas>,
        metrics: ListenerMetrics,
    ) -> Self {
        Self {
            snapshot,
            shards,
            quotas,
            metrics,
            pending: PendingConnections::new(Askers::Stay),
        }
    }

    /// Cuts every connection that is not a shard's.
    pub(crate) fn cut(&self) {
        self.pending.cut();
    }

    pub(super) fn refused(&self, reason: RefuseReason) {
        self.metrics.refused[reason as usize].increment(1);
    }

    /// What bounds the wait for a request.
    pub(super) fn limits(&self) -> HeadLimits {
        let limits = &self.snapshot.load().limits;
        HeadLimits {
            header_timeout: limits.header_timeout,
            keep_alive: limits.keep_alive,
            header_bytes: limits.header_bytes,
        }
    }

    /// What is to be done with what has come of a new connection.
    ///
    /// `Err`: it goes to a shard at once.
    #[expect(
        clippy::result_large_err,
        reason = "it is moved once per client; a box would be an allocation more"
    )]
    fn first(&self, ahead: &mut ReadAhead, peer: &mut SocketAddr) -> Result<First, StreamStart> {
        let snapshot = self.snapshot.load();
        Ok(match connection::look(ahead, peer, snapshot.limits.header_bytes) {
            Some(Next::Request(head)) => match self.handle(&snapshot, &head.request, *peer) {
                Decision::Now(Ok(start)) => return Err(start),
                decision => First::Decided(Box::new((*head, decision))),
            },
            Some(next) => First::Other(next),
            None => First::Unknown,
        })
    }

    /// The connection of a client becomes its shard's, which writes the response, its head included.
    pub(super) fn hand_over(&self, stream: Stream, start: StreamStart) {
        let StreamStart {
            head,
            framing,
            subscription,
            permit,
            start,
            last_event_id,
            peer,
        } = start;
        self.shards.hand_over(NewClient {
            stream,
            head,
            framing,
            subscription,
            permit,
            start,
            last_event_id,
            peer,
        });
    }
}

/// The clients' side of one listener.
#[derive(Clone)]
pub(crate) struct ClientSide {
    server: Arc<Server>,
    /// Every connection begins with a PROXY protocol header.
    proxy_protocol: bool,
}

impl ClientSide {
    pub(crate) fn new(server: Arc<Server>, proxy_protocol: bool) -> Self {
        Self { server, proxy_protocol }
    }

    /// Where nothing has been read yet; `None`: the peer may not say whose connection it passes on.
    fn beginning(&self, peer: SocketAddr) -> Option<ReadAhead> {
        if !self.proxy_protocol {
            return Some(ReadAhead::default());
        }
        // A Unix socket gives no address: its permissions say who may connect.
        let trusted = &self.server.snapshot.load().trusted_proxies;
        let is_trusted = peer.ip().is_unspecified() || trusted.iter().any(|network| network.contains(peer.ip()));
        is_trusted.then(ReadAhead::behind_proxy)
    }
}

impl Accepted for ClientSide {
    /// Mostly the request is here by now. A client's connection then moves to its shard at once: without a task, and without
    /// having been in the runtime's poll.
    fn connection(&self, stream: Stream, mut peer: SocketAddr) {
        let server = &self.server;
        server.metrics.opened.increment(1);
        let Some(mut ahead) = self.beginning(peer) else {
            tracing::debug!(%peer, "connection refused: its peer is none of `trusted_proxies`");
            return server.refused(RefuseReason::BadRequest);
        };
        let mut scratch = [0; READ_BYTES];
        let first = match stream.read(&mut scratch) {
            Ok(0) => return,
            Ok(read) => {
                ahead.push(&scratch[..read]);
                server.first(&mut ahead, &mut peer)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(First::Unknown),
            Err(_) => return,
        };
        let first = match first {
            Ok(first) => first,
            Err(start) => return server.hand_over(stream, start),
        };
        let connection = Connection::new(peer, ahead);
        let phase = connection.phase();
        if !matches!(first, First::Unknown) {
            // It has asked, though its task has not run yet: it is not ended to make room.
            phase.set(Phase::Answering);
        }
        let task = client_connection::serve(server.clone(), connection, stream, first);
        server.pending.spawn(task, phase, server.quotas.handshakes_max());
    }

    fn make_room(&self) {
        self.server.pending.make_room(ROOM_AT_ONCE);
    }

    fn starved(&self) {
        self.server.refused(RefuseReason::Descriptors);
    }
}
