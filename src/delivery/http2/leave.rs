//! Connections that end: their peers leave, they are idle, or all are drained.

use super::connection::Owner;
use crate::delivery::keys::ConnectionKey;
use crate::delivery::shard::Shard;
use crate::h2::ErrorCode;
use crate::metrics::CloseReason;

impl Shard {
    /// A connection is gone, and with it its streams.
    pub(super) fn disconnected(&mut self, key: ConnectionKey, reason: CloseReason) {
        let connection = self.connections.remove(key);
        for owner in connection.protocol.into_owners() {
            match owner {
                Owner::Client(client) => self.left(client, reason),
                // Who answers finds out by this.
                Owner::Asked(asked) => drop(asked),
            }
        }
    }

    /// Closes a connection that has no streams, and says so. What has come by now is looked at
    /// first: a request that has come is answered.
    pub(super) fn close_idle(&mut self, key: ConnectionKey) {
        let reference = self.connections.reference(key);
        self.read(key);
        let Some(key) = self.connections.key_of(reference) else {
            return;
        };
        let connection = &mut self.connections.slab[key.index()];
        if connection.protocol.streams() == 0 {
            connection.protocol.leave(ErrorCode::NoError);
            self.close_connection(key);
        }
    }

    /// Closes a connection without streams behind what has been written. Where the socket does not
    /// take that at once, it ends without it.
    pub(super) fn close_connection(&mut self, key: ConnectionKey) {
        self.connections.write_out(key);
        let connection = &self.connections.slab[key.index()];
        // As at the end of a stream of HTTP/1.1: both fail if the peer is gone.
        let _ = connection.stream.discard();
        let _ = connection.stream.finish();
        self.disconnected(key, CloseReason::Client);
    }

    /// A connection whose last stream has ended is idle, or over if it was leaving.
    pub(in crate::delivery) fn settle_idleness(&mut self, key: ConnectionKey) {
        let now = self.clock.tick();
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.protocol.streams() > 0 {
            return;
        }
        if connection.announced.is_some() {
            // Before the process is gone: the next look at it closes it.
            connection.protocol.leave(ErrorCode::NoError);
        }
        self.connections.has_output(key);
        self.connections.becomes_idle(key, now);
    }

    /// Ends connections without streams, those first that have had none for longest.
    pub(in crate::delivery) fn make_room(&mut self, count: usize) {
        let mut ended = 0;
        while ended < count {
            let Some((reference, since)) = self.connections.idle.pop_front() else {
                return;
            };
            let Some(key) = self.connections.key_of(reference) else {
                continue;
            };
            let connection = &self.connections.slab[key.index()];
            if connection.is_idle && connection.idle_since == since {
                self.close_idle(key);
                ended += 1;
            }
        }
    }

    /// The process leaves: no connection takes requests much longer.
    pub(in crate::delivery) fn announce_leaving(&mut self) {
        let now = self.clock.tick();
        let keys: Vec<_> = self
            .connections
            .slab
            .iter()
            .map(|(index, _)| ConnectionKey::new(index))
            .collect();
        for key in keys {
            let connection = &mut self.connections.slab[key.index()];
            connection.protocol.announce_leaving();
            connection.announced.get_or_insert(now);
            self.connections.has_output(key);
        }
    }
}
