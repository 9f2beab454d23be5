//! One stream of the origin: its numbering and its bounded record of events.

use crate::clock::now_ns;
use crate::stamp::{Form, Stamp, write_block};
use bytes::Bytes;
use std::collections::VecDeque;
use std::io::Write;

/// Bytes that all streams of an origin keep together for connections that lag or resume.
pub(crate) const RECORD_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Events of one stream, numbered from 1: `first ..` are kept.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) channel: Option<u32>,
    form: Form,
    /// Numbers of the oldest event kept: `first + record.len()` is the next one.
    first: u64,
    record: VecDeque<Framed>,
    record_bytes: usize,
    record_bytes_max: usize,
    /// Connections that read it.
    pub(crate) readers: Vec<usize>,
    /// When anything was last written to all of them.
    pub(crate) written_ns: u64,
    /// The terminal event has been written.
    pub(crate) ended: bool,
}

/// One event inside its chunk.
#[derive(Debug, Clone)]
pub(crate) struct Framed {
    bytes: Bytes,
    head_len: usize,
}

impl Framed {
    /// With the chunk's lines, or without for HTTP/1.0.
    pub(crate) fn bytes(&self, chunked: bool) -> &[u8] {
        if chunked {
            &self.bytes
        } else {
            &self.bytes[self.head_len..self.bytes.len() - 2]
        }
    }
}

/// Puts `block` into a chunk.
pub(crate) fn frame(block: &[u8]) -> Framed {
    let mut bytes = Vec::with_capacity(block.len() + 12);
    write!(bytes, "{:x}\r\n", block.len()).expect("writing to a Vec can't fail");
    let head_len = bytes.len();
    bytes.extend_from_slice(block);
    bytes.extend_from_slice(b"\r\n");
    Framed {
        bytes: bytes.into(),
        head_len,
    }
}

impl Stream {
    pub(crate) fn new(channel: Option<u32>, form: Form, streams_max: usize) -> Self {
        Self {
            channel,
            form,
            first: 1,
            record: VecDeque::new(),
            record_bytes: 0,
            record_bytes_max: RECORD_BYTES_MAX / streams_max.max(1),
            readers: Vec::new(),
            written_ns: now_ns(),
            ended: false,
        }
    }

    /// The number of the event that is written next.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.record.len() as u64
    }

    /// The oldest event kept.
    pub(crate) fn oldest(&self) -> u64 {
        self.first
    }

    /// Writes one event, stamped now; returns the time.
    pub(crate) fn write(&mut self, scheduled_ns: u64, end: bool) -> u64 {
        let written_ns = now_ns();
        let stamp = Stamp {
            seq: self.next(),
            written_ns,
            scheduled_ns,
            channel: self.channel,
        };
        let mut block = Vec::with_capacity(self.form.size_bytes + 32);
        write_block(&mut block, &stamp, self.form, end);
        self.record_bytes += block.len();
        self.record.push_back(frame(&block));
        self.written_ns = written_ns;
        self.ended = end;
        while self.record_bytes > self.record_bytes_max && self.record.len() > 1 {
            let dropped = self.record.pop_front().expect("its length was just looked at");
            self.record_bytes = self.record_bytes.saturating_sub(dropped.bytes(false).len());
            self.first += 1;
        }
        written_ns
    }

    /// The event with this number; `None` if it is gone or not written yet.
    pub(crate) fn get(&self, seq: u64) -> Option<&Framed> {
        self.record.get(usize::try_from(seq.checked_sub(self.first)?).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_bounded() {
        let form = Form {
            size_bytes: 1024,
            ids: true,
            hint: None,
        };
        let mut stream = Stream::new(None, form, RECORD_BYTES_MAX / 4096);
        for _ in 0..10 {
            stream.write(0, false);
        }
        assert_eq!((stream.oldest(), stream.next()), (7, 11));
        assert!(stream.get(6).is_none());
        assert!(stream.get(7).expect("kept").bytes(false).starts_with(b"id: 7\n"));
        assert!(stream.get(7).expect("kept").bytes(true).starts_with(b"400\r\nid: 7\n"));
    }
}
