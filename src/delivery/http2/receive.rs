//! What comes on a connection: it joins the shard, is read, and its events are taken up.

use super::body::RequestBody;
use super::connection::{Asked, Http2Connection, NewConnection, Owner};
use super::handle::{StreamHandle, StreamNote};
use super::parts::{AskedRequest, Reply};
use crate::delivery::client::ClientState;
use crate::delivery::failure::{reason_of, reason_of_end};
use crate::delivery::intake::Intake;
use crate::delivery::keys::{ConnectionKey, ConnectionRef};
use crate::delivery::shard::Shard;
use crate::h2::{self, Event, Malformed, RequestHead, StreamKey};
use crate::metrics::CloseReason;
use hyper::header::EXPECT;
use mio::event::Event as Readiness;
use std::io;

/// Bytes read at one time, and how often before others have their turn.
const READ_BYTES: usize = 16 * 1024;
const READS_PER_TURN: usize = 4;
/// Connections of which more is to be read and that have a turn in one turn of the shard.
const READERS_PER_TURN: usize = 16;

impl Shard {
    /// Takes a connection in, whose socket `intake` watches from now on.
    pub(in crate::delivery) fn connect(&mut self, new: NewConnection, intake: &Intake) {
        let NewConnection {
            mut stream,
            read,
            peer,
            requests,
        } = new;
        let reference = self.connections.next_ref();
        if let Err(error) = intake.watch_connection(&mut stream, reference) {
            return tracing::warn!(%peer, %error, "connection refused: its socket can't be watched");
        }
        let now = self.clock.tick();
        let limits = requests.limits();
        let connection = Http2Connection {
            stream,
            protocol: h2::Connection::new(limits.header_bytes, self.clock.now()),
            generation: reference.generation,
            peer,
            requests,
            permit: None,
            held: Vec::new(),
            is_dirty: false,
            is_reading: false,
            is_idle: false,
            idle_since: now,
            head_since: Some(now),
            heard: now,
            is_asked: false,
            announced: None,
        };
        let index = self.connections.slab.insert(connection);
        let key = ConnectionKey::new(index);
        debug_assert_eq!(key, reference.key);
        self.connections.becomes_idle(key, now);
        if self.drained_by.is_some() {
            self.connections.slab[index].protocol.announce_leaving();
            self.connections.slab[index].announced = Some(now);
        }
        self.connections.has_output(key);
        self.received(reference, &read);
        self.read_on(reference);
    }

    /// Takes up the readiness of a connection's socket.
    pub(in crate::delivery) fn connection_ready(&mut self, connection: ConnectionRef, event: &Readiness) {
        let Some(key) = self.connections.key_of(connection) else {
            return;
        };
        let stream = &self.connections.slab[key.index()].stream;
        if event.is_error() || event.is_write_closed() {
            let reason = reason_of_end(stream);
            return self.disconnected(key, reason);
        }
        if event.is_writable() {
            self.connections.write_out(key);
        }
        if event.is_readable() || event.is_read_closed() {
            self.read(key);
        }
    }

    /// Goes on with those of which more is to be read.
    pub(super) fn read_more(&mut self) {
        for _ in 0..self.connections.reading.len().min(READERS_PER_TURN) {
            let Some(connection) = self.connections.reading.pop_front() else {
                break;
            };
            if let Some(key) = self.connections.key_of(connection) {
                self.connections.slab[key.index()].is_reading = false;
                self.read(key);
            }
        }
    }

    /// More is to be read, when it is its turn.
    fn read_on(&mut self, connection: ConnectionRef) {
        if let Some(key) = self.connections.key_of(connection) {
            let found = &mut self.connections.slab[key.index()];
            if !std::mem::replace(&mut found.is_reading, true) {
                self.connections.reading.push_back(connection);
            }
        }
    }

