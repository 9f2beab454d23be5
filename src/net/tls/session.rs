//! A TLS connection as a state machine: bytes of a socket go in and out, and so do bytes in clear.

use super::scratch::{RECORD_BYTES, with_buffer};
use crate::net::sent::Sent;
use crate::net::transport::Transport;
use rustls::ServerConfig;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus};
use std::io;
use std::sync::Arc;

/// Bytes kept of records or messages that are not whole. A handshake's message has less than 64 KiB
/// (RFC 8446, 4), in one record or several; one in thousands of tiny ones is no honest peer's.
const INCOMING_BYTES_MAX: usize = 80 * 1024;

/// Reads in a row that held records, and nothing in them. A peer may send empty records (RFC 8446,
/// 5.4); one that sends nothing else keeps this end busy for nothing.
const EMPTY_READS_MAX: u8 = 32;

/// `incoming` never holds a whole record, so that what can be read has been decrypted; the library
/// has nothing to send that is not in `outgoing`.
pub(super) struct Session {
    connection: UnbufferedServerConnection,
    /// What has come of a record, or of a message in several.
    incoming: Vec<u8>,
    /// Decrypted, and not read yet.
    plaintext: Vec<u8>,
    /// Encrypted, and not taken by the socket. The first `sent` bytes are.
    outgoing: Vec<u8>,
    sent: usize,
    empty_reads: u8,
    /// The peer has said that it sends no more, or its socket has.
    has_ended: bool,
    /// `close_notify` has been sent, or is in `outgoing`.
    is_closed: bool,
    failure: Option<rustls::Error>,
}

/// Where plaintext goes: what doesn't fit is kept.
struct Sink<'a> {
    into: &'a mut [u8],
    filled: usize,
    rest: &'a mut Vec<u8>,
}

impl Sink<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let room = (self.into.len() - self.filled).min(bytes.len());
        // What comes behind kept bytes is kept, too.
        let room = if self.rest.is_empty() { room } else { 0 };
        self.into[self.filled..][..room].copy_from_slice(&bytes[..room]);
        self.filled += room;
        self.rest.extend_from_slice(&bytes[room..]);
    }
}

