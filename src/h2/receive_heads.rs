//! Header blocks of the peer: requests, and trailers.

use super::connection::{Block, Connection, Event, Leaving};
use super::error::{ErrorCode, Fatal};
use super::frame::{self, Header, flag};
use super::hpack::DecodeError;
use super::limits::{BLOCK_FACTOR, BLOCK_FRAMES_MAX, FIELDS_MAX, IDLE_FRAMES_PER_REQUEST, WINDOW_DEFAULT};
use super::request::{Collector, Malformed};
use super::stream::{Stream, StreamKey};
use super::window::Window;
use std::time::Instant;

impl<T> Connection<T> {
    pub(super) fn headers(
        &mut self,
        header: Header,
        payload: &[u8],
        now: Instant,
        events: &mut Vec<Event<T>>,
    ) -> Result<(), Fatal> {
        if header.stream.is_multiple_of(2) {
            return Err(Fatal::protocol("a stream that clients can't open"));
        }
        let block = frame::unpadded(header, payload).ok_or(Fatal::protocol("padding without end"))?;
        let block = match header.has(flag::PRIORITY) {
            true => block.get(5..).ok_or(Fatal::size("a priority of five bytes"))?,
            false => block,
        };
        let is_known = header.stream > self.last_id
            || self.key_of(header.stream).is_some()
            || self.reset_by_us.contains(&header.stream);
        if !is_known {
            return Err(Fatal::new(ErrorCode::StreamClosed, "a head on a stream that has ended"));
        }
        let ends_stream = header.has(flag::END_STREAM);
        if header.has(flag::END_HEADERS) {
            return self.head(header.stream, ends_stream, block, now, events);
        }
        self.block = Some(Box::new(Block {
            stream: header.stream,
            ends_stream,
            bytes: block.to_vec(),
            frames: 1,
        }));
        Ok(())
    }

    pub(super) fn continuation(
        &mut self,
        header: Header,
        payload: &[u8],
        now: Instant,
        events: &mut Vec<Event<T>>,
    ) -> Result<(), Fatal> {
        let bytes_max = self.header_bytes * BLOCK_FACTOR;
        let Some(block) = &mut self.block else {
            return Err(Fatal::protocol("a continuation of nothing"));
        };
        block.frames += 1;
        if block.frames > BLOCK_FRAMES_MAX || block.bytes.len() + payload.len() > bytes_max {
            return Err(Fatal::new(ErrorCode::EnhanceYourCalm, "a header block without end"));
        }
        block.bytes.extend_from_slice(payload);
        if !header.has(flag::END_HEADERS) {
            return Ok(());
        }
        match self.block.take() {
            Some(block) => self.head(block.stream, block.ends_stream, &block.bytes, now, events),
            None => Ok(()),
        }
    }

    /// A whole header block: a request, trailers, or something that comes too late.
    fn head(
        &mut self,
        id: u32,
        ends_stream: bool,
        block: &[u8],
        now: Instant,
        events: &mut Vec<Event<T>>,
    ) -> Result<(), Fatal> {
        let mut collector = Collector::default();
        let list_bytes_max = self.header_bytes * BLOCK_FACTOR;
        let decoded = self
            .decoder
            .decode(block, list_bytes_max, |name, value| collector.field(name, value));
        decoded.map_err(|why| match why {
            DecodeError::Malformed => Fatal::new(ErrorCode::Compression, "a header block that can't be read"),
            DecodeError::TooLarge => Fatal::new(ErrorCode::EnhanceYourCalm, "a header list without end"),
        })?;
        if id <= self.last_id {
            return match self.key_of(id) {
                Some(key) => self.trailers(key, ends_stream, collector, now, events),
                None => self.of_closed(id, now),
            };
        }
        self.last_id = id;
        if self.leaving == Leaving::Begun || !self.has_room_for_streams() {
            // Not looked at: it may be made again.
            self.idle_frame(now)?;
            self.reset_id(id, ErrorCode::Refused);
            return Ok(());
        }
        let mut head = collector.into_request(FIELDS_MAX, self.header_bytes);
        let length = head.as_ref().ok().and_then(|head| head.length);
        if ends_stream && length.is_some_and(|length| length > 0) {
            head = Err(Malformed::Forbidden("a body that is missing"));
        }
        if let Err(Malformed::Forbidden(why)) = head {
            self.idle_frame(now)?;
            self.reset_id(id, ErrorCode::Protocol);
            events.push(Event::Malformed(why));
            return Ok(());
        }
        self.idle_frames.earn(IDLE_FRAMES_PER_REQUEST);
        let slot = self.streams.insert(Stream {
            id,
            window: Window::new(self.stream_window),
            unread_max: u32::MAX >> 2,
            may_receive: WINDOW_DEFAULT,
            taken: 0,
            missing: length,
            request_ended: ends_stream,
            has_head: false,
            waits: false,
            needs_window: false,
            owner: None,
        });
        events.push(Event::Request {
            stream: StreamKey { slot: slot as u32, id },
            head: Box::new(head),
            has_body: !ends_stream,
        });
        Ok(())
    }

    /// RFC 9113, 8.1: they end the request.
    fn trailers(
        &mut self,
        key: StreamKey,
        ends_stream: bool,
        trailers: Collector,
        now: Instant,
        events: &mut Vec<Event<T>>,
    ) -> Result<(), Fatal> {
        let Some(stream) = self.stream_mut(key) else {
            return Ok(());
        };
        let code = if stream.request_ended {
            ErrorCode::StreamClosed
        } else if !ends_stream || !trailers.is_trailers() || stream.missing.is_some_and(|missing| missing > 0) {
            ErrorCode::Protocol
        } else {
            stream.request_ended = true;
            let fields = trailers.into_trailers(FIELDS_MAX, self.header_bytes);
            events.extend(fields.map(|fields| Event::Trailers(key, Box::new(fields))));
            events.push(Event::RequestEnded(key));
            return Ok(());
        };
        self.stream_error(key.id, code, now, events)
    }
}
