//! A connection: its streams, its windows, and what is on its way to the peer.

use super::budget::Budget;
use super::error::{ErrorCode, Fatal};
use super::frame::{self, PREFACE};
use super::hpack::Decoder;
use super::limits::{
    ANSWERS_BYTES_MAX, IDLE_FRAMES, RECEIVE_WINDOW, RESET_STREAMS_KEPT, RESETS, STREAMS_MAX, TABLE_BYTES_MAX,
    WINDOW_DEFAULT,
};
use super::output::Output;
use super::request::{Malformed, RequestHead};
use super::settings;
use super::stream::{Stream, StreamKey};
use super::window::Window;
use bytes::Bytes;
use hyper::HeaderMap;
use slab::Slab;
use std::collections::VecDeque;
use std::time::Instant;

/// What the owner of a connection has to know.
#[derive(Debug)]
pub enum Event<T> {
    /// A request; what it is answered with goes to this stream.
    Request {
        /// Its stream.
        stream: StreamKey,
        /// The request, or why it is none.
        head: Box<Result<RequestHead, Malformed>>,
        /// A body follows.
        has_body: bool,
    },
    /// A part of a request's body. What is taken of it has to be released.
    Data(StreamKey, Bytes),
    /// What stands behind a request's body. Its end follows.
    Trailers(StreamKey, Box<HeaderMap>),
    /// All of a request has come.
    RequestEnded(StreamKey),
    /// A request that HTTP/2 forbids, for this reason: its stream has been reset.
    Malformed(&'static str),
    /// The peer has reset the stream, or it was malformed: it is no more.
    Gone(StreamKey, Option<T>),
    /// There is room again on a stream on which less was taken than there was to send.
    Room(StreamKey),
    /// The connection has failed: nothing is read any more. What is in its output may still be
    /// written.
    Failed(&'static str),
}

/// A header block whose end has not come.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) stream: u32,
    pub(super) ends_stream: bool,
    pub(super) bytes: Vec<u8>,
    pub(super) frames: usize,
}

/// How far the connection is with leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    No,
    /// The peer was told to make no more requests; those that are on their way are answered.
    Announced,
    /// Later requests than those that have come are not looked at.
    Begun,
    /// Something was wrong: nothing is read any more.
    Failed,
}

/// The server's side of a connection. `T`: what its owner keeps with a stream.
#[derive(Debug)]
pub struct Connection<T> {
    /// How much of the preface has come.
    pub(super) preface: usize,
    /// The peer's settings have come.
    pub(super) has_settings: bool,
    /// The beginning of a frame.
    pub(super) input: Vec<u8>,
    pub(super) decoder: Decoder,
    pub(super) block: Option<Box<Block>>,
    pub(super) streams: Slab<Stream<T>>,
    /// The last stream that the peer has opened.
    pub(super) last_id: u32,
    /// Streams that were reset by us, the newest last.
    pub(super) reset_by_us: VecDeque<u32>,
    /// What may be sent on all streams.
    pub(super) window: Window,
    /// The peer's window for a new stream.
    pub(super) stream_window: u32,
    /// What the peer may still send, and what has been taken of that and not been given back.
    pub(super) may_receive: u32,
    pub(super) taken: u32,
    pub(super) output: Output,
    /// The owner doesn't get rid of the output: no data is added.
    pub(super) is_blocked: bool,
    /// The first header block that we write says that it uses no table.
    pub(super) has_sent_head: bool,
    pub(super) leaving: Leaving,
    pub(super) idle_frames: Budget,
    pub(super) resets: Budget,
    /// Bytes sent since they last allowed for another idle frame.
    pub(super) earned: usize,
    pub(super) header_bytes: usize,
}

impl<T> Connection<T> {
    /// A new one, whose preface has not come. `header_bytes`: what a request's fields may take,
    /// counted as RFC 9113 (6.5.2) does.
    pub fn new(header_bytes: usize, now: Instant) -> Self {
        let mut connection = Self {
            preface: 0,
            has_settings: false,
            input: Vec::new(),
            decoder: Decoder::new(TABLE_BYTES_MAX),
            block: None,
            streams: Slab::new(),
            last_id: 0,
            reset_by_us: VecDeque::new(),
            window: Window::new(WINDOW_DEFAULT),
            stream_window: settings::WINDOW_BEFORE,
            may_receive: RECEIVE_WINDOW,
            taken: 0,
            output: Output::default(),
            is_blocked: false,
            has_sent_head: false,
            leaving: Leaving::No,
            idle_frames: Budget::new(IDLE_FRAMES, now),
            resets: Budget::new(RESETS, now),
            earned: 0,
            header_bytes,
        };
        settings::put_ours(connection.output.end(), header_bytes);
        frame::put_window_update(connection.output.end(), 0, RECEIVE_WINDOW - WINDOW_DEFAULT);
        connection
    }

    /// Open streams.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Whether a request has come.
    pub fn has_requests(&self) -> bool {
        self.last_id > 0
    }

    /// Whether a request's head has begun and not ended.
    pub fn is_within_head(&self) -> bool {
        self.block.is_some() || self.preface < PREFACE.len() || !self.has_settings
    }

