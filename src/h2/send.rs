//! What is sent on streams, and what is given back of what has come.

use super::connection::{Connection, Leaving};
use super::error::ErrorCode;
use super::frame::{self, Header, flag, kind};
use super::hpack::Encoder;
use super::limits::{
    BYTES_PER_IDLE_FRAME, FRAME_BYTES_MAX, OUTPUT_BYTES_MAX, RECEIVE_WINDOW, WINDOW_DEFAULT, WINDOW_MAX,
};
use super::response::HeadBlock;
use super::stream::StreamKey;

/// The first byte of a header block that uses no table from now on (RFC 7541, 6.3): a peer that
/// gives us less of a table than the default is told so in any case.
const NO_TABLE: u8 = 0x20;

/// Lowest of a window's parts that are given back together.
const GIVE_BACK_PART: u32 = 2;

impl<T> Connection<T> {
    /// Whether output may be added: beyond a bound it waits for the socket.
    pub fn takes_output(&self) -> bool {
        !self.is_blocked && self.output.len() < OUTPUT_BYTES_MAX
    }

    /// Whether it has as much output as it takes, and nobody has found yet that the socket takes no
    /// more.
    pub fn is_full(&self) -> bool {
        !self.is_blocked && self.output.len() >= OUTPUT_BYTES_MAX
    }

    /// Something other than data waits on a stream: it is told when output is taken.
    pub fn wait_for_output(&mut self, key: StreamKey) {
        if let Some(stream) = self.stream_mut(key) {
            (stream.waits, stream.needs_window) = (true, false);
        }
    }

    /// Keeps what belongs to a stream with it. False: it is not open any more.
    pub fn set_owner(&mut self, key: StreamKey, owner: T) -> bool {
        let stream = self.stream_mut(key);
        stream.map(|stream| stream.owner = Some(owner)).is_some()
    }

    /// How much may be in flight on a stream beyond half of the peer's window: what a receiver
    /// keeps without giving it back can't be told from what it has not read.
    pub fn set_unread_max(&mut self, key: StreamKey, bytes: u64) {
        if let Some(stream) = self.stream_mut(key) {
            stream.unread_max = u32::try_from(bytes).unwrap_or(u32::MAX).min(WINDOW_MAX as u32 / 2);
        }
    }

    /// What has not been read of a stream's bytes, as far as the peer's windows tell.
    pub fn unread(&self, key: StreamKey) -> u64 {
        self.stream(key).map_or(0, |stream| stream.window.unread())
    }

    /// An interim response's head: its status alone.
    pub fn send_interim(&mut self, key: StreamKey, status: u16) {
        if self.stream(key).is_some_and(|stream| !stream.has_head) {
            let block = Encoder::response(status).finish();
            self.put_head(key.id, &block, false);
        }
    }

    /// A response's head. `ends`: nothing follows it, and the stream is over: what was kept with
    /// it is returned.
    pub fn send_head(&mut self, key: StreamKey, head: &HeadBlock, ends: bool) -> Option<T> {
        let stream = self.stream_mut(key)?;
        debug_assert!(!stream.has_head, "a response has one head");
        stream.has_head = true;
        self.put_head(key.id, &head.0, ends);
        if ends { self.response_ended(key) } else { None }
    }

    fn put_head(&mut self, id: u32, block: &[u8], ends: bool) {
        let mut first = [NO_TABLE].as_slice();
        if std::mem::replace(&mut self.has_sent_head, true) {
            first = &[];
        }
        let end_stream = if ends { flag::END_STREAM } else { 0 };
        let (mut kind, mut flags, mut rest) = (kind::HEADERS, end_stream, block);
        loop {
            let len = rest.len().min(FRAME_BYTES_MAX - first.len());
            let (part, behind) = rest.split_at(len);
            if behind.is_empty() {
                flags |= flag::END_HEADERS;
            }
            let header = Header {
                len: first.len() + len,
                kind,
                flags,
                stream: id,
            };
            let out = self.output.end();
            header.put(out);
            out.extend_from_slice(first);
            out.extend_from_slice(part);
            if behind.is_empty() {
                return;
            }
            (kind, flags, rest, first) = (kind::CONTINUATION, 0, behind, &[]);
        }
    }

