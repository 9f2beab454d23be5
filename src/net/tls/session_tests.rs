//! Sessions against the library's own client, over a pair of sockets.

use super::super::listener::TlsListener;
use super::super::testing::{Issued, client_config, settings};
use super::*;
use crate::config::TlsVersion;
use rustls::{ClientConnection, ProtocolVersion};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

/// A session whose handshake is over, and its client.
struct Pair {
    session: Session,
    transport: Transport,
    client: ClientConnection,
    socket: UnixStream,
}

impl Pair {
    fn begin(version: TlsVersion) -> Self {
        let issued = Issued::new(&["a.test"]);
        let listener = TlsListener::new("test".to_owned(), &settings(&issued)).expect("settings");
        let (ours, socket) = UnixStream::pair().expect("sockets");
        for socket in [&ours, &socket] {
            socket.set_nonblocking(true).expect("a socket");
        }
        let name = "a.test".try_into().expect("a name");
        Self {
            session: Session::new(listener.server_config()).expect("a session"),
            transport: Transport::Unix(ours),
            client: ClientConnection::new(client_config(version), name).expect("a client"),
            socket,
        }
    }

    fn new(version: TlsVersion) -> Self {
        let mut pair = Self::begin(version);
        while pair.client.is_handshaking() || !pair.session.is_established() {
            pair.client_sends();
            pair.session.fill(&pair.transport).expect("what the client sent");
            pair.session.flush(&pair.transport).expect("room");
            pair.client_reads();
        }
        assert!(pair.session.incoming.capacity() == 0 && pair.session.outgoing.capacity() == 0);
        pair
    }

    fn client_sends(&mut self) {
        while self.client.wants_write() {
            self.client.write_tls(&mut self.socket).expect("room");
        }
    }

    fn client_reads(&mut self) {
        while self.client.read_tls(&mut self.socket).is_ok_and(|read| read > 0) {
            self.client.process_new_packets().expect("records");
        }
    }

    fn says(&mut self, bytes: &[u8]) {
        self.client.writer().write_all(bytes).expect("room");
        self.client_sends();
    }

    fn heard(&mut self) -> Vec<u8> {
        self.client_reads();
        let mut heard = Vec::new();
        let _ = self.client.reader().read_to_end(&mut heard);
        heard
    }

    fn read(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let mut into = vec![0; len];
        let read = self.session.read(&self.transport, &mut into)?;
        into.truncate(read);
        Ok(into)
    }
}

fn would_block(result: io::Result<Vec<u8>>) -> bool {
    result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[test]
fn bytes_go_both_ways_in_both_versions() {
    for (version, negotiated) in [
        (TlsVersion::Tls12, ProtocolVersion::TLSv1_2),
        (TlsVersion::Tls13, ProtocolVersion::TLSv1_3),
    ] {
        let mut pair = Pair::new(version);
        assert_eq!(pair.client.protocol_version(), Some(negotiated));
        assert!(would_block(pair.read(100)));
        pair.says(b"hello");
        assert_eq!(pair.read(3).expect("bytes"), b"hel");
        assert!(pair.session.has_read_ahead());
        assert_eq!(pair.read(100).expect("bytes"), b"lo");
        assert!(!pair.session.has_read_ahead() && would_block(pair.read(100)));
        let sent = pair.session.send(&pair.transport, b"and back").expect("sent");
        assert_eq!(
            sent,
            Sent {
                taken: 8,
                is_full: false
            }
        );
        assert_eq!(pair.heard(), b"and back");
    }
}

#[test]
fn a_batch_is_one_record_where_it_fits() {
    let mut pair = Pair::new(TlsVersion::Tls13);
    for (len, records) in [(1, 1), (RECORD_BYTES, 1), (RECORD_BYTES + 1, 2)] {
        pair.session.send(&pair.transport, &vec![7; len]).expect("sent");
        let mut raw = vec![0; 64 * 1024];
        let read = (&pair.socket).read(&mut raw).expect("bytes");
        let (mut at, mut found) = (0, 0);
        while at < read {
            assert_eq!(raw[at], 23, "application data");
            at += 5 + usize::from(u16::from_be_bytes([raw[at + 3], raw[at + 4]]));
            found += 1;
        }
        assert_eq!((at, found), (read, records), "{len}");
    }
}

#[test]
fn what_a_full_socket_did_not_take_goes_first() {
    let mut pair = Pair::new(TlsVersion::Tls13);
    let block: Vec<u8> = (0..=255).cycle().take(40_000).collect();
    let mut taken = Vec::new();
    let mut heard = Vec::new();
    loop {
        let sent = pair.session.send(&pair.transport, &block).expect("sent");
        taken.extend_from_slice(&block[..sent.taken]);
        if sent.is_full {
            break;
        }
    }
    assert!(pair.session.unsent_bytes() > 0 && pair.session.unsent_bytes() <= RECORD_BYTES + 64);
    let again = pair.session.send(&pair.transport, &block).expect("nothing fails");
    assert_eq!(
        again,
        Sent {
            taken: 0,
            is_full: true
        }
    );
    let error = pair.session.close(&pair.transport).expect_err("not all is out");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    while pair.session.unsent_bytes() > 0 {
        heard.extend(pair.heard());
        pair.session.flush(&pair.transport).expect("room");
    }
    assert_eq!(pair.session.outgoing.capacity(), 0, "memory is given back");
    // The client takes a part of it at a time.
    while let more @ [_, ..] = &pair.heard()[..] {
        heard.extend_from_slice(more);
    }
    assert!(heard == taken, "{} of {}", heard.len(), taken.len());
    assert!(pair.client.process_new_packets().expect("records").peer_has_closed());
}

#[test]
fn records_come_in_pieces_and_in_heaps() {
    let mut pair = Pair::new(TlsVersion::Tls13);
    let text: Vec<u8> = (0..=255).cycle().take(50_000).collect();
    let mut raw = Vec::new();
    for piece in text.chunks(7_000) {
        pair.client.writer().write_all(piece).expect("room");
        while pair.client.wants_write() {
            pair.client.write_tls(&mut raw).expect("memory");
        }
    }
    let mut read = Vec::new();
    for piece in raw.chunks(1_999) {
        (&pair.socket).write_all(piece).expect("room");
        while let Ok(more) = pair.read(4_096) {
            read.extend(more);
        }
    }
    assert!(read == text);
    assert_eq!(pair.session.incoming.capacity(), 0, "memory is given back");
}

#[test]
fn an_end_is_said_and_heard() {
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let mut pair = Pair::new(version);
        pair.says(b"the last");
        pair.client.send_close_notify();
        pair.client_sends();
        assert_eq!(pair.read(100).expect("bytes"), b"the last");
        assert_eq!(pair.read(100).expect("the end"), b"");
        // Half of it is closed: the other half goes on.
        pair.session.send(&pair.transport, b"an answer").expect("sent");
        assert_eq!(pair.heard(), b"an answer");
        pair.session.close(&pair.transport).expect("room");
        pair.session.close(&pair.transport).expect("once is enough");
        pair.client_reads();
        assert!(pair.client.process_new_packets().expect("records").peer_has_closed());
    }
}

