//! What the parser must do, written down plainly: the whole stream at once, line by line,
//! everything copied.
//!
//! [`dispatch`] is the standard (WHATWG HTML 9.2.5 and 9.2.6); [`items`] is the relay's promise
//! about blocks, comments and limits. Neither knows that a stream comes in reads. The fuzz target
//! uses this file too.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "shared by tests and the fuzz target, none of which uses all of it"
)]

use bytes::Bytes;
use fanfare::event_stream::{Event, Item, Parser, ParserOptions, RECONNECTION_TIME_MAX};

/// What an `EventSource` makes of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Dispatched {
    /// Type, data and last event ID of each event.
    pub events: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)>,
    /// Each value that the reconnection time takes, as milliseconds.
    pub reconnection_times: Vec<u128>,
    /// The last event ID at the end: what a reconnect sends.
    pub last_event_id: Vec<u8>,
}

/// The complete lines of a stream, without their ends. 9.2.5: one leading BOM is no part of it; a
/// line ends with CRLF, LF or CR.
fn lines(stream: &[u8]) -> Vec<&[u8]> {
    let mut rest = stream.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(stream);
    let mut lines = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n' || *byte == b'\r') {
        lines.push(&rest[..end]);
        rest = if rest[end..].starts_with(b"\r\n") {
            &rest[end + 2..]
        } else {
            &rest[end + 1..]
        };
    }
    lines
}

/// A line as field name and value. 9.2.6: no colon, no value; one space after the colon is no part
/// of it.
fn field(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|byte| *byte == b':') {
        None => (line, b""),
        Some(colon) => {
            let value = &line[colon + 1..];
            (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
        }
    }
}

fn milliseconds(value: &[u8]) -> Option<u128> {
    if value.is_empty() || value.iter().any(|byte| !byte.is_ascii_digit()) {
        return None;
    }
    let cap = RECONNECTION_TIME_MAX.as_millis();
    Some(
        value
            .iter()
            .fold(0, |sum, digit| (sum * 10 + u128::from(digit - b'0')).min(cap)),
    )
}

/// 9.2.6, to the letter.
pub fn dispatch(stream: &[u8]) -> Dispatched {
    let mut outcome = Dispatched::default();
    let (mut data_buffer, mut type_buffer, mut id_buffer) = (Vec::new(), Vec::new(), Vec::new());
    for line in lines(stream) {
        if line.is_empty() {
            outcome.last_event_id = id_buffer.clone();
            if data_buffer.is_empty() {
                type_buffer.clear();
                continue;
            }
            if data_buffer.last() == Some(&b'\n') {
                data_buffer.pop();
            }
            let event_type = if type_buffer.is_empty() {
                b"message".to_vec()
            } else {
                type_buffer.clone()
            };
            outcome
                .events
                .push((event_type, data_buffer.clone(), outcome.last_event_id.clone()));
            data_buffer.clear();
            type_buffer.clear();
        } else if line[0] != b':' {
            match field(line) {
                (b"event", value) => type_buffer = value.to_vec(),
                (b"data", value) => {
                    data_buffer.extend_from_slice(value);
                    data_buffer.push(b'\n');
                }
                (b"id", value) if !value.contains(&0) => id_buffer = value.to_vec(),
                (b"retry", value) => outcome.reconnection_times.extend(milliseconds(value)),
                _ => {}
            }
        }
    }
    outcome
}

/// An [`Item`] that can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The block.
    Event(Vec<u8>),
    /// Milliseconds.
    Retry(u128),
    /// The line.
    Comment(Vec<u8>),
    /// Size and id.
    Oversized(u64, Option<Vec<u8>>),
}

impl From<Item<'_>> for Found {
    fn from(item: Item<'_>) -> Self {
        match item {
            Item::Event(event) => Self::Event(event.block().to_vec()),
            Item::Retry(time) => Self::Retry(time.as_millis()),
            Item::Comment(line) => Self::Comment(line.to_vec()),
            Item::Oversized { bytes, id } => Self::Oversized(bytes, id.map(|id| id.to_vec())),
        }
    }
}

/// A block so far.
#[derive(Default)]
struct Block<'a> {
    lines: Vec<&'a [u8]>,
    oversized: Option<usize>,
    id: Option<&'a [u8]>,
}

impl<'a> Block<'a> {
    /// Size of the lines that are kept, with their ends; once oversized, of the id.
    fn size(&self) -> usize {
        match self.oversized {
            None => self.lines.iter().map(|line| line.len() + 1).sum(),
            Some(_) => self.id.map_or(0, <[u8]>::len),
        }
    }

    fn end(self, limit: usize) -> Option<Found> {
        let size = self.oversized.unwrap_or_else(|| self.size()) + 1;
        if self.oversized.is_some() || size > limit {
            return Some(Found::Oversized(size as u64, self.id.map(<[u8]>::to_vec)));
        }
        let matters = self.lines.iter().any(|line| field(line).0 == b"data") || self.id.is_some();
        matters.then(|| {
            let mut bytes = self.lines.join(&b'\n');
            bytes.extend_from_slice(b"\n\n");
            Found::Event(bytes)
        })
    }
}

