//! The fields of a block: how a line is read (9.2.6), and what is remembered of it.

use memchr::{memchr_iter, memrchr};
use std::ops::Range;
use std::time::Duration;

/// The longest reconnection time that a `retry` field can name; a larger number means this one.
/// Some 49 days: longer than any that is meant, and short enough that sums with it can't overflow.
pub const RECONNECTION_TIME_MAX: Duration = Duration::from_millis(u32::MAX as u64);

/// What a line that is not blank means. Offsets count from the line's start.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// `:...`
    Comment,
    /// A `data` field, with the offset of its value.
    Data(usize),
    /// An `event` field, with the offset of its value.
    EventType(usize),
    /// An `id` field that counts, with the offset of its value.
    Id(usize),
    /// A `retry` field that counts.
    Retry(Duration),
    /// A field that the standard does not know. It is passed on: it changes nothing.
    Unknown,
    /// A line that must not be passed on: an `id` or a `retry` field that does not count, since a
    /// client's library may be less strict; and one that begins with a BOM, since it would lose it
    /// at the start of a stream and mean something then.
    Refused,
}

impl Line {
    /// Reads a line, without its line end; it must not be empty.
    pub(super) fn read(line: &[u8]) -> Self {
        match line.first() {
            Some(b':') => Self::Comment,
            Some(b'd') => value_start(line, b"data").map_or(Self::Unknown, Self::Data),
            Some(b'e') => value_start(line, b"event").map_or(Self::Unknown, Self::EventType),
            Some(b'i') => match value_start(line, b"id") {
                Some(start) if has_nul(&line[start..]) => Self::Refused,
                Some(start) => Self::Id(start),
                None => Self::Unknown,
            },
            Some(b'r') => match value_start(line, b"retry") {
                Some(start) => reconnection_time(&line[start..]).map_or(Self::Refused, Self::Retry),
                None => Self::Unknown,
            },
            Some(0xEF) if line.starts_with(b"\xEF\xBB\xBF") => Self::Refused,
            _ => Self::Unknown,
        }
    }
}

/// Where the value starts in a line that is the field `name`; `None` if it is another field.
#[inline]
pub(super) fn value_start(line: &[u8], name: &[u8]) -> Option<usize> {
    match line.strip_prefix(name)? {
        [] => Some(name.len()),
        [b':', b' ', ..] => Some(name.len() + 2),
        [b':', ..] => Some(name.len() + 1),
        _ => None,
    }
}

/// An `id` with a NUL does not count. Values are short: a loop without a way out is faster than a
/// search.
#[inline]
pub(super) fn has_nul(value: &[u8]) -> bool {
    value.iter().fold(false, |found, byte| found | (*byte == 0))
}

/// A `retry` field's value: ASCII digits, at least one, as milliseconds.
fn reconnection_time(value: &[u8]) -> Option<Duration> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(Duration::from_millis(value.iter().fold(0, add)).min(RECONNECTION_TIME_MAX))
}

/// A range of bytes in a block, in one register: the start in the upper half, the end in the lower.
/// Blocks are limited to what 32 bits can count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span(u64);

impl Span {
    #[inline]
    pub(super) fn new(range: Range<usize>) -> Self {
        Self((range.start as u64) << 32 | range.end as u64)
    }

    #[inline]
    pub(super) fn range(self) -> Range<usize> {
        (self.0 >> 32) as usize..(self.0 & u64::from(u32::MAX)) as usize
    }

    /// Where it is once `cut` is taken out of the block.
    fn without(self, cut: &Range<usize>) -> Self {
        let Range { start, end } = self.range();
        if start < cut.end {
            self
        } else {
            Self::new(start - cut.len()..end - cut.len())
        }
    }
}

/// What is known of a block's fields; spans count from the block's start. Small, since the loop
/// over lines carries it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Fields {
    /// The id. `0..0`: there is none; an empty one begins behind its field name, so it is never
    /// there.
    id: Span,
    /// The value of the last `event` field; empty: the default type.
    event_type: Span,
    /// The value of the first `data` field.
    data: Span,
    /// How many `data` fields there are. With none, 9.2.6 dispatches nothing; with one, even an
    /// empty one, it does.
    data_lines: u32,
}

impl Fields {
    /// Those of a block's complete lines. `None`: they are not in plain form.
    pub(super) fn of(lines: &[u8]) -> Option<Self> {
        let mut fields = Self::default();
        let mut start = 0;
        for end in memchr_iter(b'\n', lines) {
            let line = lines.get(start..end).filter(|line| !line.is_empty())?;
            match Line::read(line) {
                Line::Data(value) => fields.add_data(start + value..end),
                Line::EventType(value) => fields.set_event_type(start + value..end),
                Line::Id(value) if !fields.has_id() => fields.set_id(start + value..end),
                Line::Unknown => {}
                Line::Id(_) | Line::Comment | Line::Retry(_) | Line::Refused => return None,
            }
            start = end + 1;
        }
        Some(fields)
    }

