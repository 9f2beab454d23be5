//! Frames of the peer.

use super::connection::{Connection, Event};
use super::error::{ErrorCode, Fatal};
use super::frame::{self, HEADER_BYTES, Header, PREFACE, flag, kind};
use super::limits::FRAME_BYTES_MAX;
use super::settings;
use bytes::Bytes;
use std::time::Instant;

impl<T> Connection<T> {
    /// Takes in what was read from the socket. What it means is added to `events`.
    pub fn receive(&mut self, bytes: &[u8], now: Instant, events: &mut Vec<Event<T>>) {
        if self.has_failed() {
            return;
        }
        if let Err(fatal) = self.take_in(bytes, now, events) {
            self.fail(fatal, events);
        }
    }

    fn take_in(&mut self, bytes: &[u8], now: Instant, events: &mut Vec<Event<T>>) -> Result<(), Fatal> {
        let mut bytes = self.take_preface(bytes)?;
        while !self.input.is_empty() && !bytes.is_empty() {
            // A frame that has begun is filled up first: each byte is copied once, however slowly
            // they come.
            let wanted = match Header::parse(&self.input) {
                Some(header) => HEADER_BYTES + check_len(header)?,
                None => HEADER_BYTES,
            };
            let (more, rest) = bytes.split_at((wanted - self.input.len()).min(bytes.len()));
            self.input.extend_from_slice(more);
            bytes = rest;
            if let Some(header) = Header::parse(&self.input)
                && self.input.len() == HEADER_BYTES + check_len(header)?
            {
                let whole = std::mem::take(&mut self.input);
                self.frame(header, &whole[HEADER_BYTES..], now, events)?;
            }
        }
        while let Some(header) = Header::parse(bytes) {
            let Some(payload) = bytes.get(HEADER_BYTES..HEADER_BYTES + check_len(header)?) else {
                break;
            };
            bytes = &bytes[HEADER_BYTES + payload.len()..];
            self.frame(header, payload, now, events)?;
        }
        if !bytes.is_empty() {
            self.input.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn take_preface<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Fatal> {
        let missing = &PREFACE[self.preface..];
        let (preface, rest) = bytes.split_at(missing.len().min(bytes.len()));
        if !missing.starts_with(preface) {
            return Err(Fatal::protocol("no preface"));
        }
        self.preface += preface.len();
        Ok(rest)
    }

    fn frame(&mut self, header: Header, payload: &[u8], now: Instant, events: &mut Vec<Event<T>>) -> Result<(), Fatal> {
        if !self.has_settings && (header.kind != kind::SETTINGS || header.has(flag::ACK)) {
            return Err(Fatal::protocol("settings come first"));
        }
        if let Some(block) = &self.block
            && (header.kind != kind::CONTINUATION || header.stream != block.stream)
        {
            return Err(Fatal::protocol("a header block that is interrupted"));
        }
        let is_of_connection = matches!(header.kind, kind::SETTINGS | kind::PING | kind::GOAWAY);
        if header.kind <= kind::CONTINUATION
            && header.kind != kind::WINDOW_UPDATE
            && is_of_connection != (header.stream == 0)
        {
            return Err(Fatal::protocol("a frame on a stream that it can't be on"));
        }
        match header.kind {
            kind::DATA => self.data(header, payload, now, events),
            kind::HEADERS => self.headers(header, payload, now, events),
            kind::CONTINUATION => self.continuation(header, payload, now, events),
            kind::RST_STREAM => self.reset_by_peer(header, payload, now, events),
            kind::SETTINGS => self.settings(header, payload, now, events),
            kind::PUSH_PROMISE => Err(Fatal::protocol("a push of a client's")),
            kind::PING => self.pinged(header, payload, now),
            kind::GOAWAY if payload.len() < 8 => Err(Fatal::size("a GOAWAY of 8 bytes at least")),
            kind::WINDOW_UPDATE => self.window_update(header, payload, now, events),
            kind::PRIORITY if payload.len() != 5 => {
                self.idle_frame(now)?;
                self.stream_error(header.stream, ErrorCode::FrameSize, now, events)
            }
            _ => self.idle_frame(now),
        }
    }

    /// A frame that brings nothing: a peer may send some.
    pub(super) fn idle_frame(&mut self, now: Instant) -> Result<(), Fatal> {
        if !self.idle_frames.take(now) {
            return Err(Fatal::new(
                ErrorCode::EnhanceYourCalm,
                "too many frames that carry nothing",
            ));
        }
        if self.has_too_many_answers() {
            return Err(Fatal::new(ErrorCode::EnhanceYourCalm, "answers that are not read"));
        }
        Ok(())
    }

    fn data(&mut self, header: Header, payload: &[u8], now: Instant, events: &mut Vec<Event<T>>) -> Result<(), Fatal> {
        let len = payload.len() as u32;
        let overrun = Fatal::new(ErrorCode::FlowControl, "more than the connection's window");
        self.may_receive = self.may_receive.checked_sub(len).ok_or(overrun)?;
        let content = frame::unpadded(header, payload).ok_or(Fatal::protocol("padding without end"))?;
        let ends = header.has(flag::END_STREAM);
        if content.is_empty() && !ends {
            self.idle_frame(now)?;
        }
        let Some(key) = self.key_of(header.stream) else {
            self.give_back(None, len);
            return self.of_closed(header.stream, now);
        };
        let Some(stream) = self.stream_mut(key) else {
            return Ok(());
        };
        let wrong = if stream.request_ended {
            Some(ErrorCode::StreamClosed)
        } else if stream.may_receive < len {
            Some(ErrorCode::FlowControl)
        } else {
            stream.may_receive -= len;
            let missing = stream.missing.map(|missing| missing.checked_sub(content.len() as u64));
            stream.missing = missing.flatten();
            let fits = missing.is_none_or(|missing| missing.is_some_and(|missing| missing == 0 || !ends));
            (!fits).then_some(ErrorCode::Protocol)
        };
        if let Some(code) = wrong {
            self.give_back(None, len);
            return self.stream_error(header.stream, code, now, events);
        }
        stream.request_ended = ends;
        if !content.is_empty() {
            events.push(Event::Data(key, Bytes::copy_from_slice(content)));
        }
        if ends {
            events.push(Event::RequestEnded(key));
        }
        // Padding is taken at once.
        self.give_back(Some(key), len - content.len() as u32);
        Ok(())
    }

    /// A frame on a stream that is not open.
    pub(super) fn of_closed(&mut self, id: u32, now: Instant) -> Result<(), Fatal> {
        if id > self.last_id {
            return Err(Fatal::protocol("a frame on a stream that was not opened"));
        }
        self.idle_frame(now)?;
        if !self.reset_by_us.contains(&id) {
            self.reset_id(id, ErrorCode::StreamClosed);
        }
        Ok(())
    }

    fn reset_by_peer(
        &mut self,
        header: Header,
        payload: &[u8],
        now: Instant,
        events: &mut Vec<Event<T>>,
    ) -> Result<(), Fatal> {
        if payload.len() != 4 {
            return Err(Fatal::size("a reset of four bytes"));
        }
        if header.stream > self.last_id {
            return Err(Fatal::protocol("a reset of a stream that was not opened"));
        }
        let Some(key) = self.key_of(header.stream) else {
            return self.idle_frame(now);
        };
        self.count_reset(now)?;
        let stream = self.streams.remove(key.slot as usize);
        events.push(Event::Gone(key, stream.owner));
        Ok(())
    }

    fn settings(
        &mut self,
        header: Header,
        payload: &[u8],
        now: Instant,
        events: &mut Vec<Event<T>>,
    ) -> Result<(), Fatal> {
        self.idle_frame(now)?;
        if header.has(flag::ACK) {
            return match payload.is_empty() {
                true => Ok(()),
                false => Err(Fatal::size("an acknowledgement that says something")),
            };
        }
        let before = self.stream_window;
        self.stream_window = settings::window_after(payload, before)?;
        let by = i64::from(self.stream_window) - i64::from(before);
        for (_, stream) in &mut self.streams {
            let resized = stream.window.resized(by);
            resized.map_err(|_| Fatal::new(ErrorCode::FlowControl, "a window beyond its bound"))?;
        }
        self.has_settings = true;
        frame::put(self.output.end(), kind::SETTINGS, flag::ACK, 0, &[]);
        if by > 0 {
            self.tell_room(None, events);
        }
        Ok(())
    }

    fn pinged(&mut self, header: Header, payload: &[u8], now: Instant) -> Result<(), Fatal> {
        if payload.len() != 8 {
            return Err(Fatal::size("a ping of eight bytes"));
        }
        self.idle_frame(now)?;
        if !header.has(flag::ACK) {
            frame::put(self.output.end(), kind::PING, flag::ACK, 0, payload);
        }
        Ok(())
    }

    fn window_update(
        &mut self,
        header: Header,
        payload: &[u8],
        now: Instant,
        events: &mut Vec<Event<T>>,
    ) -> Result<(), Fatal> {
        let &[a, b, c, d] = payload else {
            return Err(Fatal::size("a window update of four bytes"));
        };
        self.idle_frame(now)?;
        let bytes = frame::id([a, b, c, d]);
        if header.stream == 0 {
            if bytes == 0 {
                return Err(Fatal::protocol("a window update by nothing"));
            }
            let returned = self.window.returned(bytes);
            returned.map_err(|_| Fatal::new(ErrorCode::FlowControl, "a window beyond its bound"))?;
            self.tell_room(None, events);
            return Ok(());
        }
        if header.stream > self.last_id {
            return Err(Fatal::protocol("a window update on a stream that was not opened"));
        }
        // On one that has ended: it was on its way.
        let Some(key) = self.key_of(header.stream) else {
            return Ok(());
        };
        let Some(stream) = self.stream_mut(key) else {
            return Ok(());
        };
        if bytes == 0 {
            return self.stream_error(header.stream, ErrorCode::Protocol, now, events);
        }
        if stream.window.returned(bytes).is_err() {
            return self.stream_error(header.stream, ErrorCode::FlowControl, now, events);
        }
        self.tell_room(Some(key), events);
        Ok(())
    }

    /// Something is wrong with one stream (RFC 9113, 5.4.2). A reset that a peer makes us send is
    /// counted as one of its own (CVE-2025-8671).
    pub(super) fn stream_error(
        &mut self,
        id: u32,
        code: ErrorCode,
        now: Instant,
        events: &mut Vec<Event<T>>,
    ) -> Result<(), Fatal> {
        let Some(key) = self.key_of(id) else { return Ok(()) };
        let owner = self.reset_stream(key, code);
        events.push(Event::Gone(key, owner));
        self.count_reset(now)
    }

    fn count_reset(&mut self, now: Instant) -> Result<(), Fatal> {
        match self.resets.take(now) {
            true => Ok(()),
            false => Err(Fatal::new(ErrorCode::EnhanceYourCalm, "too many resets")),
        }
    }
}

/// The length of a frame's payload, if it may be that long (RFC 9113, 4.2).
fn check_len(header: Header) -> Result<usize, Fatal> {
    match header.len <= FRAME_BYTES_MAX {
        true => Ok(header.len),
        false => Err(Fatal::size("a frame that is too long")),
    }
}