#[test]
fn a_socket_that_ends_without_a_word_ends_it_too() {
    let mut pair = Pair::new(TlsVersion::Tls13);
    pair.socket.shutdown(std::net::Shutdown::Write).expect("a socket");
    assert_eq!(pair.read(100).expect("the end"), b"");
}

#[test]
fn keys_are_changed_on_demand_of_the_client() {
    let mut pair = Pair::new(TlsVersion::Tls13);
    for n in 0..5 {
        pair.client.refresh_traffic_keys().expect("TLS 1.3");
        pair.says(format!("{n}").as_bytes());
        assert_eq!(pair.read(100).expect("bytes"), format!("{n}").as_bytes());
        pair.session.send(&pair.transport, b"under new keys").expect("sent");
        assert_eq!(pair.heard(), b"under new keys");
    }
}

#[test]
fn records_without_content_are_endured_for_a_while() {
    let mut pair = Pair::new(TlsVersion::Tls13);
    for n in 0..1_000 {
        // A change of keys is a record with nothing for us.
        if pair.client.refresh_traffic_keys().is_err() {
            break;
        }
        pair.client_sends();
        if !would_block(pair.read(100)) {
            assert!(n > 20, "an honest one may come now and then");
            return;
        }
    }
    panic!("it goes on for ever");
}

#[test]
fn garbage_is_answered_by_an_alert() {
    let mut pair = Pair::new(TlsVersion::Tls13);
    (&pair.socket)
        .write_all(b"\x17\x03\x03\x00\x20garbage garbage garbage garbage.")
        .expect("room");
    let error = pair.read(100).expect_err("no record");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(pair.read(100).is_err() && pair.session.send(&pair.transport, b"x").is_err());
    assert!(pair.session.has_read_ahead(), "who reads is told");
    while pair.client.read_tls(&mut pair.socket).is_ok_and(|read| read > 0) {}
    let heard = pair.client.process_new_packets().expect_err("an alert");
    assert!(matches!(heard, rustls::Error::AlertReceived(_)), "{heard}");
}

#[test]
fn a_message_in_thousands_of_records_is_given_up() {
    let mut pair = Pair::begin(TlsVersion::Tls13);
    let mut hello = Vec::new();
    pair.client.write_tls(&mut hello).expect("memory");
    // A ClientHello that claims to be as long as one may be, a byte at a time.
    let body = [&[1, 0, 0xff, 0xff][..], &[0; 70_000]].concat();
    let mut failed = false;
    for byte in body {
        (&pair.socket).write_all(&[22, 3, 1, 0, 1, byte]).expect("room");
        pair.session.fill(&pair.transport).expect("read");
        failed = pair.session.failure().is_some();
        if failed {
            break;
        }
        assert!(pair.session.incoming.len() <= INCOMING_BYTES_MAX);
    }
    assert!(failed && pair.session.incoming.capacity() == 0);
}

#[test]
fn a_hello_may_come_a_byte_at_a_time() {
    let mut pair = Pair::begin(TlsVersion::Tls13);
    let mut hello = Vec::new();
    pair.client.write_tls(&mut hello).expect("memory");
    for (n, byte) in hello.iter().enumerate() {
        assert_eq!(pair.session.unsent_bytes(), 0, "{n}");
        pair.session.take_up(&[*byte]);
    }
    assert!(pair.session.failure().is_none() && pair.session.unsent_bytes() > 0);
}

/// Its size times the number of clients is the memory bill.
#[test]
fn a_session_is_small() {
    assert!(size_of::<Session>() <= 1_400, "{} bytes", size_of::<Session>());
}