impl Session {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self {
            connection: UnbufferedServerConnection::new(config)?,
            incoming: Vec::new(),
            plaintext: Vec::new(),
            outgoing: Vec::new(),
            sent: 0,
            empty_reads: 0,
            has_ended: false,
            is_closed: false,
            failure: None,
        })
    }

    pub(super) fn connection(&self) -> &UnbufferedServerConnection {
        &self.connection
    }

    /// Whether the handshake is over.
    pub(super) fn is_established(&self) -> bool {
        !self.connection.is_handshaking()
    }

    /// Why it can't go on, if it can't.
    pub(super) fn failure(&self) -> Option<&rustls::Error> {
        self.failure.as_ref()
    }

    pub(super) fn unsent_bytes(&self) -> usize {
        self.outgoing.len() - self.sent
    }

    /// Whether there is something to read that the socket doesn't know of.
    pub(super) fn has_read_ahead(&self) -> bool {
        !self.plaintext.is_empty() || self.has_ended || self.failure.is_some()
    }

    /// Takes up bytes that were read before the session began.
    pub(super) fn take_up(&mut self, bytes: &[u8]) {
        self.incoming.extend_from_slice(bytes);
        self.process_incoming(&mut []);
    }

    /// Reads from the socket once, for the handshake. 0: it has ended.
    pub(super) fn fill(&mut self, transport: &Transport) -> io::Result<usize> {
        self.fill_into(transport, &mut []).map(|(read, _)| read)
    }

    /// Reads plaintext; 0: there is no more.
    pub(super) fn read(&mut self, transport: &Transport, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.plaintext.is_empty() {
                let taken = self.plaintext.len().min(into.len());
                into[..taken].copy_from_slice(&self.plaintext[..taken]);
                self.plaintext.drain(..taken);
                if self.plaintext.is_empty() {
                    self.plaintext = Vec::new();
                }
                return Ok(taken);
            }
            if let Some(failure) = &self.failure {
                return Err(failed(failure.clone()));
            }
            if self.has_ended || into.is_empty() {
                return Ok(0);
            }
            let (read, filled) = self.fill_into(transport, into)?;
            if self.unsent_bytes() > 0 {
                // An alert, or an answer to a key update: what doesn't go now goes before the next
                // record.
                self.flush(transport)?;
            }
            if filled > 0 {
                return Ok(filled);
            }
            // A socket that ends without `close_notify` ends a request all the same: HTTP knows
            // whether it is whole.
            self.has_ended |= read == 0;
        }
    }

    /// One read of the socket, and what is in it. Returns how many bytes came, and how many are
    /// decrypted at the beginning of `into`.
    fn fill_into(&mut self, transport: &Transport, into: &mut [u8]) -> io::Result<(usize, usize)> {
        with_buffer(|buffer| {
            let read = transport.read(buffer)?;
            if self.incoming.is_empty() {
                let (used, filled) = self.process(&mut buffer[..read], into);
                self.incoming.extend_from_slice(&buffer[used..read]);
                self.check_bounds();
                Ok((read, filled))
            } else {
                self.incoming.extend_from_slice(&buffer[..read]);
                Ok((read, self.process_incoming(into)))
            }
        })
    }

    fn process_incoming(&mut self, into: &mut [u8]) -> usize {
        let mut incoming = std::mem::take(&mut self.incoming);
        let (used, filled) = self.process(&mut incoming, into);
        if used < incoming.len() {
            incoming.drain(..used);
            self.incoming = incoming;
        }
        self.check_bounds();
        filled
    }

    fn check_bounds(&mut self) {
        if self.incoming.len() > INCOMING_BYTES_MAX || self.empty_reads > EMPTY_READS_MAX {
            let misbehaved = rustls::PeerMisbehaved::TooManyEmptyFragments;
            self.failure.get_or_insert(rustls::Error::PeerMisbehaved(misbehaved));
            self.incoming = Vec::new();
        }
    }

    /// Everything that the records in `buffer` hold. Returns how many of its bytes are done with,
    /// and how many bytes of plaintext are in `into`. A failure's alert is in `outgoing` then.
    fn process(&mut self, buffer: &mut [u8], into: &mut [u8]) -> (usize, usize) {
        let (mut used, before) = (0, self.plaintext.len());
        let mut sink = Sink {
            into,
            filled: 0,
            rest: &mut self.plaintext,
        };
        loop {
            let UnbufferedStatus { mut discard, state } = self.connection.process_tls_records(&mut buffer[used..]);
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        discard += record.discard;
                        sink.put(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(data)) => put_encoded(data, &mut self.outgoing),
                // They are in `outgoing`, which goes first from now on.
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.has_ended = true,
                Err(error) => {
                    self.failure = Some(error);
                    used = buffer.len();
                    break;
                }
                // It needs more, or is ready to send.
                _ => {
                    used += discard;
                    break;
                }
            }
            used += discard;
        }
        let filled = sink.filled;
        if self.failure.is_some() {
            self.take_alert();
        }
        let is_empty = used > 0 && filled == 0 && self.plaintext.len() == before && self.is_established();
        self.empty_reads = if is_empty {
            self.empty_reads.saturating_add(1)
        } else {
            0
        };
        (used, filled)
    }

    /// What the library says to the peer about a failure, and nothing else: what came is not looked
    /// at again.
    fn take_alert(&mut self) {
        while self.connection.wants_write() {
            match self.connection.process_tls_records(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(data)) => put_encoded(data, &mut self.outgoing),
                _ => return,
            }
        }
    }

    /// Sends plaintext, a record at a time, until the socket is full.
    pub(super) fn send(&mut self, transport: &Transport, bytes: &[u8]) -> io::Result<Sent> {
        if self.flush(transport)? > 0 {
            return Ok(Sent {
                taken: 0,
                is_full: true,
            });
        }
        with_buffer(|buffer| {
            let mut taken = 0;
            for record in bytes.chunks(RECORD_BYTES) {
                let len = self.encrypt(record, buffer)?;
                taken += record.len();
                let written = match transport.write(&buffer[..len]) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                    written => written?,
                };
                if written < len {
                    self.outgoing = buffer[written..len].to_vec();
                    return Ok(Sent { taken, is_full: true });
                }
            }
            Ok(Sent { taken, is_full: false })
        })
    }

    /// One record. Returns its length.
    fn encrypt(&mut self, plaintext: &[u8], into: &mut [u8]) -> io::Result<usize> {
        if let Some(failure) = &self.failure {
            return Err(failed(failure.clone()));
        }
        let UnbufferedStatus { state, .. } = self.connection.process_tls_records(&mut self.incoming);
        match state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => match traffic.encrypt(plaintext, into) {
                Ok(len) => Ok(len),
                Err(EncryptError::InsufficientSize(_)) => Err(io::Error::other("a record larger than its buffer")),
                Err(error) => Err(io::Error::other(error)),
            },
            Ok(_) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes what was encrypted before; how much is left.
    pub(super) fn flush(&mut self, transport: &Transport) -> io::Result<usize> {
        while self.sent < self.outgoing.len() {
            match transport.write(&self.outgoing[self.sent..]) {
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(self.unsent_bytes()),
                Err(error) => return Err(error),
            }
        }
        if self.sent > 0 {
            // Given back: a socket is full once in a while, and the connection lives for hours.
            (self.outgoing, self.sent) = (Vec::new(), 0);
        }
        Ok(0)
    }

    /// Says that this end sends no more. `WouldBlock`: not all of it is out.
    pub(super) fn close(&mut self, transport: &Transport) -> io::Result<()> {
        if !self.is_closed && self.failure.is_none() {
            let UnbufferedStatus { state, .. } = self.connection.process_tls_records(&mut self.incoming);
            if let Ok(ConnectionState::WriteTraffic(mut traffic)) = state {
                let mut alert = [0; ALERT_BYTES_MAX];
                let len = traffic.queue_close_notify(&mut alert).map_err(io::Error::other)?;
                self.outgoing.extend_from_slice(&alert[..len]);
            }
            self.is_closed = true;
        }
        match self.flush(transport)? {
            0 => Ok(()),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

fn put_encoded(mut data: EncodeTlsData<'_, ServerConnectionData>, out: &mut Vec<u8>) {
    let from = out.len();
    if let Err(EncodeError::InsufficientSize(missing)) = data.encode(&mut []) {
        out.resize(from + missing.required_size, 0);
        let encoded = data.encode(&mut out[from..]);
        out.truncate(from + encoded.unwrap_or_default());
    }
}

/// An alert (RFC 8446, 6) in a record, with an answer to a key update before it.
const ALERT_BYTES_MAX: usize = 512;

fn failed(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