    /// Writes as much of a body as windows and output take. If that is not all, `Event::Room` says
    /// when there is more room.
    #[inline]
    pub fn send_data(&mut self, key: StreamKey, bytes: &[u8]) -> usize {
        let blocked = !self.takes_output();
        let connection = &mut self.window;
        let Some(stream) = self
            .streams
            .get_mut(key.slot as usize)
            .filter(|stream| stream.id == key.id)
        else {
            return 0;
        };
        debug_assert!(stream.has_head, "a body follows a head");
        stream.needs_window = true;
        if blocked {
            stream.waits = true;
            return 0;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let wanted = rest.len().min(FRAME_BYTES_MAX);
            let room = stream.window.room(connection, stream.unread_max, wanted);
            if room == 0 || self.output.len() >= OUTPUT_BYTES_MAX {
                stream.waits = true;
                break;
            }
            let (part, behind) = rest.split_at(room);
            frame::put(self.output.end(), kind::DATA, 0, stream.id, part);
            stream.window.sent(room);
            connection.sent(room);
            rest = behind;
        }
        let sent = bytes.len() - rest.len();
        self.earned += sent;
        if self.earned >= BYTES_PER_IDLE_FRAME {
            self.idle_frames.earn((self.earned / BYTES_PER_IDLE_FRAME) as u32);
            self.earned %= BYTES_PER_IDLE_FRAME;
        }
        sent
    }

    /// Ends a response. What was kept with the stream is returned.
    pub fn end(&mut self, key: StreamKey) -> Option<T> {
        self.stream(key)?;
        frame::put(self.output.end(), kind::DATA, flag::END_STREAM, key.id, &[]);
        self.response_ended(key)
    }

    /// Ends a response with what stands behind its body. What was kept with the stream is returned.
    pub fn send_trailers(&mut self, key: StreamKey, trailers: &HeadBlock) -> Option<T> {
        debug_assert!(
            self.stream(key).is_none_or(|stream| stream.has_head),
            "they follow a head"
        );
        self.stream(key)?;
        self.put_head(key.id, &trailers.0, true);
        self.response_ended(key)
    }

    /// Nothing more is sent on a stream; what is still to come of the request is not wanted.
    fn response_ended(&mut self, key: StreamKey) -> Option<T> {
        if self.stream(key)?.request_ended {
            return self.streams.remove(key.slot as usize).owner;
        }
        // RFC 9113, 8.1: the response is whole.
        self.reset_stream(key, ErrorCode::NoError)
    }

    /// Cuts a stream. What was kept with it is returned.
    pub fn reset(&mut self, key: StreamKey, code: ErrorCode) -> Option<T> {
        self.reset_stream(key, code)
    }

    /// So much of a request's body has been taken: the peer may send as much again.
    pub fn release(&mut self, key: StreamKey, bytes: usize) {
        self.give_back(Some(key), bytes as u32);
    }

    /// Gives back what was taken, in parts that are worth a frame.
    pub(super) fn give_back(&mut self, key: Option<StreamKey>, bytes: u32) {
        if bytes == 0 {
            return;
        }
        self.taken += bytes;
        if self.taken >= RECEIVE_WINDOW / GIVE_BACK_PART {
            let taken = std::mem::take(&mut self.taken);
            self.may_receive += taken;
            frame::put_window_update(self.output.end(), 0, taken);
        }
        let Some(stream) = key.and_then(|key| self.stream_mut(key)) else {
            return;
        };
        stream.taken += bytes;
        if stream.taken >= WINDOW_DEFAULT / GIVE_BACK_PART && !stream.request_ended {
            let taken = std::mem::take(&mut stream.taken);
            stream.may_receive += taken;
            let id = stream.id;
            frame::put_window_update(self.output.end(), id, taken);
        }
    }

    /// Asks the peer for a sign of life.
    pub fn ping(&mut self) {
        frame::put(self.output.end(), kind::PING, 0, 0, b"fanfare?");
    }

    /// Tells the peer to make no more requests. Those that are on their way are still answered
    /// (RFC 9113, 6.8).
    pub fn announce_leaving(&mut self) {
        if self.leaving == Leaving::No {
            self.leaving = Leaving::Announced;
            frame::put_go_away(self.output.end(), WINDOW_MAX as u32, ErrorCode::NoError, "");
        }
    }

    /// Takes no request from now on. The streams that are open go on.
    pub fn leave(&mut self, code: ErrorCode) {
        if matches!(self.leaving, Leaving::No | Leaving::Announced) {
            self.leaving = Leaving::Begun;
            frame::put_go_away(self.output.end(), self.last_id, code, "");
        }
    }
}
