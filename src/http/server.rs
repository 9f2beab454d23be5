//! What every connection is served with, and the way from an accepted connection to a client in a shard.

use super::connection::Connection;
use super::handler::{Decision, StreamStart};
use super::head::{Malformed, ReadAhead, RequestHead};
use super::pending::PendingConnections;
use super::phase::Phase;
use super::snapshot::Snapshot;
use crate::delivery::{NewClient, Shards};
use crate::metrics::{ListenerMetrics, RefuseReason};
use crate::net::{Accepted, Stream};
use crate::quotas::Quotas;
use arc_swap::ArcSwap;
use std::net::SocketAddr;
use std::sync::Arc;

/// Bytes read at one time: more than nearly every request head.
pub(super) const READ_BYTES: usize = 4096;

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

/// What a connection has to do next.
pub(super) enum Step {
    /// To read a head, of which nothing or a part is here.
    Read,
    /// To do what was decided about a request.
    Do(Box<RequestHead>, Decision),
    /// To say that a request is none.
    /// (`to_head`: it was one for a head alone.)
    Refuse { why: Malformed, to_head: bool },
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
            pending: PendingConnections::default(),
        }
    }

    /// Cuts every connection that is not a shard's.
    pub(crate) fn cut(&self) {
        self.pending.cut();
    }

    pub(super) fn refused(&self, reason: RefuseReason) {
        self.metrics.refused[reason as usize].increment(1);
    }

    /// What is to be done with what is here of a connection.
    pub(super) fn step(self: &Arc<Self>, ahead: &mut ReadAhead, peer: SocketAddr) -> Step {
        let snapshot = self.snapshot.load();
        let to_head = ahead.asks_for_head();
        match ahead.next(snapshot.limits.header_bytes) {
            Ok(Some(head)) => {
                let decision = self.handle(&snapshot, &head.request, peer);
                Step::Do(Box::new(head), decision)
            }
            Ok(None) => Step::Read,
            Err(why) => Step::Refuse { why, to_head },
        }
    }

    /// The connection of a client becomes its shard's, which writes the response, its head included.
    pub(super) fn hand_over(&self, stream: Stream, start: StreamStart) {
        let StreamStart {
            head,
            framing,
            subscription,
            permit,
            last_event_id,
            peer,
        } = start;
        self.shards.hand_over(NewClient {
            stream,
            head,
            framing,
            subscription,
            permit,
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
        let step = match stream.read(&mut scratch) {
            Ok(0) => return,
            Ok(read) => {
                ahead.push(&scratch[..read]);
                self.step(&mut ahead, peer)
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Step::Read,
            Err(_) => return,
        };
        if let Step::Do(_, Decision::Now(Ok(start))) = step {
            return self.hand_over(stream, start);
        }
        let connection = Connection::new(self.clone(), peer, ahead);
        let phase = connection.phase();
        if !matches!(step, Step::Read) {
            // It has asked, though its task has not run yet: it makes room for nobody.
            phase.set(Phase::Answering);
        }
        let made_room = self
            .pending
            .spawn(connection.run(stream, step), phase, self.quotas.handshakes_max());
        // One that has been answered was refused nothing.
        if made_room == Some(Phase::Head) {
            self.refused(RefuseReason::HeaderTimeout);
        }
    }

    fn make_room(&self) {
        let made = self.pending.make_room(ROOM_AT_ONCE);
        for _ in made.iter().filter(|&&phase| phase == Phase::Head) {
            self.refused(RefuseReason::HeaderTimeout);
        }
    }

    fn starved(&self) {
        self.refused(RefuseReason::Descriptors);
    }
}
