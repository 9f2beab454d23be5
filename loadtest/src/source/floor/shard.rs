//! One thread of the floor: the same bytes to each of its sockets.

use crate::clock::now_ns;
use bytes::{Buf, Bytes};
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// Batches that a full socket is tried again at once; after that only every `FULL_RETRY`th.
const FULL_PATIENCE: u32 = 64;
const FULL_RETRY: u32 = 16;

/// Without work for this long a shard looks for closed connections: no write would find them, and
/// their descriptors are needed.
const IDLE: Duration = Duration::from_secs(1);

/// What a shard is given.
pub(super) enum Work {
    Client(TcpStream),
    /// Whole events, and how many.
    Events(Bytes, u64),
}

/// What the shards have done: added up once a batch.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Events times sockets.
    pub(super) written: AtomicU64,
    /// Batches that a full socket went without.
    pub(super) skipped: AtomicU64,
    /// Batches of all shards, and what they took from the first write to behind the last.
    pub(super) batches: AtomicU64,
    pub(super) batches_ns: AtomicU64,
}

struct Client {
    socket: TcpStream,
    /// What is left of a write that the socket took only the beginning of: it must go before
    /// anything else.
    rest: Bytes,
    /// Batches in a row that found the socket full.
    full: u32,
    /// Where its first batch begins for it: it joined behind what stands before.
    from: usize,
}

/// Works until the floor ends.
pub(super) fn run(work: &Receiver<Work>, tally: &Tally) {
    let mut clients: Vec<Client> = Vec::new();
    let mut batch: Vec<Bytes> = Vec::new();
    loop {
        let first = match work.recv_timeout(IDLE) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => {
                clients.retain(Client::is_there);
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let (mut events, mut bytes) = (0, 0);
        for item in std::iter::once(first).chain(work.try_iter()) {
            match item {
                Work::Client(socket) => clients.push(Client {
                    socket,
                    rest: Bytes::new(),
                    full: 0,
                    from: bytes,
                }),
                Work::Events(piece, count) => {
                    bytes += piece.len();
                    batch.push(piece);
                    events += count;
                }
            }
        }
        let bytes = match batch.len() {
            0 => continue,
            1 => batch.remove(0),
            _ => Bytes::from(batch.concat()),
        };
        batch.clear();
        let mut missed = 0;
        let begun = now_ns();
        clients.retain_mut(|client| client.write(&bytes, &mut missed));
        if !clients.is_empty() {
            tally.batches.fetch_add(1, Ordering::Relaxed);
            tally.batches_ns.fetch_add(now_ns() - begun, Ordering::Relaxed);
        }
        tally.skipped.fetch_add(missed, Ordering::Relaxed);
        tally.written.fetch_add(
            events * (clients.len() as u64).saturating_sub(missed),
            Ordering::Relaxed,
        );
    }
}

impl Client {
    fn is_there(&self) -> bool {
        match self.socket.peek(&mut [0]) {
            Ok(read) => read > 0,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }

    /// Writes a batch; `false`: the client has gone.
    fn write(&mut self, bytes: &Bytes, missed: &mut u64) -> bool {
        match std::mem::take(&mut self.from) {
            0 => self.write_all(bytes, missed),
            from if from == bytes.len() => true,
            from => self.write_all(&bytes.slice(from..), missed),
        }
    }

    /// Writes what is left, then `bytes`; `false`: the client has gone.
    fn write_all(&mut self, bytes: &Bytes, missed: &mut u64) -> bool {
        if self.full > FULL_PATIENCE && !self.full.is_multiple_of(FULL_RETRY) {
            self.full += 1;
            *missed += 1;
            return true;
        }
        if !self.rest.is_empty() {
            match self.socket.write(&self.rest) {
                Ok(written) => self.rest.advance(written),
                Err(error) => return self.failed(&error, missed),
            }
            if !self.rest.is_empty() {
                *missed += 1;
                return true;
            }
        }
        match self.socket.write(bytes) {
            Ok(written) => {
                self.full = 0;
                if written < bytes.len() {
                    self.rest = bytes.slice(written..);
                }
                true
            }
            Err(error) => self.failed(&error, missed),
        }
    }

    /// A full socket misses the batch; any other error means that the client has gone.
    fn failed(&mut self, error: &std::io::Error, missed: &mut u64) -> bool {
        let full = error.kind() == ErrorKind::WouldBlock;
        self.full += 1;
        *missed += u64::from(full);
        full
    }
}
