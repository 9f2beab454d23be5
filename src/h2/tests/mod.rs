//! The connection as a whole: frames go in, events and frames come out.

use super::connection::{Connection, Event};
use super::error::ErrorCode;
use super::frame::{HEADER_BYTES, Header, PREFACE, flag, kind, put, put_window_update};
use super::hpack::Decoder;
use super::response::HeadBlock;
use super::stream::StreamKey;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use proptest::prelude::*;
use std::time::{Duration, Instant};

mod floods;
mod forbidden;
mod properties;
mod streams;

/// `GET /` of `http://h`, without a table.
const GET: &[u8] = b"\x82\x86\x84\x01\x01h";
/// `POST`, the same.
const POST: &[u8] = b"\x83\x86\x84\x01\x01h";

const HEAD: u8 = flag::END_HEADERS;
const WHOLE: u8 = flag::END_HEADERS | flag::END_STREAM;

/// A connection, and its peer's side of it.
struct Peer {
    connection: Connection<u32>,
    now: Instant,
    events: Vec<Event<u32>>,
}

/// A frame, but for its length.
type Frame = (u8, u8, u32, Vec<u8>);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, kind, flags, stream, payload);
    out
}

fn update(stream: u32, bytes: u32) -> Vec<u8> {
    let mut out = Vec::new();
    put_window_update(&mut out, stream, bytes);
    out
}

fn setting(name: u16, value: u32) -> Vec<u8> {
    let payload = [&name.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(kind::SETTINGS, 0, 0, &payload)
}

fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(header) = Header::parse(bytes) {
        let (payload, rest) = bytes[HEADER_BYTES..].split_at(header.len);
        frames.push((header.kind, header.flags, header.stream, payload.to_vec()));
        bytes = rest;
    }
    assert!(bytes.is_empty(), "part of a frame");
    frames
}

impl Peer {
    /// Behind the preface and the settings of both sides.
    fn new() -> Self {
        let mut peer = Self::silent();
        peer.send(PREFACE);
        peer.send(&frame(kind::SETTINGS, 0, 0, &[]));
        peer.take_output();
        peer
    }

    fn silent() -> Self {
        let now = Instant::now();
        Self {
            connection: Connection::new(16_384, now),
            now,
            events: Vec::new(),
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.connection.receive(bytes, self.now, &mut self.events);
    }

    fn take_output(&mut self) -> Vec<Frame> {
        let bytes = self.connection.unsent().to_vec();
        self.connection.sent(bytes.len(), &mut self.events);
        frames(&bytes)
    }

    /// Asks, and gets the response's head.
    fn stream(&mut self, id: u32) -> StreamKey {
        self.send(&frame(kind::HEADERS, WHOLE, id, GET));
        let Some(Event::Request { stream, .. }) = self.events.pop() else {
            panic!("a request");
        };
        let head = HeadBlock::new(StatusCode::OK, &HeaderMap::new());
        assert!(self.connection.set_owner(stream, id));
        assert_eq!(self.connection.send_head(stream, &head, false), None);
        self.take_output();
        stream
    }

    /// What the connection ended with.
    fn failure(&mut self) -> Option<u32> {
        let failed = self.events.iter().any(|event| matches!(event, Event::Failed(_)));
        let output = self.take_output();
        let code = output.iter().find(|frame| frame.0 == kind::GOAWAY);
        let code = code.map(|frame| u32::from_be_bytes(*frame.3[4..].first_chunk().expect("a code")));
        assert_eq!(failed, code.is_some());
        code
    }

    /// What the stream was reset with.
    fn reset(&mut self) -> Option<(u32, u32)> {
        let output = self.take_output();
        let reset = output.iter().find(|frame| frame.0 == kind::RST_STREAM)?;
        Some((reset.2, u32::from_be_bytes(*reset.3.first_chunk().expect("a code"))))
    }
}
