//! The HTTP/2 connections of a shard.

use super::connection::{Held, Http2Connection, Owner};
use super::handle::TellShard;
use crate::delivery::clock::Tick;
use crate::delivery::failure::reason_of;
use crate::delivery::keys::{ConnectionKey, ConnectionRef, Generation};
use crate::h2::{ErrorCode, Event, StreamKey};
use crate::metrics::CloseReason;
use crate::quotas::ClientPermit;
use slab::Slab;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Buffers that are kept for the connections that have output next.
const SPARE_MAX: usize = 256;
/// A buffer that has grown beyond this is not kept.
const SPARE_BYTES_MAX: usize = 16 * 1024;

pub(in crate::delivery) struct Connections {
    pub(super) slab: Slab<Http2Connection>,
    newest: Generation,
    /// This shard, for others.
    pub(super) shard: Arc<dyn TellShard>,
    /// How many connections of all shards have no streams.
    idle_count: Arc<AtomicUsize>,
    /// Those with output that has not been offered to their sockets.
    pub(super) dirty: Vec<ConnectionKey>,
    /// How many turns ago they were flushed last.
    pub(super) unflushed_turns: u32,
    /// Those of which more is to be read.
    pub(super) reading: VecDeque<ConnectionRef>,
    /// What became known while clients were written to.
    pub(super) deferred: Vec<(ConnectionRef, Event<Owner>)>,
    /// Their sockets failed.
    pub(super) broken: Vec<(ConnectionRef, CloseReason)>,
    /// Since when connections have had no streams, oldest first; those that have some again, or are
    /// gone, are passed over.
    pub(super) idle: VecDeque<(ConnectionRef, Tick)>,
    /// Where the look at all of them goes on, and when it begins anew.
    pub(super) sweep_at: usize,
    pub(super) sweep_due: Tick,
    spare: Vec<Vec<u8>>,
}

impl Connections {
    pub(in crate::delivery) fn new(shard: Arc<dyn TellShard>, idle_count: Arc<AtomicUsize>) -> Self {
        Self {
            slab: Slab::new(),
            newest: Generation::FIRST,
            shard,
            idle_count,
            dirty: Vec::new(),
            unflushed_turns: 0,
            reading: VecDeque::new(),
            deferred: Vec::new(),
            broken: Vec::new(),
            idle: VecDeque::new(),
            sweep_at: usize::MAX,
            sweep_due: Tick::at(0),
            spare: Vec::new(),
        }
    }

    pub(in crate::delivery) fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// Whether nothing is to be read, written or looked at.
    pub(in crate::delivery) fn is_quiet(&self) -> bool {
        self.dirty.is_empty() && self.reading.is_empty()
    }

    /// What the next one will be called; none may come between this and its insertion.
    pub(super) fn next_ref(&mut self) -> ConnectionRef {
        self.newest = self.newest.next();
        ConnectionRef {
            key: ConnectionKey::new(self.slab.vacant_key()),
            generation: self.newest,
        }
    }

    /// The key of a connection that is still here.
    pub(in crate::delivery) fn key_of(&self, connection: ConnectionRef) -> Option<ConnectionKey> {
        let found = self.slab.get(connection.key.index())?;
        (found.generation == connection.generation).then_some(connection.key)
    }

    pub(super) fn reference(&self, key: ConnectionKey) -> ConnectionRef {
        let generation = self.slab[key.index()].generation;
        ConnectionRef { key, generation }
    }

    pub(super) fn get_mut(&mut self, key: ConnectionKey) -> Option<&mut Http2Connection> {
        self.slab.get_mut(key.index())
    }

    /// Writes what a stream takes.
    pub(in crate::delivery) fn write(&mut self, key: ConnectionKey, stream: StreamKey, bytes: &[u8]) -> usize {
        let Some(connection) = self.slab.get_mut(key.index()) else {
            return 0;
        };
        connection.protocol.give_memory(|| self.spare.pop().unwrap_or_default());
        let mut written = connection.protocol.send_data(stream, bytes);
        if !connection.is_dirty && !connection.protocol.unsent().is_empty() {
            connection.is_dirty = true;
            self.dirty.push(key);
        }
        // The output is full, and perhaps the socket is not.
        while written < bytes.len() && self.slab[key.index()].protocol.is_full() {
            if !self.write_out(key) {
                break;
            }
            let protocol = &mut self.slab[key.index()].protocol;
            protocol.give_memory(|| self.spare.pop().unwrap_or_default());
            written += protocol.send_data(stream, &bytes[written..]);
        }
        written
    }

