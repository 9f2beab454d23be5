//! Finds events in the bytes of a response body, however they are split over reads.
//!
//! Layers, all incremental: the body's framing (chunked, by length, to the end of the connection),
//! gzip where the body is compressed, then lines and blocks as in WHATWG HTML 9.2.5-9.2.6. It keeps no event: of each
//! block only the [`Stamp`] at the beginning of its data and the last event ID survive. Nothing is
//! allocated in the steady state: the buffers for a line that is split over reads, and for ids, are
//! kept and grow to the largest that was seen (at most [`LINE_PREFIX_BYTES_MAX`]).

use super::inflate::Inflater;
use super::stamp::Stamp;

/// How much of a line is looked at, in bytes: the stamp fits many times; longer ids can't be
/// resumed from.
pub const LINE_PREFIX_BYTES_MAX: usize = 4096;

/// How the end of a body is found (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// `Content-Length`.
    Length(u64),
    /// The connection's end: HTTP/1.0; also HTTP/2, whose frames are taken apart elsewhere.
    ToEnd,
}

/// What the scanner found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// An event of ours: its stamp begins its data, or is its id.
    Event(Stamp),
    /// An event of ours whose data breaks off before its end, given out as if it were whole.
    Torn(Stamp),
    /// The id of the event that follows is not above the one before, in the same numbering: a
    /// client that resumes from it gets too much or too little.
    WrongId,
    /// An event without a stamp.
    Other,
    /// A gap event: what follows need not follow on what came before.
    Gap,
    /// A new reconnection time, in milliseconds.
    Retry(u32),
}

/// Whether the body goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More can follow.
    Open,
    /// The body ended as its framing says.
    Ended,
}

/// The chunked framing is broken, or what is compressed in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadBody;

/// The scanner of one response body.
#[derive(Debug)]
pub struct Scanner {
    body: Body,
    /// For a compressed body.
    inflater: Option<Box<Inflater>>,
    text: Text,
}

#[derive(Debug, Clone, Copy)]
enum Body {
    /// Reading the size line; `digits` of it have been seen, and whether its extension has begun.
    Size {
        size: u64,
        digits: u8,
        extension: bool,
    },
    /// Inside a chunk's data.
    Data {
        left: u64,
    },
    /// The CR LF behind a chunk's data: how many of the two were seen.
    DataEnd {
        seen: u8,
    },
    /// The trailer section: bytes in the line so far (CR not counted).
    Trailer {
        line_empty: bool,
    },
    /// Not chunked.
    Plain {
        left: Option<u64>,
    },
    Ended,
}

impl Scanner {
    /// A scanner at the beginning of a body. `last_id` is the last event ID of the streams before,
    /// if any.
    pub fn new(framing: Framing, last_id: Vec<u8>) -> Self {
        let body = match framing {
            Framing::Chunked => Body::Size {
                size: 0,
                digits: 0,
                extension: false,
            },
            Framing::Length(0) => Body::Ended,
            Framing::Length(length) => Body::Plain { left: Some(length) },
            Framing::ToEnd => Body::Plain { left: None },
        };
        Self {
            body,
            inflater: None,
            text: Text {
                last_id,
                at_start: true,
                ..Text::default()
            },
        }
    }

    /// The last event ID in force at the last complete block; empty: none.
    pub fn last_id(&self) -> &[u8] {
        &self.text.last_id
    }

    /// From now on every line of data that begins with a stamp is an event: for servers that give out
    /// together what was published in between.
    pub fn count_lines(&mut self) {
        self.text.counts_lines = true;
    }

    /// The body is compressed with gzip.
    pub fn inflate(&mut self) {
        self.inflater = Some(Box::new(Inflater::new()));
    }

