//! A source's entry as a joined channel's clients get it.

use crate::event_stream::Event;
use crate::log::{Entry, Kind, frame};
use bytes::Bytes;

/// What a client gets of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JoinedBlock {
    pub(super) frame: Bytes,
    /// Whether it carries the id.
    pub(super) has_id: bool,
}

/// An entry under an id of the joined channel. `prefix`: what types begin with. `None`: nothing of it
/// is for a joined channel's clients: what a single origin says of the reconnection time.
pub(super) fn joined_block(entry: &Entry, id: &[u8], prefix: Option<&str>) -> Option<JoinedBlock> {
    let block = entry.block();
    match (entry.kind(), Event::parse_block(block)) {
        (Kind::Gap, _) => Some(JoinedBlock {
            frame: frame(&[first_block(block)]),
            has_id: false,
        }),
        (_, Some(event)) => Some(JoinedBlock {
            frame: with_id(&event, id, prefix.filter(|_| event.dispatches())),
            has_id: true,
        }),
        // A comment.
        (_, None) if block.first() == Some(&b':') => Some(JoinedBlock {
            frame: entry.chunked().clone(),
            has_id: false,
        }),
        (_, None) => None,
    }
}

/// An event under another id, and with a prefix to its type.
fn with_id(event: &Event<'_>, id: &[u8], prefix: Option<&str>) -> Bytes {
    let block = event.block();
    let cut = event.id_line().unwrap_or(0..0);
    let Some(prefix) = prefix else {
        return frame(&[b"id: ", id, b"\n", &block[..cut.start], &block[cut.end..]]);
    };
    let event_type = match event.event_type() {
        b"" => b"message",
        event_type => event_type,
    };
    // In the place of the line that counts: another one before it may say something else.
    let line = event.type_line().unwrap_or(0..0);
    let pieces: [&[u8]; 3] = match event.id_line() {
        None => [&block[..line.start], b"", &block[line.end..]],
        Some(id) if id.start < line.start => [&block[..id.start], &block[id.end..line.start], &block[line.end..]],
        Some(id) => [
            &block[..line.start],
            b"",
            &[&block[line.end..id.start], &block[id.end..]].concat(),
        ],
    };
    let [before, between, behind] = pieces;
    let (dot, end) = (&b"."[..], &b"\n"[..]);
    frame(&[
        b"id: ",
        id,
        end,
        before,
        between,
        b"event: ",
        prefix.as_bytes(),
        dot,
        event_type,
        end,
        behind,
    ])
}

/// A gap event, without the empty id that may follow it: that is the source's own.
fn first_block(blocks: &[u8]) -> &[u8] {
    let end = memchr::memmem::find(blocks, b"\n\n");
    end.map_or(blocks, |end| &blocks[..end + 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogLimits;
    use crate::log::{Cursor, Draft, Log, Moves, Read};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    fn entry(kind: Kind, block: &str) -> Arc<Entry> {
        let (mut writer, log) = Log::new(LogLimits {
            events: 1,
            bytes: 1 << 20,
            age: Duration::ZERO,
        });
        writer.append(Draft {
            frame: frame(&[block.as_bytes()]),
            id: Bytes::new(),
            indexed: false,
            kind,
            received: Instant::now(),
            moves: Moves::Nothing,
        });
        match log.read(Cursor::FIRST) {
            Read::Entry(entry) => entry,
            other => panic!("{other:?}"),
        }
    }

    fn joined(kind: Kind, block: &str, prefix: Option<&str>) -> Option<String> {
        let block = joined_block(&entry(kind, block), b"a:1", prefix)?;
        Some(String::from_utf8(crate::log::plain_of(&block.frame).to_vec()).unwrap())
    }

    #[test]
    fn ids_and_types_are_replaced_wherever_they_stand() {
        for (block, plain, prefixed) in [
            (
                "data: x\n\n",
                "id: a:1\ndata: x\n\n",
                "id: a:1\nevent: s.message\ndata: x\n\n",
            ),
            (
                "id: 7\nevent: t\ndata: x\n\n",
                "id: a:1\nevent: t\ndata: x\n\n",
                "id: a:1\nevent: s.t\ndata: x\n\n",
            ),
            (
                "event: t\ndata: x\nid: 7\ndata: y\n\n",
                "id: a:1\nevent: t\ndata: x\ndata: y\n\n",
                "id: a:1\nevent: s.t\ndata: x\ndata: y\n\n",
            ),
            (
                "data: x\nid\nevent\n\n",
                "id: a:1\ndata: x\nevent\n\n",
                "id: a:1\ndata: x\nevent: s.message\n\n",
            ),
            ("id: 7\n\n", "id: a:1\n\n", "id: a:1\n\n"),
        ] {
            assert_eq!(joined(Kind::Event, block, None).as_deref(), Some(plain));
            assert_eq!(joined(Kind::Event, block, Some("s")).as_deref(), Some(prefixed));
        }
    }

    /// Of several `event` lines the last one counts.
    #[test]
    fn a_prefixed_event_has_the_prefixed_type_alone() {
        let block = joined(Kind::Event, "event: t\ndata: x\nevent: u\n\n", Some("s")).unwrap();
        let event = Event::parse_block(block.as_bytes()).unwrap();
        assert_eq!(event.event_type(), b"s.u");
    }

    #[test]
    fn what_is_no_event() {
        let gap = "event: fanfare.gap\ndata: {}\n\n";
        assert_eq!(joined(Kind::Gap, gap, Some("s")).as_deref(), Some(gap));
        let reset = format!("{gap}id: \n\n");
        assert_eq!(joined(Kind::Gap, &reset, None).as_deref(), Some(gap));
        assert_eq!(joined(Kind::NonEvent, ": x\n", Some("s")).as_deref(), Some(": x\n"));
        assert_eq!(joined(Kind::NonEvent, "id: \n\n", None).as_deref(), Some("id: a:1\n\n"));
        assert_eq!(joined(Kind::NonEvent, "retry: 5\n\n", None), None);
    }
}
