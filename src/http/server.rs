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
    fn first(&self, ahead: &mut ReadAhead, peer: SocketAddr) -> First {
        let snapshot = self.snapshot.load();
        match connection::look(ahead, snapshot.limits.header_bytes) {
            Some(Next::Request(head)) => {
                let decision = self.handle(&snapshot, &head.request, peer);
                First::Decided(head, decision)
            }
            Some(next) => First::Other(next),
            None => First::Unknown,
        }
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

impl Accepted for Arc<Server> {
    /// Mostly the request is here by now. A client's connection then moves to its shard at once: without a task, and without
    /// having been in the runtime's poll.
    fn connection(&self, stream: Stream, peer: SocketAddr) {
        self.metrics.opened.increment(1);
        let mut ahead = ReadAhead::default();
        let mut scratch = [0; READ_BYTES];
        let first = match stream.read(&mut scratch) {
            Ok(0) => return,
            Ok(read) => {
                ahead.push(&scratch[..read]);
                self.first(&mut ahead, peer)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => First::Unknown,
            Err(_) => return,
        };
        if let First::Decided(_, Decision::Now(Ok(start))) = first {
            return self.hand_over(stream, start);
        }
        let connection = Connection::new(peer, ahead);
        let phase = connection.phase();
        if !matches!(first, First::Unknown) {
            // It has asked, though its task has not run yet: it is not ended to make room.
            phase.set(Phase::Answering);
        }
        let task = client_connection::serve(self.clone(), connection, stream, first);
        self.pending.spawn(task, phase, self.quotas.handshakes_max());
    }

    fn make_room(&self) {
        self.pending.make_room(ROOM_AT_ONCE);
    }

    fn starved(&self) {
        self.refused(RefuseReason::Descriptors);
    }
}
