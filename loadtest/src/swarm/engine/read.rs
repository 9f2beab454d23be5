//! What comes from the sockets: response heads, then events.

use super::Swarm;
use super::timers::SLOW_NS;
use crate::clock::{SECOND_NS, now_ns};
use crate::head::Head;
use crate::scan::{Found, Progress};
use crate::swarm::client::{Kind, Stage};
use crate::swarm::socket::Socket;
use mio::{Interest, Token};
use std::io::ErrorKind;

/// Reads of one socket in one turn, so that one fast stream can't hold up the others.
const READS_PER_TURN: usize = 8;

impl Swarm {
    pub(super) fn ready(&mut self, index: usize, event: &mio::event::Event, polled_ns: u64) {
        let Some(client) = self.clients.get_mut(index) else {
            return;
        };
        let Some(socket) = &mut client.socket else { return };
        if matches!(client.stage, Stage::Connecting) && (event.is_writable() || event.is_error()) {
            match self.send_request(index) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return self.failed(index, &error),
            }
        } else if event.is_writable() && socket.writable().is_err() {
            return self.lost_connection(index);
        }
        let client = &self.clients[index];
        match client.kind {
            Kind::Reader => {}
            _ if !client.is_live() => {}
            Kind::Stalled if event.is_read_closed() || event.is_error() => return self.lost_connection(index),
            Kind::Stalled | Kind::Slow => return,
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read(index, polled_ns, event.is_read_closed() || event.is_error());
        }
    }

    /// Reads a socket until it is empty, or its turn is over.
    pub(super) fn read(&mut self, index: usize, polled_ns: u64, closed: bool) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut turns = 0;
        while let Some(socket) = &mut self.clients[index].socket {
            match socket.read(&mut buffer) {
                Ok(0) => {
                    self.lost_connection(index);
                    break;
                }
                Ok(read) => {
                    let read_ns = now_ns();
                    self.window.read(read, read_ns.saturating_sub(polled_ns));
                    let drained = socket.short_read_is_empty() && read < buffer.len();
                    self.bytes += read as u64;
                    self.take(index, &buffer[..read], read_ns);
                    turns += 1;
                    if drained && !closed || self.clients[index].kind != Kind::Reader && self.clients[index].is_live() {
                        break;
                    }
                    if turns >= READS_PER_TURN && !closed {
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
    pub(super) fn requeue(&mut self, index: usize) {
        let both = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        let again = match &mut self.clients[index].socket {
            None => return,
            Some(Socket::Plain(tcp)) => registry.reregister(tcp, Token(index), both),
            Some(Socket::Tls(socket)) => registry.reregister(&mut socket.tcp, Token(index), both),
        };
        if again.is_err() {
            self.lost_connection(index);
        }
    }

    pub(super) fn read_slow(&mut self, now: u64) {
        let share = (self.setup.slow_bytes_per_second * SLOW_NS / SECOND_NS).max(1) as usize;
        let mut buffer = std::mem::take(&mut self.buffer);
        for index in 0..self.clients.len() {
            let client = &mut self.clients[index];
            if client.kind != Kind::Slow || !client.is_live() {
                continue;
            }
            let Some(socket) = &mut client.socket else { continue };
            let share = share.min(buffer.len());
            match socket.read(&mut buffer[..share]) {
                Ok(0) => self.lost_connection(index),
                Ok(read) => {
                    self.bytes += read as u64;
                    self.take(index, &buffer[..read], now);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(_) => self.lost_connection(index),
            }
        }
        self.buffer = buffer;
    }

    /// Bytes came for a client.
    pub(super) fn take(&mut self, index: usize, bytes: &[u8], read_ns: u64) {
        let client = &mut self.clients[index];
        match &mut client.stage {
            Stage::Live => self.body(index, bytes, read_ns),
            Stage::Head(head) => {
                head.extend_from_slice(bytes);
                match Head::parse(head) {
                    Ok(None) => {}
                    Err(_) => self.refused(index, None),
                    Ok(Some(parsed)) if parsed.status == 204 => {
                        self.totals.over += 1;
                        self.drop_connection(index);
                    }
                    Ok(Some(parsed)) if parsed.status != 200 || !parsed.event_stream => {
                        self.refused(index, Some(parsed.status));
                    }
                    Ok(Some(parsed)) => {
                        let head = std::mem::take(head);
                        self.live(index, &parsed, read_ns);
                        if head.len() > parsed.len {
                            self.body(index, &head[parsed.len..], read_ns);
                        }
                    }
                }
            }
            Stage::Away | Stage::Connecting | Stage::GivenUp => {}
        }
    }

    pub(super) fn live(&mut self, index: usize, head: &Head, read_ns: u64) {
        let client = &mut self.clients[index];
        self.open_latency
            .saturating_record(read_ns.saturating_sub(client.started_ns) / 1000);
        self.connecting -= 1;
        self.live += 1;
        self.totals.opened += 1;
        self.totals.reopened += u64::from(client.returning);
        client.opened(head.framing, self.setup.first_seq, self.setup.resume);
        if head.gzip {
            client.scanner.inflate();
            self.totals.compressed += 1;
        }
        if self.setup.wrapped {
            client.scanner.count_lines();
        }
    }

    pub(super) fn body(&mut self, index: usize, bytes: &[u8], read_ns: u64) {
        let client = &mut self.clients[index];
        let (tally, counts, window) = (&mut client.tally, &mut self.counts, &mut self.window);
        let (reader, retry_ms) = (client.kind == Kind::Reader, &mut client.retry_ms);
        let (newest, fetcher, behind) = (&mut self.newest, &mut self.fetcher, &mut self.behind);
        let (latencies, wrapped) = (&mut self.latencies, self.setup.wrapped);
        let progress = client
            .scanner
            .feed(bytes, self.setup.gap_event.as_bytes(), &mut |found| match found {
                Found::Event(stamp) | Found::Torn(stamp) => {
                    counts.torn += u64::from(matches!(found, Found::Torn(_)));
                    let waited = behind.awaited > 0 && tally.missing(behind.awaited) > 0;
                    tally.event(stamp.seq, stamp.channel, counts);
                    if waited && reader && tally.missing(behind.awaited) == 0 {
                        behind.got();
                    }
                    if let Some(fetcher) = fetcher {
                        fetcher.fetch(read_ns);
                    }
                    if reader {
                        *newest = stamp.seq.max(*newest);
                        window.delivery(&stamp, read_ns);
                        let micros = read_ns.saturating_sub(stamp.written_ns) / 1000;
                        let [count, sum, highest] = *latencies;
                        *latencies = [count + 1, sum + micros, highest.max(micros)];
                    } else {
                        window.delivered += 1;
                    }
                }
                Found::Other if wrapped => {}
                Found::Other => {
                    counts.other += 1;
                    window.delivered += 1;
                }
                Found::WrongId => counts.wrong_ids += 1,
                Found::Gap => tally.gap(counts),
                Found::Retry(millis) => *retry_ms = millis,
            });
        match progress {
            Ok(Progress::Open) => {}
            Ok(Progress::Ended) => self.lost_connection(index),
            Err(_) => {
                self.totals.broken += 1;
                self.lost_connection(index);
            }
        }
    }
}