    /// Gives the last event ID to a successor.
    pub fn take_last_id(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.text.last_id)
    }

    /// Scans the next bytes of the body and hands what is found to `sink`, in order.
    pub fn feed(
        &mut self,
        mut bytes: &[u8],
        gap_event: &[u8],
        sink: &mut impl FnMut(Found),
    ) -> Result<Progress, BadBody> {
        while let Some(&first) = bytes.first() {
            match &mut self.body {
                Body::Data { left } => {
                    let here = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    let (data, rest) = bytes.split_at(here);
                    *left -= here as u64;
                    if *left == 0 {
                        self.body = Body::DataEnd { seen: 0 };
                    }
                    self.content(data, gap_event, sink)?;
                    bytes = rest;
                    continue;
                }
                Body::Plain { left: None } => {
                    self.content(bytes, gap_event, sink)?;
                    return Ok(Progress::Open);
                }
                Body::Plain { left: Some(left) } => {
                    let here = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= here as u64;
                    let ended = *left == 0;
                    self.content(&bytes[..here], gap_event, sink)?;
                    if ended {
                        self.body = Body::Ended;
                    }
                    break;
                }
                Body::Ended => break,
                framing => *framing = framing.step(first)?,
            }
            bytes = &bytes[1..];
        }
        Ok(if matches!(self.body, Body::Ended) {
            Progress::Ended
        } else {
            Progress::Open
        })
    }

    /// Bytes that the framing carries.
    fn content(&mut self, bytes: &[u8], gap_event: &[u8], sink: &mut impl FnMut(Found)) -> Result<(), BadBody> {
        let text = &mut self.text;
        match &mut self.inflater {
            None => text.feed(bytes, gap_event, sink),
            Some(inflater) => inflater
                .feed(bytes, |piece| text.feed(piece, gap_event, sink))
                .map_err(|_| BadBody)?,
        }
        Ok(())
    }
}

impl Body {
    /// One byte of framing.
    fn step(self, byte: u8) -> Result<Self, BadBody> {
        /// 16 hexadecimal digits fill a u64.
        const SIZE_DIGITS_MAX: u8 = 16;
        Ok(match (self, byte) {
            (Body::Size { digits: 0, .. }, b'\n') => return Err(BadBody),
            (Body::Size { size: 0, .. }, b'\n') => Body::Trailer { line_empty: true },
            (Body::Size { size, .. }, b'\n') => Body::Data { left: size },
            (Body::Size { size, digits, .. }, b'\r' | b';' | b' ' | b'\t') if digits > 0 => Body::Size {
                size,
                digits,
                extension: true,
            },
            (state @ Body::Size { extension: true, .. }, _) => state,
            (Body::Size { size, digits, .. }, byte) => {
                let digit = char::from(byte).to_digit(16).ok_or(BadBody)?;
                if digits == SIZE_DIGITS_MAX {
                    return Err(BadBody);
                }
                Body::Size {
                    size: size << 4 | u64::from(digit),
                    digits: digits + 1,
                    extension: false,
                }
            }
            (Body::DataEnd { seen: 0 }, b'\r') => Body::DataEnd { seen: 1 },
            (Body::DataEnd { seen: 1 }, b'\n') => Body::Size {
                size: 0,
                digits: 0,
                extension: false,
            },
            (Body::DataEnd { .. }, _) => return Err(BadBody),
            (Body::Trailer { line_empty: true }, b'\n') => Body::Ended,
            (Body::Trailer { .. }, b'\n') => Body::Trailer { line_empty: true },
            (state @ Body::Trailer { .. }, b'\r') => state,
            (Body::Trailer { .. }, _) => Body::Trailer { line_empty: false },
            (state, _) => state,
        })
    }
}

/// Lines and blocks.
#[derive(Debug, Default)]
struct Text {
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
    /// The id that the block under way sets.
    block_id: Vec<u8>,
    /// The id in force at the last blank line.
    last_id: Vec<u8>,
    /// The stamp of the block under way, and whether the data that it begins has its end.
    stamp: Option<Stamp>,
    is_whole: bool,
    /// The last byte of the line under way, which `partial` may be too short to hold.
    line_end: u8,
    sets_id: bool,
    /// `last_id` was sent by this stream.
    has_own_id: bool,
    has_data: bool,
    is_gap: bool,
    /// Every line of data that begins with a stamp is an event.
    counts_lines: bool,
    /// A CR ended the last line: a LF that follows belongs to it.
    after_cr: bool,
    /// No line has been seen: a BOM may stand here.
    at_start: bool,
}

