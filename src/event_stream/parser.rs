//! The incremental parser.

use super::Event;
use super::assembly::{Assembly, Completed};
use super::fields::{Fields, has_nul, value_start};
use super::item::{Item, ParserOptions};
use super::line_ends::LineEnds;
use super::state::ParserState;
use bytes::{Bytes, BytesMut};
use std::ops::Range;

/// The byte order mark that may stand before the stream, and is no part of it (9.2.5).
const BOM: &[u8] = b"\xEF\xBB\xBF";
const LF: u8 = b'\n';
const CR: u8 = b'\r';

/// The incremental parser: feed it reads, take items.
///
/// [`push`](Self::push) a read, call [`next_item`](Self::next_item) until it has no more, and so
/// on. Between reads it holds at most `event_bytes_max` bytes, in a buffer of at most about twice
/// that; it never holds on to a read, though events do that are slices of it.
#[derive(Debug)]
pub struct Parser {
    options: ParserOptions,
    /// The read at hand; empty once all of it is used.
    read: Bytes,
    /// Its line ends, from the current line's on.
    line_ends: LineEnds,
    /// Where the current line starts in `read`, or what of it lies there. Between calls the current
    /// block starts there too, or is in `assembly`.
    line: usize,
    /// The current block, if it can't be a slice of `read`; idle otherwise.
    assembly: Assembly,
    /// The block that was put together last, until the next call.
    assembled: Bytes,
    /// How much of a BOM there was so far; `None` once the stream itself has begun.
    bom: Option<usize>,
    /// The last read ended with a CR. An LF at the start of the next one belongs to it.
    after_cr: bool,
}

impl Parser {
    /// A parser at the start of a stream.
    pub fn new(options: ParserOptions) -> Self {
        let event_bytes_max = options.event_bytes_max.min(u32::MAX as usize);
        let options = ParserOptions {
            event_bytes_max,
            ..options
        };
        Self {
            options,
            read: Bytes::new(),
            line_ends: LineEnds::default(),
            line: 0,
            assembly: Assembly::new(options),
            assembled: Bytes::new(),
            bom: Some(0),
            after_cr: false,
        }
    }

    /// A new connection: the stream starts anew. An incomplete block is discarded (9.2.6), a BOM is
    /// recognised again.
    pub fn reset(&mut self) {
        self.start_read(Bytes::new(), 0);
        self.assembly.reset();
        self.assembled = Bytes::new();
        self.bom = Some(0);
        self.after_cr = false;
    }

    /// What it knows of the stream so far, for another one to go on with.
    pub fn state(&self) -> ParserState {
        ParserState {
            // At most the length of a BOM.
            bom: self.bom.map(|seen| seen as u8),
            after_cr: self.after_cr,
            unread: self.read[self.line..].to_vec(),
            block: self.assembly.state(),
        }
    }

    /// A parser that goes on where one with these options was. `None`: no such parser can be in
    /// this state.
    pub fn from_state(options: ParserOptions, state: &ParserState) -> Option<Self> {
        let mut parser = Self::new(options);
        let bom = state.bom.map(|seen| seen as usize);
        if bom.is_some_and(|seen| seen >= BOM.len()) {
            return None;
        }
        parser.assembly.take_over(&state.block)?;
        parser.bom = bom;
        parser.after_cr = state.after_cr;
        parser.start_read(Bytes::copy_from_slice(&state.unread), 0);
        Some(parser)
    }

    /// The next read. The one before should have been used up, that is
    /// [`next_item`](Self::next_item) had no more; what is left of it is copied otherwise.
    pub fn push(&mut self, read: Bytes) {
        if read.is_empty() {
            return;
        }
        if self.line < self.read.len() {
            let mut both = BytesMut::from(&self.read[self.line..]);
            both.extend_from_slice(&read);
            self.start_read(both.freeze(), 0);
        } else {
            let start = self.skip_at_start(&read);
            self.start_read(read, start);
        }
    }

