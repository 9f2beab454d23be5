//! The buffer in which a block is put together that can't be passed as the slice that it is:
//! because it came in several reads, or not in plain form.
//!
//! Lines come in pieces, and leave in plain form. The buffer never holds more than
//! `event_bytes_max`: a block that would need more is *oversized*, and from then on nothing of it
//! is kept but its id. What counts is the block's size in plain form, so the lines that are not
//! passed on (comments above all: an origin may write them for days without a blank line) cost an
//! event nothing, as long as each fits by itself.

use super::fields::{Fields, Line};
use super::state::{BlockState, LineState};
use super::{Item, ParserOptions};
use bytes::{Bytes, BytesMut};
use std::ops::Range;

/// What is allocated at once: small events that follow each other share it.
const ALLOCATION_BYTES: usize = 4096;

/// A buffer larger than this is given back after the block that needed it.
const KEPT_CAPACITY_BYTES: usize = 64 * 1024;

/// A block in the making.
#[derive(Debug)]
pub(super) struct Assembly {
    options: ParserOptions,
    /// `[..kept]`: the lines so far, in plain form (once oversized: the id instead); `[kept..]`:
    /// the line in the making. Its length never exceeds `event_bytes_max`.
    buffer: BytesMut,
    kept: usize,
    /// The fields in `[..kept]`; empty once oversized.
    fields: Fields,
    /// What happens to the line in the making.
    fate: Fate,
    /// Set once the block is over the limit.
    oversized: Option<Oversized>,
}

/// What a line completes.
pub(super) enum Completed {
    /// The block.
    Block(Bytes, Fields),
    /// Anything else.
    Other(Item<'static>),
}

/// What happens to the line in the making, as far as its beginning tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Fate {
    /// It is collected in `[kept..]`, and read at its end.
    #[default]
    Collected,
    /// A comment that is not asked for, or that does not fit: comments are no part of an event.
    Ignored,
    /// A line of an oversized block that can't matter any more.
    Dropped,
}

/// A block over the limit.
#[derive(Debug, Clone, Copy)]
struct Oversized {
    /// Bytes dropped: what the block would have in plain form.
    bytes: u64,
    /// Whether `[..kept]` is an id.
    has_id: bool,
}

impl Assembly {
    pub(super) fn new(options: ParserOptions) -> Self {
        Self {
            options,
            buffer: BytesMut::new(),
            kept: 0,
            fields: Fields::default(),
            fate: Fate::Collected,
            oversized: None,
        }
    }

    /// Takes over a block: its lines so far, which are in plain form and fit.
    pub(super) fn begin(&mut self, lines: &[u8], fields: Fields) {
        debug_assert!(self.is_idle() && lines.len() <= self.options.event_bytes_max);
        self.append(lines);
        self.kept = lines.len();
        self.fields = fields;
    }

    /// The block in the making as plain data.
    pub(super) fn state(&self) -> BlockState {
        let (lines, line) = self.buffer.split_at(self.kept);
        BlockState {
            lines: lines.to_vec(),
            line: line.to_vec(),
            fate: match self.fate {
                Fate::Collected => LineState::Collected,
                Fate::Ignored => LineState::Ignored,
                Fate::Dropped => LineState::Dropped,
            },
            oversized: self.oversized.map(|oversized| (oversized.bytes, oversized.has_id)),
        }
    }

    /// Goes on with this block; there is none yet. `None`: it can't be one of this parser's.
    pub(super) fn take_over(&mut self, block: &BlockState) -> Option<()> {
        debug_assert!(self.is_idle());
        let is_line_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let fits = block.lines.len() + block.line.len() <= self.options.event_bytes_max;
        let is_whole = block.oversized.is_some() || block.lines.is_empty() || block.lines.ends_with(b"\n");
        if !fits || !is_whole || block.line.iter().any(is_line_end) {
            return None;
        }
        let fields = match block.oversized {
            Some(_) => Fields::default(),
            None => Fields::of(&block.lines)?,
        };
        self.append(&block.lines);
        self.append(&block.line);
        self.kept = block.lines.len();
        self.fields = fields;
        self.fate = match block.fate {
            LineState::Collected => Fate::Collected,
            LineState::Ignored => Fate::Ignored,
            LineState::Dropped => Fate::Dropped,
        };
        self.oversized = block.oversized.map(|(bytes, has_id)| Oversized {
            // So large that it is never added up to.
            bytes: bytes.min(u64::MAX / 2),
            has_id,
        });
        Some(())
    }

    /// Whether there is nothing in the making, so that the next block may be a slice of a read.
    pub(super) fn is_idle(&self) -> bool {
        self.buffer.is_empty() && self.fate == Fate::Collected && self.oversized.is_none()
    }

    /// Bytes held.
    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Forgets the block in the making.
    pub(super) fn reset(&mut self) {
        self.buffer.clear();
        if self.buffer.capacity() > KEPT_CAPACITY_BYTES {
            self.buffer = BytesMut::new();
        }
        self.kept = 0;
        self.fields = Fields::default();
        self.fate = Fate::Collected;
        self.oversized = None;
    }