impl Text {
    fn feed(&mut self, mut bytes: &[u8], gap_event: &[u8], sink: &mut impl FnMut(Found)) {
        if std::mem::take(&mut self.after_cr) && bytes.first() == Some(&b'\n') {
            bytes = &bytes[1..];
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) {
            if self.partial.is_empty() {
                let last = end.checked_sub(1).map_or(0, |last| bytes[last]);
                self.line(&bytes[..end], last, gap_event, sink);
            } else {
                self.keep(&bytes[..end]);
                let mut line = std::mem::take(&mut self.partial);
                self.line(&line, self.line_end, gap_event, sink);
                line.clear();
                self.partial = line;
            }
            let cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            match bytes.first() {
                Some(b'\n') if cr => bytes = &bytes[1..],
                None => self.after_cr = cr,
                _ => {}
            }
        }
        self.keep(bytes);
    }

    fn keep(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last() {
            self.line_end = *last;
        }
        let room = LINE_PREFIX_BYTES_MAX - self.partial.len();
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Takes in a line, of which `line` may be only the beginning; `last` is its last byte.
    fn line(&mut self, line: &[u8], last: u8, gap_event: &[u8], sink: &mut impl FnMut(Found)) {
        let line = match std::mem::take(&mut self.at_start) {
            true => line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line),
            false => line,
        };
        if line.is_empty() {
            return self.blank(sink);
        }
        if let Some(value) = field(line, b"data") {
            if self.counts_lines && self.has_data && Stamp::parse(value).is_some() {
                // Another one begins: the one before is whole.
                self.give(sink);
            }
            if !self.has_data {
                self.stamp = Stamp::parse(value);
                self.is_whole = last == b'}';
            }
            self.has_data = true;
        } else if let Some(value) = field(line, b"id") {
            if !value.contains(&0) && line.len() < LINE_PREFIX_BYTES_MAX {
                self.block_id.clear();
                self.block_id.extend_from_slice(value);
                self.sets_id = true;
            }
        } else if let Some(value) = field(line, b"event") {
            self.is_gap = value == gap_event && !gap_event.is_empty();
        } else if let Some(value) = field(line, b"retry")
            && value.iter().all(u8::is_ascii_digit)
            && let Some(millis) = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok())
        {
            sink(Found::Retry(millis));
        }
    }

    fn blank(&mut self, sink: &mut impl FnMut(Found)) {
        if std::mem::take(&mut self.sets_id) {
            std::mem::swap(&mut self.last_id, &mut self.block_id);
            if self.has_data && self.stamp.is_none() {
                // Events that must be identical in their data are told apart by their ids.
                self.stamp = Stamp::parse(&self.last_id);
                self.is_whole = true;
            }
            let had_own_id = std::mem::replace(&mut self.has_own_id, true);
            if had_own_id && self.has_data && self.stamp.is_some() && !follows(&self.block_id, &self.last_id) {
                sink(Found::WrongId);
            }
        }
        self.give(sink);
        self.is_gap = false;
    }

    /// Gives out what the data so far are.
    fn give(&mut self, sink: &mut impl FnMut(Found)) {
        let gap = self.is_gap;
        let stamp = self.stamp.take();
        if std::mem::take(&mut self.has_data) {
            sink(match stamp {
                _ if gap => Found::Gap,
                Some(stamp) if self.is_whole => Found::Event(stamp),
                Some(stamp) => Found::Torn(stamp),
                None => Found::Other,
            });
        }
    }
}

/// Whether an id can be the one of a later event than the one before. Ids are opaque; but where
/// both end in a number behind the same beginning, with or without a dot, the number must be
/// higher.
fn follows(before: &[u8], id: &[u8]) -> bool {
    match (numbered(before), numbered(id)) {
        (Some((numbering, n)), Some((same, next))) if numbering == same => next > n,
        _ => true,
    }
}

/// `EPOCH.N` or `N`.
fn numbered(id: &[u8]) -> Option<(&[u8], u64)> {
    let (numbering, number) = match memchr::memrchr(b'.', id) {
        Some(dot) => (&id[..dot], &id[dot + 1..]),
        None => (&id[..0], id),
    };
    Some((numbering, std::str::from_utf8(number).ok()?.parse().ok()?))
}

/// The value of the field `name`, if the line is one (9.2.6: one space behind the colon is not part
/// of it).
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    match line.strip_prefix(name)? {
        [] => Some(b""),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}
