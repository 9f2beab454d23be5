//! From bytes to events: the body's framing to the letter, then what the reference parser makes of
//! it.

use super::{End, Event, Gunzip, TestClient};
use crate::support::reference::dispatch;

/// Longest size line of a chunk that is believed.
const SIZE_LINE_MAX: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Head,
    Size,
    Chunk(usize),
    AfterChunk,
    LastChunk,
    UntilClose,
    Length(usize),
}

impl TestClient {
    pub(super) fn decode(&mut self) {
        let mut raw = std::mem::take(&mut self.raw);
        let mut rest = &raw[..];
        while self.step(&mut rest) {}
        let used = raw.len() - rest.len();
        raw.drain(..used);
        self.raw = raw;
        if self.end == Some(End::Closed) && !matches!(self.framing, Framing::Size | Framing::UntilClose) {
            self.end = Some(End::ClosedInsideChunk);
        }
        if self.end == Some(End::Closed) {
            assert!(
                self.raw.is_empty(),
                "closed inside a size line: {:?}",
                self.raw.escape_ascii()
            );
        }
        if matches!(self.framing, Framing::LastChunk | Framing::Length(0)) {
            assert!(self.raw.is_empty(), "bytes after the end: {}", self.raw.escape_ascii());
            let whole = self.gunzip.as_ref().is_none_or(Gunzip::is_whole);
            assert!(
                whole || self.is_head_request,
                "a body that has ended, and its coding has not"
            );
            self.end = Some(End::LastChunk);
        }
        self.dispatch();
    }

    /// RFC 9112, 7.1, without extensions and trailers: the relay sends none.
    fn step(&mut self, rest: &mut &[u8]) -> bool {
        let wanted = match self.framing {
            Framing::Head | Framing::LastChunk => return false,
            Framing::Size => {
                let Some(end) = find(rest, b"\r\n") else {
                    assert!(
                        rest.len() < SIZE_LINE_MAX,
                        "no size line: {}",
                        rest[..SIZE_LINE_MAX].escape_ascii()
                    );
                    return false;
                };
                let line = std::str::from_utf8(&rest[..end]).expect("a size line");
                assert!(
                    !line.is_empty() && line.bytes().all(|b| b.is_ascii_hexdigit()),
                    "size line {line:?}"
                );
                let size = usize::from_str_radix(line, 16).unwrap();
                if size == 0 {
                    let Some(after) = rest.get(end + 2..end + 4) else {
                        return false;
                    };
                    assert_eq!(after, b"\r\n", "trailers");
                    self.framing = Framing::LastChunk;
                    *rest = &rest[end + 4..];
                    return false;
                }
                *rest = &rest[end + 2..];
                self.framing = Framing::Chunk(size);
                return true;
            }
            Framing::AfterChunk => {
                let Some(end) = rest.get(..2) else { return false };
                assert_eq!(end, b"\r\n", "a chunk is longer than its size");
                *rest = &rest[2..];
                self.framing = Framing::Size;
                return true;
            }
            Framing::Chunk(size) | Framing::Length(size) => size,
            Framing::UntilClose => usize::MAX,
        };
        let taken = wanted.min(rest.len());
        self.coded_bytes += taken;
        match &mut self.gunzip {
            Some(gunzip) => gunzip.push(&rest[..taken], &mut self.body),
            None => self.body.extend_from_slice(&rest[..taken]),
        }
        *rest = &rest[taken..];
        let left = wanted - taken;
        match &mut self.framing {
            Framing::Chunk(_) if left == 0 => self.framing = Framing::AfterChunk,
            Framing::Chunk(size) | Framing::Length(size) => *size = left,
            _ => return false,
        }
        taken > 0 && left == 0
    }

    /// Makes events of the blocks that are complete.
    fn dispatch(&mut self) {
        assert!(
            memchr::memchr(b'\r', &self.body[self.searched..]).is_none(),
            "CR in {}",
            self.body[self.taken..].escape_ascii()
        );
        // A block of megabytes comes in thousands of reads: none of it is looked at twice, but for
        // a line end.
        loop {
            let from = self.searched.saturating_sub(1).max(self.taken);
            let Some(found) = find(&self.body[from..], b"\n\n") else {
                break;
            };
            let end = from + found + 2;
            let block = self.body[self.taken..end].to_vec();
            self.taken = end;
            self.searched = end;
            if block.starts_with(b":") {
                self.comments
                    .push(String::from_utf8_lossy(block.trim_ascii_end()).into_owned());
            }
            let known = [b"id: ", &self.last_event_id[..], b"\n\n", &block].concat();
            let outcome = dispatch(&known);
            self.last_event_id = outcome.last_event_id;
            if self.events.is_empty() && outcome.events.is_empty() {
                self.seen_id = Some(self.last_event_id.clone());
            }
            self.retries.extend(outcome.reconnection_times);
            self.events
                .extend(outcome.events.into_iter().map(|(event_type, data, id)| Event {
                    event_type: String::from_utf8_lossy(&event_type).into_owned(),
                    data: String::from_utf8_lossy(&data).into_owned(),
                    id,
                }));
        }
        self.searched = self.body.len();
    }
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}