    /// The next item; `None`: it takes another read.
    pub fn next_item(&mut self) -> Option<Item<'_>> {
        if !self.assembled.is_empty() {
            self.assembled = Bytes::new();
        }
        loop {
            let line_end = if self.assembly.is_idle() {
                let mut fields = Fields::default();
                match self.next_whole(&mut fields) {
                    Whole::Block(block) => {
                        return Some(Item::Event(Event {
                            block: &self.read[block],
                            shared: Some(&self.read),
                            fields,
                        }));
                    }
                    Whole::Line(end) => Some(end),
                    Whole::Incomplete => None,
                }
            } else {
                self.line_ends.next(&self.read)
            };
            let Some(end) = line_end else {
                self.assembly.extend(&self.read[self.line..]);
                self.start_read(Bytes::new(), 0);
                return None;
            };
            self.assembly.extend(&self.read[self.line..end]);
            self.step_over_line_end(end);
            match self.assembly.end_line() {
                None => {}
                Some(Completed::Other(item)) => return Some(item),
                Some(Completed::Block(block, fields)) => {
                    self.assembled = block;
                    return Some(Item::Event(Event {
                        block: &self.assembled,
                        shared: Some(&self.assembled),
                        fields,
                    }));
                }
            }
        }
    }

    /// Whether the read at hand is not used up.
    pub fn has_unread(&self) -> bool {
        self.line < self.read.len()
    }

    /// Bytes held, without what is left of the read at hand: never more than `event_bytes_max`.
    pub fn buffered_bytes(&self) -> usize {
        self.assembly.len()
    }

    fn start_read(&mut self, read: Bytes, start: usize) {
        self.read = read;
        self.line = start;
        self.line_ends = LineEnds::starting_at(start);
    }

    /// How many bytes at the start of a read are no part of a line.
    fn skip_at_start(&mut self, read: &[u8]) -> usize {
        if std::mem::take(&mut self.after_cr) && read[0] == LF {
            return 1;
        }
        let Some(seen) = self.bom else { return 0 };
        let more = std::iter::zip(read, &BOM[seen..])
            .take_while(|(byte, bom)| byte == bom)
            .count();
        if seen + more == BOM.len() {
            self.bom = None;
            return more;
        }
        if more == read.len() {
            self.bom = Some(seen + more);
            return more;
        }
        // It only looked like a BOM: it is the beginning of the first line.
        self.bom = None;
        self.assembly.extend(&BOM[..seen]);
        0
    }

    /// The path of almost all bytes: blocks in plain form that lie in the read at hand. Any other
    /// block goes to the assembly, from its first line on.
    #[inline]
    fn next_whole(&mut self, fields: &mut Fields) -> Whole {
        let read = &*self.read;
        let mut line_ends = self.line_ends;
        let (mut block, mut line) = (self.line, self.line);
        let found = loop {
            let Some(end) = line_ends.next(read) else {
                break Whole::Incomplete;
            };
            if read[end] == CR || end + 1 - block > self.options.event_bytes_max {
                break Whole::Line(end);
            }
            let text = &read[line..end];
            match text.first() {
                None if fields.matter() => {
                    line = end + 1;
                    break Whole::Block(block..line);
                }
                None => {
                    block = end + 1;
                    *fields = Fields::default();
                }
                Some(b'd') => {
                    if let Some(value) = value_start(text, b"data") {
                        fields.add_data(line + value - block..end - block);
                    }
                }
                Some(b'e') => {
                    if let Some(value) = value_start(text, b"event") {
                        fields.set_event_type(line + value - block..end - block);
                    }
                }
                Some(b'i') => {
                    if let Some(value) = value_start(text, b"id") {
                        if fields.has_id() || has_nul(text) {
                            break Whole::Line(end);
                        }
                        fields.set_id(line + value - block..end - block);
                    }
                }
                Some(b':') if block == line && !self.options.comments => block = end + 1,
                Some(b':') => break Whole::Line(end),
                Some(b'r') if value_start(text, b"retry").is_some() => break Whole::Line(end),
                Some(0xEF) if text.starts_with(BOM) => break Whole::Line(end),
                Some(_) => {}
            }
            line = end + 1;
        };
        if !matches!(found, Whole::Block(_)) {
            self.assembly.begin(&read[block..line], *fields);
        }
        self.line_ends = line_ends;
        self.line = line;
        found
    }

    /// Goes to the next line; `end` is where the current one ends.
    fn step_over_line_end(&mut self, end: usize) {
        self.line = end + 1;
        if self.read[end] == CR {
            match self.read.get(end + 1) {
                Some(&LF) => {
                    let line_feed = self.line_ends.next(&self.read);
                    debug_assert_eq!(line_feed, Some(end + 1));
                    self.line += 1;
                }
                Some(_) => {}
                None => self.after_cr = true,
            }
        }
    }
}

/// What [`Parser::next_whole`] came upon.
enum Whole {
    /// A block in plain form, that has the fields.
    Block(Range<usize>),
    /// The end of a line that makes the block one for the assembly, which has the lines before it.
    Line(usize),
    /// The end of the read. The assembly has the block's lines, but not the incomplete one.
    Incomplete,
}
