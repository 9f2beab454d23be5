//! From an accepted connection of a listener to a client in a shard, or to a task that serves the
//! connection.

use super::client_connection::{self, First};
use super::connection::{self, Connection, Next, READ_BYTES};
use super::handler::Decision;
use super::head::ReadAhead;
use super::server::Server;
use super::stream_start::StreamStart;
use super::tls_connection;
use crate::metrics::RefuseReason;
use crate::net::tls::TlsListener;
use crate::net::{Accepted, Phase, Stream, Watched};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// Connections that make room together when there is no descriptor for another one.
const ROOM_AT_ONCE: usize = 8;

/// The clients' side of one listener.
#[derive(Clone)]
pub(crate) struct ClientSide {
    server: Arc<Server>,
    /// Every connection begins with a PROXY protocol header.
    proxy_protocol: bool,
    /// `None`: clear text.
    tls: Option<Arc<TlsListener>>,
}

impl ClientSide {
    pub(crate) fn new(server: Arc<Server>, proxy_protocol: bool, tls: Option<Arc<TlsListener>>) -> Self {
        Self {
            server,
            proxy_protocol,
            tls,
        }
    }

    /// The connection gets a task for its handshake, if there may be another one.
    fn begin_handshake(&self, stream: Stream, peer: SocketAddr, ahead: ReadAhead, listener: &Arc<TlsListener>) {
        let server = &self.server;
        let connection = Connection::new(peer, ahead);
        connection.enter(Phase::Handshake);
        let phase = connection.phase();
        let pending_max = server.quotas.pending_max();
        let max = server.snapshot.load().limits.handshakes.min(pending_max);
        let Some(permit) = server.under_way.begin(phase.clone(), max) else {
            tracing::debug!(%peer, "connection refused: too many handshakes are under way");
            return server.refused(RefuseReason::Handshakes);
        };
        let task = tls_connection::serve(server.clone(), connection, stream, listener.clone(), permit);
        server.pending.spawn(task, phase, pending_max);
    }

    /// What is to be done with what has come of a new connection.
    ///
    /// `Err`: it goes to a shard at once.
    #[expect(
        clippy::result_large_err,
        reason = "it is moved once per client; a box would be an allocation more"
    )]
    fn first(&self, ahead: &mut ReadAhead, peer: &mut SocketAddr) -> Result<First, StreamStart> {
        let server = &self.server;
        let snapshot = server.snapshot.load();
        Ok(match connection::look(ahead, peer, snapshot.limits.header_bytes) {
            Some(Next::Http2) => First::Http2,
            Some(Next::Request(head)) => match server.handle(&snapshot, &head.request, *peer) {
                Decision::Now(Ok(start)) => return Err(start),
                decision => First::Decided(Box::new((*head, decision))),
            },
            Some(next) => First::Other(next),
            None => First::Unknown,
        })
    }

    /// Where nothing has been read yet; `None`: the peer may not say whose connection it passes on.
    fn beginning(&self, peer: SocketAddr) -> Option<ReadAhead> {
        if !self.proxy_protocol {
            return Some(ReadAhead::of_client());
        }
        // A Unix socket gives no address: its permissions say who may connect.
        let trusted = &self.server.snapshot.load().trusted_proxies;
        let is_trusted = peer.ip().is_unspecified() || trusted.iter().any(|network| network.contains(peer.ip()));
        is_trusted.then(ReadAhead::behind_proxy)
    }
}

impl Accepted for ClientSide {
    /// Mostly the request is here by now. A client's connection then moves to its shard at once:
    /// without a task, and without having been in the runtime's poll.
    fn connection(&self, stream: Stream, mut peer: SocketAddr) {
        let server = &self.server;
        server.metrics.opened.increment(1);
        let Some(mut ahead) = self.beginning(peer) else {
            tracing::debug!(%peer, "connection refused: its peer is none of `trusted_proxies`");
            return server.refused(RefuseReason::BadRequest);
        };
        if let Some(listener) = &self.tls {
            return self.begin_handshake(stream, peer, ahead, listener);
        }
        let mut scratch = [0; READ_BYTES];
        let first = match stream.read(&mut scratch) {
            Ok(0) => return,
            Ok(read) => {
                ahead.push(&scratch[..read]);
                self.first(&mut ahead, &mut peer)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(First::Unknown),
            Err(_) => return,
        };
        let first = match first {
            Ok(First::Http2) => return server.hand_over_http2(stream, ahead.take(usize::MAX), peer, None),
            Ok(first) => first,
            Err(start) => return server.hand_over(stream, start),
        };
        let connection = Connection::new(peer, ahead);
        let phase = connection.phase();
        // It has asked, though its task has not run yet: it is not ended to make room.
        match &first {
            First::Unknown => {}
            First::Decided(decided) if decided.1.is_open_stream() => phase.set(Phase::Deciding),
            _ => phase.set(Phase::Answering),
        }
        let stream = match Watched::new(stream) {
            Ok(stream) => stream,
            Err(error) => return tracing::debug!(%peer, %error, "connection dropped: it can't be watched"),
        };
        let task = client_connection::serve(server.clone(), connection, stream, first);
        server.pending.spawn(task, phase, server.quotas.pending_max());
    }

    fn make_room(&self) {
        self.server.make_room(ROOM_AT_ONCE);
    }

    fn starved(&self) {
        self.server.refused(RefuseReason::Descriptors);
    }
}