    /// Takes a `data` line.
    #[inline]
    pub(super) fn add_data(&mut self, value: Range<usize>) {
        if self.data_lines == 0 {
            self.data = Span::new(value);
        }
        self.data_lines += 1;
    }

    /// Takes an `event` line: the last one counts.
    #[inline]
    pub(super) fn set_event_type(&mut self, value: Range<usize>) {
        self.event_type = Span::new(value);
    }

    /// Takes an `id` line; there must be none yet.
    #[inline]
    pub(super) fn set_id(&mut self, value: Range<usize>) {
        debug_assert!(!self.has_id() && value.start > 0);
        self.id = Span::new(value);
    }

    /// Forgets the `id` line, which is taken out of the block, and says where it was.
    pub(super) fn remove_id(&mut self, block: &[u8]) -> Range<usize> {
        let Some(cut) = self.id_line(block) else { return 0..0 };
        self.id = Span::default();
        self.event_type = self.event_type.without(&cut);
        self.data = self.data.without(&cut);
        cut
    }

    /// Whether there is a valid id.
    #[inline]
    pub(super) fn has_id(&self) -> bool {
        self.id != Span::default()
    }

    /// Whether the block means anything to a client.
    #[inline]
    pub(super) fn matter(&self) -> bool {
        self.data_lines > 0 || self.has_id()
    }

    /// Where the id is.
    pub(super) fn id(&self) -> Option<Range<usize>> {
        self.has_id().then(|| self.id.range())
    }

    /// Where the `id` line is, with its line end.
    pub(super) fn id_line(&self, block: &[u8]) -> Option<Range<usize>> {
        let id = self.id()?;
        let start = memrchr(b'\n', &block[..id.start]).map_or(0, |line_end| line_end + 1);
        Some(start..id.end + 1)
    }

    /// Where the last `event` line is, with its line end.
    pub(super) fn type_line(&self, block: &[u8]) -> Option<Range<usize>> {
        let value = self.event_type();
        // A value begins behind its field's name.
        if value.start == 0 {
            return None;
        }
        let start = memrchr(b'\n', &block[..value.start]).map_or(0, |line_end| line_end + 1);
        Some(start..value.end + 1)
    }

    /// Where the event type is.
    pub(super) fn event_type(&self) -> Range<usize> {
        self.event_type.range()
    }

    /// Where the first `data` field's value is.
    pub(super) fn data(&self) -> Range<usize> {
        self.data.range()
    }

    /// How many `data` fields there are.
    pub(super) fn data_lines(&self) -> u32 {
        self.data_lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let ms = |ms| Line::Retry(Duration::from_millis(ms));
        let cases: &[(&[u8], Line)] = &[
            (b":", Line::Comment),
            (b":data: x", Line::Comment),
            (b"data", Line::Data(4)),
            (b"data:", Line::Data(5)),
            (b"data: ", Line::Data(6)),
            (b"data:  x", Line::Data(6)),
            (b"data:x", Line::Data(5)),
            (b"data :x", Line::Unknown),
            (b"dat", Line::Unknown),
            (b"Data: x", Line::Unknown),
            (b" data: x", Line::Unknown),
            (b"\0data: x", Line::Unknown),
            (b"event", Line::EventType(5)),
            (b"event: x", Line::EventType(7)),
            (b"events: x", Line::Unknown),
            (b"id", Line::Id(2)),
            (b"id:\t", Line::Id(3)),
            (b"id: \0", Line::Refused),
            (b"id\0: x", Line::Unknown),
            (b"ID: x", Line::Unknown),
            (b"retry: 10", ms(10)),
            (b"retry:007", ms(7)),
            (b"retry: 0", ms(0)),
            (b"retry:  10", Line::Refused),
            (b"retry: +1", Line::Refused),
            (b"retry: 1.0", Line::Refused),
            (b"retry:1 ", Line::Refused),
            (b"retry: \xD9\xA1", Line::Refused),
            (b"retry:", Line::Refused),
            (b"retry", Line::Refused),
            (b"retry: 4294967295", ms(u32::MAX.into())),
            (b"retry: 4294967296", ms(u32::MAX.into())),
            (b"retry: 99999999999999999999999999999999", ms(u32::MAX.into())),
            (b"\xEF\xBB\xBFdata: x", Line::Refused),
            (b"\xEF\xBB", Line::Unknown),
        ];
        for (line, expected) in cases {
            assert_eq!(&Line::read(line), expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn taking_out_the_id_moves_what_follows() {
        let mut fields = Fields::default();
        fields.set_event_type(7..8);
        fields.set_id(13..14);
        fields.add_data(21..22);
        assert_eq!(fields.remove_id(b"event: e\nid: 5\ndata: x\n"), 9..15);
        assert_eq!((fields.event_type(), fields.data()), (7..8, 15..16));
        assert!(!fields.has_id());
    }
}
