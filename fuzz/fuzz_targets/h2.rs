//! Any bytes as what a client of HTTP/2 sends: they mean the same however they are cut up, what is
//! sent back is whole frames and has a bound, and no stream is answered twice.
#![no_main]

use fanfare::h2::{Connection, Event, HeadBlock, PREFACE, StreamKey};
use hyper::{HeaderMap, StatusCode};
use std::time::Instant;

/// Small, so that lists that are too long are found too.
const HEADER_BYTES: usize = 1024;
/// More than any input makes the connection hold.
const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// What is told of a connection's bytes, pushed in pieces of this length, and what is sent back.
fn read(bytes: &[u8], piece: usize, now: Instant) -> (Vec<String>, Vec<u8>) {
    let mut connection = Connection::<StreamKey>::new(HEADER_BYTES, now);
    let (mut events, mut told, mut sent) = (Vec::new(), Vec::new(), Vec::new());
    connection.receive(PREFACE, now, &mut events);
    for piece in bytes.chunks(piece.max(1)) {
        connection.receive(piece, now, &mut events);
        told.extend(events.drain(..).map(|event| format!("{event:?}")));
    }
    sent.extend_from_slice(connection.unsent());
    (told, sent)
}

fn answer(connection: &mut Connection<StreamKey>, stream: StreamKey) {
    if connection.set_owner(stream, stream) {
        let head = HeadBlock::new(StatusCode::OK, &HeaderMap::new());
        assert_eq!(connection.send_head(stream, &head, false), None);
        connection.send_data(stream, &[b'x'; 3000]);
    }
}

fn check_frames(mut bytes: &[u8]) {
    while let [a, b, c, _, _, _, _, _, _, rest @ ..] = bytes {
        let len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        assert!(len <= 16_384 && len <= rest.len());
        bytes = &rest[len..];
    }
    assert!(bytes.is_empty());
}

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    let now = Instant::now();
    let whole = read(bytes, usize::MAX, now);
    assert_eq!(read(bytes, 1, now), whole);
    assert_eq!(read(bytes, usize::from(piece), now), whole);
    check_frames(&whole.1);

    // The same with answers.
    let mut connection = Connection::new(HEADER_BYTES, now);
    let mut events = Vec::new();
    connection.receive(PREFACE, now, &mut events);
    for piece in bytes.chunks(usize::from(piece).max(1)) {
        connection.receive(piece, now, &mut events);
        for event in std::mem::take(&mut events) {
            match event {
                Event::Request { stream, .. } => answer(&mut connection, stream),
                Event::Data(stream, bytes) => connection.release(stream, bytes.len()),
                Event::RequestEnded(stream) => drop(connection.end(stream)),
                Event::Room(stream) => drop(connection.send_data(stream, b"more")),
                Event::Trailers(..) | Event::Malformed(_) | Event::Gone(..) | Event::Failed(_) => {}
            }
        }
        assert!(connection.unsent().len() <= OUTPUT_BYTES_MAX);
        check_frames(connection.unsent());
        connection.sent(connection.unsent().len(), &mut events);
    }
});