    /// Whether nothing is read any more.
    pub fn has_failed(&self) -> bool {
        self.leaving == Leaving::Failed
    }

    /// Whether it takes no new requests.
    pub fn is_leaving(&self) -> bool {
        matches!(self.leaving, Leaving::Begun | Leaving::Failed)
    }

    /// What is kept with a stream, if it is open.
    pub fn owner_mut(&mut self, key: StreamKey) -> Option<&mut Option<T>> {
        self.stream_mut(key).map(|stream| &mut stream.owner)
    }

    /// What is kept with all streams; the connection is of no use after this.
    pub fn into_owners(self) -> impl Iterator<Item = T> {
        self.streams.into_iter().filter_map(|(_, stream)| stream.owner)
    }

    /// The open streams, and what is kept with them.
    pub fn owners(&self) -> impl Iterator<Item = (StreamKey, &T)> {
        self.streams.iter().filter_map(|(slot, stream)| {
            let key = StreamKey {
                slot: slot as u32,
                id: stream.id,
            };
            Some((key, stream.owner.as_ref()?))
        })
    }

    /// The frames that have not left.
    pub fn unsent(&self) -> &[u8] {
        self.output.unsent()
    }

    /// So many bytes of them have left. Streams that waited for that go on (`Event::Room`).
    pub fn sent(&mut self, bytes: usize, events: &mut Vec<Event<T>>) {
        self.output.sent(bytes);
        if self.output.len() == 0 {
            self.is_blocked = false;
            self.tell_room(None, events);
        }
    }

    /// The socket is full: until all output has left, no data is added to it.
    pub fn blocked(&mut self) {
        self.is_blocked = true;
        self.output.compact();
    }

    /// Memory for the output, if there is none.
    pub fn give_memory(&mut self, give: impl FnOnce() -> Vec<u8>) {
        self.output.give_memory(give);
    }

    /// The output's memory, if nothing is in it.
    pub fn take_memory(&mut self) -> Option<Vec<u8>> {
        self.output.take_memory()
    }

    pub(super) fn stream(&self, key: StreamKey) -> Option<&Stream<T>> {
        self.streams.get(key.slot as usize).filter(|stream| stream.id == key.id)
    }

    pub(super) fn stream_mut(&mut self, key: StreamKey) -> Option<&mut Stream<T>> {
        self.streams
            .get_mut(key.slot as usize)
            .filter(|stream| stream.id == key.id)
    }

    /// The key of an open stream. Frames that need it are few, and streams not many.
    pub(super) fn key_of(&self, id: u32) -> Option<StreamKey> {
        let (slot, _) = self.streams.iter().find(|(_, stream)| stream.id == id)?;
        Some(StreamKey { slot: slot as u32, id })
    }

    pub(super) fn has_room_for_streams(&self) -> bool {
        self.streams.len() < STREAMS_MAX
    }

    /// Takes a stream out that we reset: its frames that are on their way mean nothing.
    pub(super) fn reset_stream(&mut self, key: StreamKey, code: ErrorCode) -> Option<T> {
        self.stream(key)?;
        let stream = self.streams.remove(key.slot as usize);
        self.reset_id(stream.id, code);
        stream.owner
    }

    /// Resets a stream that is not, or not any more, in the list.
    pub(super) fn reset_id(&mut self, id: u32, code: ErrorCode) {
        frame::put_reset(self.output.end(), id, code);
        if self.reset_by_us.len() == RESET_STREAMS_KEPT {
            self.reset_by_us.pop_front();
        }
        self.reset_by_us.push_back(id);
    }

    /// Tells the streams that wait and have room: one, or all.
    pub(super) fn tell_room(&mut self, only: Option<StreamKey>, events: &mut Vec<Event<T>>) {
        if self.is_blocked {
            return;
        }
        let connection = self.window;
        let mut tell = |slot: usize, stream: &mut Stream<T>| {
            let room = |stream: &Stream<T>| stream.window.room(&connection, stream.unread_max, usize::MAX >> 1);
            if stream.waits && (!stream.needs_window || room(stream) > 0) {
                stream.waits = false;
                events.push(Event::Room(StreamKey {
                    slot: slot as u32,
                    id: stream.id,
                }));
            }
        };
        match only {
            Some(key) => {
                if let Some(stream) = self.streams.get_mut(key.slot as usize) {
                    tell(key.slot as usize, stream);
                }
            }
            None => self.streams.iter_mut().for_each(|(slot, stream)| tell(slot, stream)),
        }
    }

    /// Ends the connection for something that the peer did.
    pub(super) fn fail(&mut self, fatal: Fatal, events: &mut Vec<Event<T>>) {
        if self.leaving != Leaving::Failed {
            self.leaving = Leaving::Failed;
            self.input = Vec::new();
            self.block = None;
            frame::put_go_away(self.output.end(), self.last_id, fatal.code, fatal.why);
            events.push(Event::Failed(fatal.why));
        }
    }

    /// Whether the peer makes us answer and does not read the answers.
    pub(super) fn has_too_many_answers(&self) -> bool {
        self.output.len() > ANSWERS_BYTES_MAX
    }
}