    /// The line in the making goes on with `part`.
    pub(super) fn extend(&mut self, part: &[u8]) {
        let Some(&first) = self.buffer.get(self.kept).or(part.first()) else {
            return;
        };
        match self.fate {
            Fate::Collected => {}
            Fate::Ignored => return,
            Fate::Dropped => return self.count_dropped(part.len()),
        }
        let comment = first == b':';
        if comment && !self.options.comments {
            self.fate = Fate::Ignored;
        } else if self.oversized.is_some() && !matters_after_all(first) {
            self.fate = Fate::Dropped;
            self.count_dropped(part.len());
        } else if self.fits(part.len()) {
            self.append(part);
        } else if comment {
            self.fate = Fate::Ignored;
            self.buffer.truncate(self.kept);
        } else if self.oversized.is_none() {
            self.give_up();
            self.extend(part);
        } else {
            self.fate = Fate::Dropped;
            self.count_dropped(self.buffer.len() - self.kept + part.len());
            self.buffer.truncate(self.kept);
        }
    }

    /// The line in the making is complete; a blank one completes the block.
    pub(super) fn end_line(&mut self) -> Option<Completed> {
        match std::mem::take(&mut self.fate) {
            Fate::Collected => {}
            Fate::Ignored => return None,
            Fate::Dropped => {
                self.count_dropped(1);
                return None;
            }
        }
        let line = &self.buffer[self.kept..];
        if line.is_empty() {
            return self.end_block();
        }
        let (start, end) = (self.kept, self.buffer.len());
        let meaning = Line::read(line);
        if meaning != Line::Comment {
            self.count_dropped(end + 1 - start);
        }
        let oversized = self.oversized.is_some();
        match meaning {
            Line::Comment => {
                self.append(b"\n");
                let comment = Bytes::copy_from_slice(&self.buffer[start..]);
                self.buffer.truncate(start);
                return Some(Completed::Other(Item::Comment(comment)));
            }
            Line::Retry(time) => {
                self.buffer.truncate(start);
                return Some(Completed::Other(Item::Retry(time)));
            }
            Line::Id(value) if oversized => self.replace_dropped_id(start + value),
            Line::Refused => self.buffer.truncate(start),
            _ if oversized => self.buffer.truncate(start),
            Line::Id(value) => {
                self.keep_line();
                self.replace_id(start + value..end);
            }
            Line::Data(value) => {
                self.keep_line();
                self.fields.add_data(start + value..end);
            }
            Line::EventType(value) => {
                self.keep_line();
                self.fields.set_event_type(start + value..end);
            }
            Line::Unknown => self.keep_line(),
        }
        None
    }

    /// The blank line.
    fn end_block(&mut self) -> Option<Completed> {
        if self.oversized.is_none() && !self.fits(0) {
            self.give_up();
        }
        self.count_dropped(1);
        let completed = match self.oversized {
            Some(Oversized { bytes, has_id }) => {
                let id = has_id.then(|| Bytes::copy_from_slice(&self.buffer[..self.kept]));
                Some(Completed::Other(Item::Oversized { bytes, id }))
            }
            None if self.fields.matter() => {
                self.append(b"\n");
                let fields = std::mem::take(&mut self.fields);
                Some(Completed::Block(self.buffer.split().freeze(), fields))
            }
            None => None,
        };
        self.reset();
        completed
    }

    /// Whether so much more of a line fits, with its line end.
    fn fits(&self, bytes: usize) -> bool {
        self.buffer.len() + bytes < self.options.event_bytes_max
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.buffer.capacity() - self.buffer.len() < bytes.len() {
            self.buffer.reserve(bytes.len().max(ALLOCATION_BYTES));
        }
        self.buffer.extend_from_slice(bytes);
    }

    fn keep_line(&mut self) {
        self.append(b"\n");
        self.kept = self.buffer.len();
    }

    /// The block has got another `id` line, its last: the one that it had before goes. So each byte
    /// moves at most once, since what lies between two `id` lines lies before all later ones.
    fn replace_id(&mut self, value: Range<usize>) {
        let cut = self.fields.remove_id(&self.buffer);
        self.buffer.copy_within(cut.end.., cut.start);
        self.kept -= cut.len();
        self.buffer.truncate(self.kept);
        self.fields.set_id(value.start - cut.len()..value.end - cut.len());
    }

    /// The block is over the limit: nothing is kept but its id, and the line in the making if that
    /// may be one.
    fn give_up(&mut self) {
        let id = self.fields.id().unwrap_or_default();
        self.oversized = Some(Oversized {
            bytes: self.kept as u64,
            has_id: self.fields.has_id(),
        });
        self.fields = Fields::default();
        let line_length = self.buffer.len() - self.kept;
        let id_length = id.len();
        self.buffer.copy_within(id, 0);
        self.buffer.copy_within(self.kept.., id_length);
        self.buffer.truncate(id_length + line_length);
        self.kept = id_length;
        if self
            .buffer
            .get(self.kept)
            .is_some_and(|&first| !matters_after_all(first))
        {
            self.fate = Fate::Dropped;
            self.count_dropped(line_length);
            self.buffer.truncate(self.kept);
        }
    }

    /// In an oversized block, the line in the making is a valid `id` line, with its value at
    /// `value`.
    fn replace_dropped_id(&mut self, value: usize) {
        self.buffer.copy_within(value.., 0);
        self.kept = self.buffer.len() - value;
        self.buffer.truncate(self.kept);
        if let Some(oversized) = &mut self.oversized {
            oversized.has_id = true;
        }
    }

    /// Counts bytes of an oversized block.
    fn count_dropped(&mut self, bytes: usize) {
        if let Some(oversized) = &mut self.oversized {
            oversized.bytes += bytes as u64;
        }
    }
}

/// Whether a line that begins so may still matter in an oversized block: `id`, `retry`, a comment.
fn matters_after_all(first: u8) -> bool {
    matches!(first, b'i' | b'r' | b':')
}