    /// Offers the output to the socket. Whether that took all of it.
    pub(super) fn write_out(&mut self, key: ConnectionKey) -> bool {
        let reference = self.reference(key);
        let connection = &mut self.slab[key.index()];
        let mut events = Vec::new();
        let is_out = loop {
            let unsent = connection.protocol.unsent();
            if unsent.is_empty() {
                // What is left of a record goes on when the socket is writable.
                if let Err(error) = connection.stream.flush() {
                    self.broken.push((reference, reason_of(&error)));
                }
                break true;
            }
            match connection.stream.write(unsent) {
                Ok(written) => connection.protocol.sent(written, &mut events),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    connection.protocol.blocked();
                    break false;
                }
                Err(error) => {
                    let reason = reason_of(&error);
                    self.broken.push((reference, reason));
                    break false;
                }
            }
        };
        if is_out {
            connection.held.clear();
            if let Some(memory) = connection.protocol.take_memory()
                && self.spare.len() < SPARE_MAX
                && memory.capacity() <= SPARE_BYTES_MAX
            {
                self.spare.push(memory);
            }
        }
        self.deferred.extend(events.into_iter().map(|event| (reference, event)));
        is_out
    }

    /// Its output is to be offered to the socket at the turn's end.
    pub(super) fn has_output(&mut self, key: ConnectionKey) {
        let connection = &mut self.slab[key.index()];
        if !connection.is_dirty && !connection.protocol.unsent().is_empty() {
            connection.is_dirty = true;
            self.dirty.push(key);
        }
    }

    pub(in crate::delivery) fn unread(&self, key: ConnectionKey, stream: StreamKey) -> u64 {
        let connection = self.slab.get(key.index());
        connection.map_or(0, |connection| connection.protocol.unread(stream))
    }

    /// How much a client may leave unread beyond what any receiver may.
    pub(in crate::delivery) fn set_unread_max(&mut self, key: ConnectionKey, stream: StreamKey, bytes: u64) {
        if let Some(connection) = self.get_mut(key) {
            connection.protocol.set_unread_max(stream, bytes);
        }
    }

    /// Ends a client's stream in order.
    pub(in crate::delivery) fn end_stream(&mut self, key: ConnectionKey, stream: StreamKey) {
        if let Some(connection) = self.get_mut(key) {
            connection.protocol.end(stream);
            self.has_output(key);
        }
    }

    /// Cuts a stream, if it has not ended.
    pub(in crate::delivery) fn reset_stream(&mut self, key: ConnectionKey, stream: StreamKey) {
        if let Some(connection) = self.get_mut(key) {
            connection.protocol.reset(stream, ErrorCode::Cancel);
            self.has_output(key);
        }
    }

    /// Keeps a client's place until the end of its stream has left.
    pub(in crate::delivery) fn hold(&mut self, key: ConnectionKey, permit: ClientPermit) {
        if let Some(connection) = self.get_mut(key)
            && !connection.protocol.unsent().is_empty()
        {
            connection.held.push(Held::Client { _permit: permit });
        }
    }

    /// A connection has no streams from now on.
    pub(super) fn becomes_idle(&mut self, key: ConnectionKey, now: Tick) {
        let reference = self.reference(key);
        let connection = &mut self.slab[key.index()];
        if !std::mem::replace(&mut connection.is_idle, true) {
            connection.idle_since = now;
            connection.permit = None;
            self.idle_count.fetch_add(1, Ordering::Relaxed);
            self.idle.push_back((reference, now));
            self.compact_idle();
        }
    }

    /// A connection has a stream from now on.
    pub(super) fn becomes_busy(&mut self, key: ConnectionKey) {
        let connection = &mut self.slab[key.index()];
        if std::mem::replace(&mut connection.is_idle, false) {
            connection.permit = connection.requests.quotas().connection();
            self.idle_count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Takes a connection out. Its streams are the caller's to end.
    pub(super) fn remove(&mut self, key: ConnectionKey) -> Http2Connection {
        let connection = self.slab.remove(key.index());
        if connection.is_idle {
            self.idle_count.fetch_sub(1, Ordering::Relaxed);
        }
        self.dirty.retain(|&dirty| dirty != key);
        connection
    }

    /// Throws away what is passed over, when it is most of the list.
    fn compact_idle(&mut self) {
        if self.idle.len() > 2 * self.slab.len() + 16 {
            let slab = &self.slab;
            self.idle.retain(|&(connection, since)| {
                let found = slab.get(connection.key.index());
                found.is_some_and(|found| {
                    found.generation == connection.generation && found.is_idle && found.idle_since == since
                })
            });
        }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        let idle = self.slab.iter().filter(|(_, connection)| connection.is_idle).count();
        self.idle_count.fetch_sub(idle, Ordering::Relaxed);
    }
}
