//! What a turn does with the connections, and the output of the streams in one write each.

use crate::delivery::shard::Shard;

/// Connections with output at which it is offered to their sockets, and turns after which it is in
/// any case: before that, the passes that are under way may have more for them.
const FLUSH_AT: usize = 256;
const FLUSH_TURNS: u32 = 4;
/// How often what follows from flushing is flushed in the same turn.
const ROUNDS: usize = 4;

impl Shard {
    /// What a turn does with connections, once clients have been written to.
    pub(in crate::delivery) fn connections_turn(&mut self) {
        if self.connections.is_empty() {
            return;
        }
        self.read_more();
        self.sweep();
        let connections = &mut self.connections;
        let waits = !self.channels.working.is_empty() && connections.dirty.len() < FLUSH_AT;
        connections.unflushed_turns += 1;
        if !waits || connections.unflushed_turns >= FLUSH_TURNS {
            connections.unflushed_turns = 0;
            self.flush();
        }
        self.take_up();
    }

    /// Offers the output of all connections to their sockets.
    fn flush(&mut self) {
        for _ in 0..ROUNDS {
            let dirty = std::mem::take(&mut self.connections.dirty);
            if dirty.is_empty() {
                return;
            }
            for key in dirty {
                // One that has been removed since has left the list that was taken.
                let Some(connection) = self.connections.get_mut(key) else {
                    continue;
                };
                connection.is_dirty = false;
                self.connections.write_out(key);
            }
            self.take_up();
        }
    }

    /// Takes up what became known while connections were written to.
    fn take_up(&mut self) {
        while !self.connections.deferred.is_empty() || !self.connections.broken.is_empty() {
            for (connection, event) in std::mem::take(&mut self.connections.deferred) {
                self.happened(connection, event);
            }
            for (connection, reason) in std::mem::take(&mut self.connections.broken) {
                if let Some(key) = self.connections.key_of(connection) {
                    self.disconnected(key, reason);
                }
            }
        }
    }
}
