//! What comes from the sockets: response heads, then events.

use super::super::clock::now_ns;
use super::super::head::Head;
use super::super::scan::{Found, Progress};
use super::{Crowd, Kind, Stage};
use mio::event::Event;
use mio::{Interest, Token};
use std::io::{ErrorKind, Read as _};

/// Reads of one socket in one turn, so that one fast stream can't hold up the others.
const READS_PER_TURN: usize = 8;

impl Crowd {
    pub(super) fn ready(&mut self, index: usize, event: &Event) {
        let Some(client) = self.clients.get(index).filter(|client| client.socket.is_some()) else {
            return;
        };
        let over = event.is_read_closed() || event.is_error();
        if matches!(client.stage, Stage::Connecting) && (event.is_writable() || over) {
            match self.send_request(index) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return self.failed(index, &error),
            }
        }
        let client = &self.clients[index];
        if client.kind == Kind::Stalled && client.is_live() {
            if !over {
                return;
            }
            // It wakes up, takes what has come until then, and will come back for the rest.
            self.report.stalled -= 1;
            self.clients[index].kind = Kind::Reader;
        }
        if event.is_readable() || over {
            self.read(index, over);
        }
    }

    /// Reads a socket until it is empty, or its turn is over.
    fn read(&mut self, index: usize, over: bool) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut reads = 0;
        while let Some(socket) = &mut self.clients[index].socket {
            match socket.read(&mut buffer) {
                Ok(0) => {
                    self.ended(index);
                    break;
                }
                Ok(read) => {
                    self.take(index, &buffer[..read]);
                    reads += 1;
                    let client = &self.clients[index];
                    let stalls = client.kind == Kind::Stalled && client.is_live();
                    // A short read has emptied the socket (epoll(7), on edge-triggered streams).
                    if read < buffer.len() && !over || stalls {
                        break;
                    }
                    if reads >= READS_PER_TURN && !over {
                        self.requeue(index);
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed(index, &error);
                    break;
                }
            }
        }
        self.buffer = buffer;
    }

    /// The socket holds more, and an edge-triggered poll won't say so again unless it is registered
    /// anew.
    fn requeue(&mut self, index: usize) {
        let Some(socket) = &mut self.clients[index].socket else {
            return;
        };
        let both = Interest::READABLE | Interest::WRITABLE;
        if self.registry.reregister(socket, Token(index), both).is_err() {
            self.ended(index);
        }
    }

    /// Bytes came for a client.
    fn take(&mut self, index: usize, bytes: &[u8]) {
        match &mut self.clients[index].stage {
            Stage::Live => self.body(index, bytes),
            Stage::Head(head) => {
                head.extend_from_slice(bytes);
                let head = std::mem::take(head);
                self.head(index, head);
            }
            Stage::Away | Stage::Connecting | Stage::GivenUp => {}
        }
    }

    /// What has come of a response head, and perhaps of the body behind it.
    fn head(&mut self, index: usize, bytes: Vec<u8>) {
        match Head::parse(&bytes) {
            Ok(None) => self.clients[index].stage = Stage::Head(bytes),
            Ok(Some(head)) if head.status == 200 && head.event_stream => {
                let client = &mut self.clients[index];
                self.report.returned += u64::from(client.returning);
                client.opened(head.framing, 0, true);
                self.report.stalled += usize::from(client.kind == Kind::Stalled);
                self.report.live += 1;
                self.connecting -= 1;
                self.body(index, &bytes[head.len..]);
            }
            Ok(Some(_)) | Err(_) => self.refused(index),
        }
    }

    fn body(&mut self, index: usize, bytes: &[u8]) {
        let client = &mut self.clients[index];
        let read_ns = now_ns();
        let (counts, latencies) = (&mut self.report.counts, &mut self.latencies);
        let (tally, retry_ms, stalls) = (&mut client.tally, &mut client.retry_ms, client.kind == Kind::Stalled);
        let gap_event = self.setup.gap_event.as_bytes();
        let progress = client.scanner.feed(bytes, gap_event, &mut |found| match found {
            Found::Event(stamp) | Found::Torn(stamp) => {
                counts.torn += u64::from(matches!(found, Found::Torn(_)));
                tally.event(stamp.seq, stamp.channel, counts);
                if !stalls {
                    latencies.add(read_ns.saturating_sub(stamp.written_ns));
                }
            }
            Found::Other => counts.other += 1,
            Found::WrongId => counts.wrong_ids += 1,
            Found::Gap => tally.gap(counts),
            Found::Retry(millis) => *retry_ms = millis,
        });
        if !matches!(progress, Ok(Progress::Open)) {
            self.ended(index);
        }
    }
}
