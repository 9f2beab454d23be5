//! What the clients' connections are served with.

use super::connection::HeadLimits;
use super::snapshot::Snapshot;
use super::stream_start::StreamStart;
use super::unasked::Gathering;
use crate::access_log::AccessLog;
use crate::delivery::Shards;
use crate::metrics::{ListenerMetrics, RefuseReason};
use crate::net::tls::UnderWay;
use crate::net::{Askers, PendingConnections, Stream};
use crate::quotas::{Descriptors, Quotas};
use arc_swap::ArcSwap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Serves the clients' connections.
pub(crate) struct Server {
    pub(super) snapshot: ArcSwap<Snapshot>,
    pub(super) shards: Arc<Shards>,
    pub(super) quotas: Arc<Quotas>,
    pub(super) metrics: ListenerMetrics,
    pub(super) access_log: Arc<AccessLog>,
    pub(super) pending: PendingConnections,
    pub(super) gathering: Gathering,
    pub(super) under_way: Arc<UnderWay>,
    /// Ends the answers to requests of HTTP/2 connections.
    pub(super) is_cut: CancellationToken,
}

impl Server {
    pub(crate) fn new(
        snapshot: ArcSwap<Snapshot>,
        shards: Arc<Shards>,
        quotas: Arc<Quotas>,
        metrics: ListenerMetrics,
        access_log: Arc<AccessLog>,
    ) -> Self {
        Self {
            snapshot,
            shards,
            quotas,
            metrics,
            access_log,
            pending: PendingConnections::new(Askers::Stay),
            gathering: Gathering::default(),
            under_way: Arc::default(),
            is_cut: CancellationToken::new(),
        }
    }

    /// What requests are served with.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// From now on requests are served with this. Those that are being served go on with what was
    /// there.
    pub(crate) fn replace(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }

    /// What connections take their descriptors from.
    pub(crate) fn descriptors(&self) -> &Arc<Descriptors> {
        self.quotas.descriptors()
    }

    /// Cuts every connection that is not a shard's.
    pub(crate) fn cut(&self) {
        self.pending.cut();
        self.is_cut.cancel();
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

    /// The connection of a client becomes its shard's, which writes the response, its head
    /// included.
    pub(super) fn hand_over(&self, stream: Stream, start: StreamStart) {
        if let Some(client) = start.with(stream) {
            self.shards.hand_over(client);
        }
    }

    /// Connections that have asked for nothing make room for others.
    pub(super) fn make_room(&self, count: usize) {
        self.pending.make_room(count);
        self.shards.make_room(count);
    }
}
