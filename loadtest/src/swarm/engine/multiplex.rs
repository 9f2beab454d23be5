//! Clients that share HTTP/2 connections.

use super::Swarm;
use crate::clock::now_ns;
use crate::head::Head;
use crate::scan::Framing;
use crate::swarm::client::{Kind, Stage, path};
use crate::swarm::h2::{Answered, Happened, Http2};
use http::header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue};
use http::{HeaderMap, Request};
use mio::Token;

/// Tokens of connections begin here; below it are those of clients.
pub(super) const TOKENS: usize = 1 << 32;

impl Swarm {
    /// The connection that a client is on.
    fn connection_of(&self, index: usize) -> usize {
        index / self.setup.http2_streams.max(1) as usize
    }

    pub(super) fn connect_multiplexed(&mut self, index: usize) {
        let connection = self.connection_of(index);
        let per_connection = self.setup.http2_streams.max(1) as usize;
        let number = self.setup.first_client / per_connection + connection;
        let target = number % self.setup.targets.len();
        let Some(request) = self.request_multiplexed(index, target) else {
            return self.refused(index, None);
        };
        if self.multiplexed[connection].is_none() {
            match self.open(number, Token(TOKENS + connection), None) {
                Ok(socket) => self.multiplexed[connection] = Some(Http2::new(socket, self.setup.http2_windows)),
                Err(error) => return self.failed(index, &error),
            }
        }
        if let Some(http2) = &mut self.multiplexed[connection] {
            let frozen = self.clients[index].kind == Kind::Stalled;
            http2.request(index, request, frozen);
        }
        self.clients[index].stage = Stage::Connecting;
        self.connecting += 1;
        self.restless.push(connection);
    }

    /// A client's request; `None` if the URL or a field can't be sent.
    fn request_multiplexed(&self, index: usize, target: usize) -> Option<Request<()>> {
        let target = &self.setup.targets[target];
        let scheme = if target.tls { "https" } else { "http" };
        let path = path(target, &self.setup, self.setup.first_client + index);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(authorization) = &self.setup.authorization {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(authorization).ok()?);
        }
        for field in &self.setup.headers {
            let (name, value) = field.split_once(':')?;
            headers.append(name.trim().parse::<HeaderName>().ok()?, value.trim().parse().ok()?);
        }
        let last_id = self.clients[index].scanner.last_id();
        if self.setup.resume && !last_id.is_empty() {
            headers.insert("last-event-id", HeaderValue::from_bytes(last_id).ok()?);
        }
        let mut request = Request::get(format!("{scheme}://{}{path}", target.authority))
            .body(())
            .ok()?;
        *request.headers_mut() = headers;
        Some(request)
    }

    /// A client is gone: its stream is reset, and a connection without streams closed.
    pub(super) fn leave_multiplexed(&mut self, index: usize) {
        let connection = self.connection_of(index);
        if let Some(http2) = &mut self.multiplexed[connection] {
            http2.leave(index);
            self.restless.push(connection);
        }
    }

    /// Sends what orders and timers have left to be sent.
    pub(super) fn send_restless(&mut self) {
        let mut connections = std::mem::take(&mut self.restless);
        connections.sort_unstable();
        connections.dedup();
        for connection in connections {
            self.turn(connection, now_ns());
            if self.multiplexed[connection].as_ref().is_some_and(Http2::is_idle) {
                self.multiplexed[connection] = None;
            }
        }
    }

    /// A connection does all that it can.
    pub(super) fn turn(&mut self, connection: usize, polled_ns: u64) {
        let Some(Some(http2)) = self.multiplexed.get_mut(connection) else {
            return;
        };
        let mut happened = Vec::new();
        let turned = http2.turn(&mut happened);
        let turned = turned.map_err(|error| (error, http2.clients()));
        if turned.is_err() {
            self.multiplexed[connection] = None;
        }
        let read_ns = now_ns();
        for (index, what) in happened {
            self.happened(index, what, read_ns, polled_ns);
        }
        let Err((error, clients)) = turned else { return };
        for index in clients {
            self.failed(index, &error);
        }
    }

    fn happened(&mut self, index: usize, what: Happened, read_ns: u64, polled_ns: u64) {
        match (what, &self.clients[index].stage) {
            (_, Stage::Away | Stage::GivenUp) => {}
            (
                Happened::Head(Answered {
                    status: 200,
                    event_stream: true,
                    gzip,
                }),
                _,
            ) => {
                let head = Head {
                    gzip,
                    status: 200,
                    framing: Framing::ToEnd,
                    event_stream: true,
                    len: 0,
                };
                self.live(index, &head, read_ns);
            }
            (Happened::Head(Answered { status: 204, .. }), _) => {
                self.totals.over += 1;
                self.drop_connection(index);
            }
            (Happened::Head(answered), _) => self.refused(index, Some(answered.status)),
            (Happened::Data(data), Stage::Live) => {
                self.window.read(data.len(), read_ns.saturating_sub(polled_ns));
                self.bytes += data.len() as u64;
                self.body(index, &data, read_ns);
            }
            (Happened::Data(_), _) => {}
            (Happened::End, _) => self.lost_connection(index),
        }
    }
}