    /// Reads what has come, or a turn's worth of it.
    pub(super) fn read(&mut self, key: ConnectionKey) {
        let reference = self.connections.reference(key);
        let mut scratch = [0; READ_BYTES];
        for _ in 0..READS_PER_TURN {
            let Some(key) = self.connections.key_of(reference) else {
                return;
            };
            match self.connections.slab[key.index()].stream.read(&mut scratch) {
                // A client that sends no more has left, as one of HTTP/1.1's streams.
                Ok(0) => return self.disconnected(key, CloseReason::Client),
                Ok(read) => self.received(reference, &scratch[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.answer_records(key),
                Err(error) => return self.disconnected(key, reason_of(&error)),
            }
        }
        self.read_on(reference);
    }

    /// What has come may have to be answered by TLS itself.
    fn answer_records(&mut self, key: ConnectionKey) {
        if self.connections.slab[key.index()].stream.wants_write() {
            self.connections.write_out(key);
        }
    }

    /// Takes in what was read.
    fn received(&mut self, reference: ConnectionRef, bytes: &[u8]) {
        let (now, tick) = (self.clock.now(), self.clock.tick());
        let Some(key) = self.connections.key_of(reference) else {
            return;
        };
        let connection = &mut self.connections.slab[key.index()];
        connection.heard = tick;
        connection.is_asked = false;
        let mut events = Vec::new();
        connection.protocol.receive(bytes, now, &mut events);
        connection.head_since = match connection.protocol.is_within_head() {
            true => connection.head_since.or(Some(tick)),
            false => None,
        };
        events.into_iter().for_each(|event| self.happened(reference, event));
        if let Some(key) = self.connections.key_of(reference) {
            self.connections.has_output(key);
            self.settle_idleness(key);
        }
    }

    /// Takes up something that has happened on a connection.
    pub(super) fn happened(&mut self, connection: ConnectionRef, event: Event<Owner>) {
        if let Event::Gone(_, Some(Owner::Client(client))) = event {
            return self.left(client, CloseReason::Client);
        }
        let Some(key) = self.connections.key_of(connection) else {
            return;
        };
        match event {
            Event::Request { stream, head, has_body } => self.requested(key, stream, *head, has_body),
            Event::Data(stream, bytes) => {
                let found = &mut self.connections.slab[key.index()];
                let body = found.asked_mut(stream).and_then(|asked| asked.body.as_ref());
                if !body.is_some_and(|body| body.push(&bytes)) {
                    found.protocol.release(stream, bytes.len());
                }
            }
            Event::Trailers(stream, trailers) => {
                let found = &mut self.connections.slab[key.index()];
                if let Some(body) = found.asked_mut(stream).and_then(|asked| asked.body.as_ref()) {
                    body.trailers(trailers);
                }
            }
            Event::Malformed(why) => {
                let connection = &self.connections.slab[key.index()];
                tracing::debug!(peer = %connection.peer, why, "request refused");
                connection.requests.malformed();
            }
            Event::RequestEnded(stream) => {
                let found = &mut self.connections.slab[key.index()];
                if let Some(body) = found.asked_mut(stream).and_then(|asked| asked.body.as_ref()) {
                    body.end();
                }
            }
            // Who answers finds out by this.
            Event::Gone(_, owner) => drop(owner),
            Event::Room(stream) => self.has_room(key, stream),
            Event::Failed(why) => {
                let peer = self.connections.slab[key.index()].peer;
                tracing::debug!(%peer, why, "connection failed");
                self.connections.write_out(key);
                self.disconnected(key, CloseReason::Error);
            }
        }
    }

    /// A request has come: it is answered elsewhere.
    fn requested(
        &mut self,
        key: ConnectionKey,
        stream: StreamKey,
        head: Result<RequestHead, Malformed>,
        has_body: bool,
    ) {
        self.connections.becomes_busy(key);
        let handle = StreamHandle {
            shard: self.connections.shard.clone(),
            connection: self.connections.reference(key),
            stream,
        };
        let connection = &mut self.connections.slab[key.index()];
        let (mut sender, mut body) = (None, None);
        if let (true, Ok(head)) = (has_body, &head) {
            let expects = head.request.headers().get(EXPECT);
            let expects = expects.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
            let ends = RequestBody::new(handle.clone(), head.length(), expects);
            (sender, body) = (Some(ends.0), Some(ends.1));
        }
        let (reply, parts) = Reply::new(handle);
        let asked = Asked {
            body: sender,
            parts,
            next: None,
        };
        // It may have been reset by what came behind it.
        if connection.protocol.set_owner(stream, Owner::Asked(Box::new(asked))) {
            connection.requests.answer(AskedRequest {
                head: head.map(|head| head.request),
                body,
                peer: connection.peer,
                has_descriptor: connection.permit.is_some(),
                reply,
            });
        }
    }

    /// A stream on which something waits has room.
    fn has_room(&mut self, key: ConnectionKey, stream: StreamKey) {
        let owner = self.connections.slab[key.index()].protocol.owner_mut(stream);
        let client = match owner.and_then(|owner| owner.as_ref()) {
            Some(Owner::Client(client)) => *client,
            Some(Owner::Asked(_)) => return self.answer(key, stream),
            None => return,
        };
        match self.clients[client].state {
            ClientState::Blocked => self.replay_later(client),
            ClientState::Closing(_) => self.go_on_closing(client),
            ClientState::Live | ClientState::Replaying => {}
        }
    }

    /// What another thread tells of a stream.
    pub(in crate::delivery) fn told(&mut self, connection: ConnectionRef, stream: StreamKey, note: StreamNote) {
        let Some(key) = self.connections.key_of(connection) else {
            return;
        };
        let protocol = &mut self.connections.slab[key.index()].protocol;
        match note {
            StreamNote::Answer => self.answer(key, stream),
            StreamNote::Taken(bytes) => protocol.release(stream, bytes),
            StreamNote::Continue => protocol.send_interim(stream, hyper::StatusCode::CONTINUE.as_u16()),
        }
        if let Some(key) = self.connections.key_of(connection) {
            self.connections.has_output(key);
        }
    }
}