/// What the parser yields for a stream.
pub fn items(stream: &[u8], options: ParserOptions) -> Vec<Found> {
    let limit = options.event_bytes_max;
    let mut found = Vec::new();
    let mut block = Block::default();
    for line in lines(stream) {
        if line.is_empty() {
            found.extend(std::mem::take(&mut block).end(limit));
            continue;
        }
        if line[0] == b':' {
            if options.comments && block.size() + line.len() < limit {
                found.push(Found::Comment([line, b"\n"].concat()));
            }
            continue;
        }
        if block.oversized.is_none() && block.size() + line.len() + 1 > limit {
            block.oversized = Some(block.size());
        }
        let seen = block.size() + line.len() < limit;
        if let Some(bytes) = &mut block.oversized {
            *bytes += line.len() + 1;
        }
        match field(line) {
            _ if !seen => {}
            (b"id", value) if value.contains(&0) => {}
            (b"id", value) => {
                block.lines.retain(|line| field(line).0 != b"id");
                block.lines.push(line);
                block.id = Some(value);
            }
            (b"retry", value) => found.extend(milliseconds(value).map(Found::Retry)),
            _ if line.starts_with(b"\xEF\xBB\xBF") => {}
            _ => block.lines.push(line),
        }
    }
    found
}

/// What the parser does yield, the stream cut at `cuts` (ascending); asserts that it stays within
/// its bound.
pub fn parse(stream: &[u8], cuts: &[usize], options: ParserOptions) -> Vec<Found> {
    let mut parser = Parser::new(options);
    parse_with(&mut parser, stream, cuts, options)
}

/// The same with a parser that may have been used before.
pub fn parse_with(parser: &mut Parser, stream: &[u8], cuts: &[usize], options: ParserOptions) -> Vec<Found> {
    let mut items = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([stream.len()]) {
        parser.push(Bytes::copy_from_slice(&stream[start..end]));
        while let Some(item) = parser.next_item() {
            if let Item::Event(event) = &item {
                assert_plain(event, options);
            }
            items.push(Found::from(item));
        }
        assert!(
            parser.buffered_bytes() <= options.event_bytes_max,
            "{} bytes",
            parser.buffered_bytes()
        );
        start = end;
    }
    items
}

/// The promises about a block in plain form, and that what is said of it agrees with what stands in
/// it.
fn assert_plain(event: &Event<'_>, options: ParserOptions) {
    let block = event.block();
    let shown = block.escape_ascii();
    assert!(block.len() <= options.event_bytes_max, "over the limit: {shown}");
    assert!(!block.contains(&b'\r'), "CR in {shown}");
    assert!(block.ends_with(b"\n\n"), "no blank line at the end of {shown}");
    let lines = lines(block);
    assert_eq!(
        lines.iter().filter(|line| line.is_empty()).count(),
        1,
        "blank lines in {shown}"
    );
    assert!(!block.starts_with(b"\xEF\xBB\xBF"), "BOM in {shown}");
    for line in &lines {
        assert!(
            !line.starts_with(b"\xEF\xBB\xBF") && !line.starts_with(b":"),
            "BOM or comment in {shown}"
        );
        assert_ne!(field(line).0, b"retry", "retry in {shown}");
    }
    let ids: Vec<_> = lines.iter().filter(|line| field(line).0 == b"id").collect();
    assert!(ids.len() <= 1, "ids in {shown}");
    assert_eq!(event.id(), ids.first().map(|line| field(line).1), "{shown}");
    assert_eq!(
        event.id_line().map(|range| &block[range]),
        ids.first().map(|line| [line, &b"\n"[..]].concat()).as_deref()
    );
    assert!(event.id().is_none_or(|id| !id.contains(&0)), "NUL in the id of {shown}");

    let mut alone = dispatch(block);
    assert!(event.dispatches() || event.id().is_some(), "means nothing: {shown}");
    assert_eq!(alone.events.len(), usize::from(event.dispatches()), "{shown}");
    if let Some((event_type, data, id)) = alone.events.pop() {
        assert_eq!(
            event_type,
            if event.event_type().is_empty() {
                b"message"
            } else {
                event.event_type()
            },
            "{shown}"
        );
        assert_eq!(data, *event.data(), "{shown}");
        assert_eq!(id, event.id().unwrap_or_default(), "{shown}");
    }
    let again = Event::parse_block(event.block()).expect("a block");
    assert_eq!(again.block().as_ptr(), block.as_ptr(), "rewritten again: {shown}");
    assert_eq!(
        (again.id_line(), again.dispatches(), again.data()),
        (event.id_line(), event.dispatches(), event.data())
    );
}

/// Asserts that what the parser yields for a stream cut at `cuts` is what this file says.
pub fn assert_agreement(stream: &[u8], cuts: &[usize], options: ParserOptions) {
    let found = parse(stream, cuts, options);
    if options.event_bytes_max >= stream.len() {
        assert_same_dispatch(stream, cuts, &found);
    }
    assert_eq!(
        found,
        items(stream, options),
        "{} cut at {cuts:?}",
        stream.escape_ascii()
    );
}

/// Asserts that an `EventSource` dispatches from the blocks what it dispatches from the stream, in
/// which nothing is oversized.
fn assert_same_dispatch(stream: &[u8], cuts: &[usize], found: &[Found]) {
    let (mut relayed, mut retries) = (Vec::new(), Vec::new());
    for item in found {
        match item {
            Found::Event(block) => relayed.extend_from_slice(block),
            Found::Retry(milliseconds) => retries.push(*milliseconds),
            Found::Comment(line) => {
                assert!(
                    line.starts_with(b":") && line.ends_with(b"\n") && lines(line).len() == 1,
                    "{line:?}"
                );
            }
            Found::Oversized(..) => panic!("oversized: {item:?}"),
        }
    }
    let expected = dispatch(stream);
    let relayed = Dispatched {
        reconnection_times: retries,
        ..dispatch(&relayed)
    };
    assert_eq!(relayed, expected, "{} cut at {cuts:?}", stream.escape_ascii());
}
