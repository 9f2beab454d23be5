//! The parser against a plain reading of the standard, on every split.

#[path = "reference/mod.rs"]
mod reference;

use bytes::Bytes;
use fanfare::event_stream::{Item, Parser, ParserOptions};
use proptest::prelude::*;
use reference::{Dispatched, Found, assert_agreement, dispatch, items, parse, parse_with};
use std::time::Duration;

const UNLIMITED: ParserOptions = ParserOptions {
    event_bytes_max: 1 << 20,
    comments: false,
};
const WITH_COMMENTS: ParserOptions = ParserOptions {
    comments: true,
    ..UNLIMITED
};

fn limited(event_bytes_max: usize) -> ParserOptions {
    ParserOptions {
        event_bytes_max,
        ..UNLIMITED
    }
}

/// In one read, byte by byte, and cut in two at every place.
fn assert_agreement_everywhere(stream: &[u8], options: ParserOptions) {
    let every_byte: Vec<usize> = (1..stream.len()).collect();
    assert_agreement(stream, &[], options);
    assert_agreement(stream, &every_byte, options);
    for cut in 0..=stream.len() {
        assert_agreement(stream, &[cut], options);
    }
}

/// Cut in three at every pair of places.
fn assert_agreement_in_three(stream: &[u8], options: ParserOptions) {
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            assert_agreement(stream, &[first, second], options);
        }
    }
}

/// A stream, and the events (type, data, last event ID) that the standard's own tests expect from
/// one like it.
type Vector = (&'static [u8], &'static [(&'static str, &'static str, &'static str)]);

/// The cases of the web platform tests for the format (`eventsource/format-*`), retold.
const VECTORS: &[Vector] = &[
    // One BOM is taken off; a later one is part of a field name.
    (b"\xEF\xBB\xBFdata:1\n\n\xEF\xBB\xBFdata:2\n\ndata:3\n\n", &[("message", "1", ""), ("message", "3", "")]),
    (b"\xEF\xBB\xBF\xEF\xBB\xBFdata:1\n\ndata:2\n\n", &[("message", "2", "")]),
    (b"\xEF\xBBdata:1\n\ndata:2\n\n", &[("message", "2", "")]),
    (b" \xEF\xBB\xBFdata:1\n\ndata:2\n\n", &[("message", "2", "")]),
    // Comments between data lines, with each line end, with NUL, and with what would be a field.
    (b"data:1\r:\0\n:\r\ndata:2\n:a longer one, with: colons\rdata:3\n:data:no\r::\ndata:4\n\n", &[("message", "1\n2\n3\n4", "")]),
    // The last event lacks its blank line: neither it nor its id counts.
    (b"retry:1000\ndata:one\n\nid:lost\ndata:two", &[("message", "one", "")]),
    (b"data:one\n\nid:lost\ndata:two\n", &[("message", "one", "")]),
    // Empty data is data.
    (b"data:\n\ndata\ndata\n\ndata:x\n\n", &[("message", "", ""), ("message", "\n", ""), ("message", "x", "")]),
    // The type lasts for one event, whether that is dispatched or not; an empty one is the default.
    (b"event:a\ndata:x\n\ndata:y\n\n", &[("a", "x", ""), ("message", "y", "")]),
    (b"event: \ndata:x\n\n", &[("message", "x", "")]),
    (b"event:a\n\ndata:x\n\n", &[("message", "x", "")]),
    (b"event:a\nevent:b\ndata:x\n\nevent:a\nevent\ndata:y\n\n", &[("b", "x", ""), ("message", "y", "")]),
    // The id lasts until the next one; an event without data sets it too; an empty one resets it;
    // one with NUL does not count.
    (b"id:1\ndata:x\n\ndata:y\n\nid\ndata:z\n\n", &[("message", "x", "1"), ("message", "y", "1"), ("message", "z", "")]),
    (b"id: 1\n\ndata:x\n\nid: 2\nid:3\ndata:y\nid:\xE2\x80\xA6\n\n", &[("message", "x", "1"), ("message", "y", "\u{2026}")]),
    (b"id:1\nid:\0\ndata:x\n\nid:2\0\ndata:y\n\nid:\x002\ndata:z\n\n", &[("message", "x", "1"), ("message", "y", "1"), ("message", "z", "1")]),
    // Field names count byte for byte.
    (
        b"data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
        &[("message", "\0\n 2\n1\n3\n\n4", "")],
    ),
    (b"data:x\n data\ndata\nnothing:y\njust words\n:comment\ndata:x\n\n", &[("message", "x\n\nx", "")]),
    // One space goes, and only a space.
    (b"data:\ty\rdata: \ndata:  z\ndata:x\n\n", &[("message", "\ty\n\n z\nx", "")]),
    // Line ends in any mixture; the last CR completes the event.
    (b"data:x\r\ndata\ndata:x\r\n\r", &[("message", "x\n\nx", "")]),
    (b"data:x\n\rdata:y\r\rdata:z\r\n\r\n", &[("message", "x", ""), ("message", "y", ""), ("message", "z", "")]),
    (b"data:x\r\n\ndata:y\n\r\ndata:z\r\r\n\n", &[("message", "x", ""), ("message", "y", ""), ("message", "z", "")]),
    (b"data:\0\n\n\n\n", &[("message", "\0", "")]),
    // Other characters that end a line elsewhere don't here.
    (b"data:a\x0bb\x0cc\xC2\x85d\xE2\x80\xA8e\n\n", &[("message", "a\x0bb\x0cc\u{85}d\u{2028}e", "")]),
    (b"data:ok\xE2\x80\xA6\n\n", &[("message", "ok\u{2026}", "")]),
    (b"", &[]),
    (b"\n\n\n", &[]),
    (b"\xEF\xBB\xBF", &[]),
    (b":\n\n", &[]),
];

#[test]
fn the_standards_vectors() {
    for (stream, expected) in VECTORS {
        let owned = |(event_type, data, id): &(&str, &str, &str)| {
            (
                event_type.as_bytes().to_vec(),
                data.as_bytes().to_vec(),
                id.as_bytes().to_vec(),
            )
        };
        let expected: Vec<_> = expected.iter().map(owned).collect();
        assert_eq!(
            dispatch(stream).events,
            expected,
            "the reference: {}",
            stream.escape_ascii()
        );
        assert_agreement_everywhere(stream, UNLIMITED);
        assert_agreement_everywhere(stream, WITH_COMMENTS);
        if stream.len() < 50 {
            assert_agreement_in_three(stream, UNLIMITED);
        }
        for limit in 0..=stream.len() {
            assert_agreement_everywhere(
                stream,
                ParserOptions {
                    event_bytes_max: limit,
                    comments: limit % 2 == 0,
                },
            );
        }
    }
}

#[test]
fn reconnection_times() {
    let cases: &[(&str, &[u128])] = &[
        ("retry:3000\ndata:x\n\n", &[3000]),
        ("retry:3000\nretry:1000x\ndata:x\n\n", &[3000]),
        ("retry\ndata:x\n\n", &[]),
        ("retry:\n\n", &[]),
        ("retry: 1\nretry:2\n", &[1, 2]),
        ("retry:5", &[]),
        ("Retry: 5\nretry:-5\nretry: 5 \nretry:0x5\n\n", &[]),
        ("retry: 18446744073709551616\n", &[4_294_967_295]),
    ];
    for (stream, expected) in cases {
        assert_eq!(
            dispatch(stream.as_bytes()).reconnection_times,
            *expected,
            "the reference: {stream:?}"
        );
        assert_agreement_everywhere(stream.as_bytes(), UNLIMITED);
    }
}

fn found(stream: &[u8], options: ParserOptions) -> Vec<Found> {
    parse(stream, &[], options).into_iter().map(Found::from).collect()
}

fn event(block: &str) -> Found {
    Found::Event(block.as_bytes().to_vec())
}

#[test]
fn what_leaves_is_plain() {
    let cases: &[(&[u8], &[&str])] = &[
        (b"data: x\r\ndata:y\r\r", &["data: x\ndata:y\n\n"]),
        (b": c\ndata: x\n: d\nid: 1\n\n", &["data: x\nid: 1\n\n"]),
        (b"retry: -1\ndata: x\nretry: no\n\n", &["data: x\n\n"]),
        (
            b"id: 1\ndata: x\nid: 2\nevent: e\n\n",
            &["data: x\nid: 2\nevent: e\n\n"],
        ),
        (b"id: 1\nid: 2\0\ndata: x\n\n", &["id: 1\ndata: x\n\n"]),
        (b"id\ndata\n\n", &["id\ndata\n\n"]),
        (b"id: 7\nevent: e\n\n", &["id: 7\nevent: e\n\n"]),
        (b"event: e\n\ndata: x\n\n", &["data: x\n\n"]),
        (b"\xEF\xBB\xBFdata: x\n\n", &["data: x\n\n"]),
        (b"\xEF\xBB\xBF\xEF\xBB\xBFdata: x\ndata: y\n\n", &["data: y\n\n"]),
    ];
    for (stream, blocks) in cases {
        let blocks: Vec<_> = blocks.iter().map(|block| event(block)).collect();
        assert_eq!(found(stream, UNLIMITED), blocks, "{}", stream.escape_ascii());
        assert_agreement_everywhere(stream, UNLIMITED);
    }
}

#[test]
fn comments_come_before_the_block_in_which_they_stood() {
    let comment = |line: &str| Found::Comment(line.as_bytes().to_vec());
    assert_eq!(
        found(b":\r\n\r\ndata: x\n: y\r\n\n:z", WITH_COMMENTS),
        [comment(":\n"), comment(": y\n"), event("data: x\n\n")]
    );
}

#[test]
fn a_plain_event_in_one_read_is_a_slice_of_it() {
    let read = Bytes::from_static(b":\n\nid: 1\ndata: x\n\n: y\ndata: z\n\n");
    let mut parser = Parser::new(UNLIMITED);
    parser.push(read.clone());
    for place in [3..18, 22..31] {
        let Some(Item::Event(event)) = parser.next_item() else {
            panic!("an event")
        };
        assert_eq!(event.block().as_ptr_range(), read[place].as_ptr_range());
    }
    assert!(parser.next_item().is_none());
}

#[test]
fn an_event_is_complete_with_the_cr_of_its_blank_line() {
    let mut parser = Parser::new(UNLIMITED);
    parser.push(Bytes::from_static(b"data: x\r\n\r"));
    assert!(matches!(parser.next_item(), Some(Item::Event(event)) if event.block() == "data: x\n\n"));
    assert!(parser.next_item().is_none());
    // The rest of the CRLF is no blank line of its own, and the next LF is one.
    parser.push(Bytes::from_static(b"\nid: 2"));
    assert!(parser.next_item().is_none());
    parser.push(Bytes::from_static(b"\n\n"));
    assert!(matches!(parser.next_item(), Some(Item::Event(event)) if event.block() == "id: 2\n\n"));
}

#[test]
fn a_new_connection_forgets_what_was_incomplete() {
    let beginnings: &[&[u8]] = &[
        b"data: x",
        b"data: x\n",
        b"id: 1\r",
        b"\xEF\xBB",
        b"",
        b": c",
        b"data: a very long line of an event",
        b"data: x\n\nid: 5\n",
    ];
    for beginning in beginnings {
        for options in [UNLIMITED, limited(20)] {
            let mut parser = Parser::new(options);
            parse_with(&mut parser, beginning, &[], options);
            parser.reset();
            assert_eq!(parser.buffered_bytes(), 0);
            let again = parse_with(&mut parser, b"\xEF\xBB\xBF\ndata: y\n\n", &[2], options);
            let again: Vec<_> = again.into_iter().map(Found::from).collect();
            assert_eq!(again, [event("data: y\n\n")], "after {}", beginning.escape_ascii());
        }
    }
    // In the middle of a read, too.
    let mut parser = Parser::new(UNLIMITED);
    parser.push(Bytes::from_static(b"data: 1\n\ndata: 2\n\n"));
    assert!(parser.next_item().is_some());
    parser.reset();
    assert!(parser.next_item().is_none());
}

#[test]
fn a_read_pushed_too_early_is_not_lost() {
    let mut parser = Parser::new(UNLIMITED);
    let mut blocks = Vec::new();
    for read in [&b"\xEF\xBB"[..], b"\xBFdata: 1\n\ndata: 2\n", b"\r", b"\ndata: 3\n\n"] {
        parser.push(Bytes::from_static(read));
        blocks.extend(parser.next_item().map(Found::from));
    }
    blocks.extend(std::iter::from_fn(|| parser.next_item()).map(Found::from));
    assert_eq!(
        blocks,
        [event("data: 1\n\n"), event("data: 2\n\n"), event("data: 3\n\n")]
    );
}

#[test]
fn an_oversized_block_is_dropped_whole_and_told_of_once() {
    let oversized = |bytes, id: Option<&str>| Found::Oversized(bytes, id.map(|id| id.as_bytes().to_vec()));
    let cases: &[(&[u8], &[Found])] = &[
        // 16 bytes fit, 17 don't, however the line ends are written.
        (b"data: 89abcdef\n\n", &[event("data: 89abcdef\n\n")]),
        (b"data: 89abcdef\r\n\r\n", &[event("data: 89abcdef\n\n")]),
        (
            b"data: 89abcdef0\n\ndata: x\n\n",
            &[oversized(17, None), event("data: x\n\n")],
        ),
        (b"data: 6789\nid: 6\n\n", &[oversized(18, Some("6"))]),
        (b"id: 5\ndata: cdef\n\n", &[oversized(18, Some("5"))]),
        (
            b"id: 5\ndata: cdefgh\nid: 6\nretry: 1\nid: 7\0\nid: longer than the limit\n\n",
            &[Found::Retry(1), oversized(68, Some("6"))],
        ),
        (b"data: a line that does not end", &[]),
        // Comments never count.
        (
            b": a comment longer than the limit\ndata: x\n: another, just as long as that\n\n",
            &[event("data: x\n\n")],
        ),
    ];
    for (stream, expected) in cases {
        assert_eq!(found(stream, limited(16)), *expected, "{}", stream.escape_ascii());
        assert_agreement_everywhere(stream, limited(16));
    }
}

#[test]
fn lines_without_end_stay_within_the_bound() {
    let options = ParserOptions {
        event_bytes_max: 1000,
        comments: true,
    };
    for beginning in [
        "data: ",
        ":",
        "id: ",
        "retry: ",
        "",
        "\u{feff}\u{feff}",
        "event",
        "data: x\nid: 1\nid:",
    ] {
        let mut parser = Parser::new(options);
        parse_with(&mut parser, beginning.as_bytes(), &[], options);
        for _ in 0..200 {
            assert!(parse_with(&mut parser, &[b'x'; 333], &[], options).is_empty());
        }
    }
    // Nor do short lines without a blank one add up.
    for line in ["data: x\n", ": x\n", "id: x\n", "retry: x\n", "x\n"] {
        let mut parser = Parser::new(options);
        for _ in 0..2000 {
            parse_with(&mut parser, line.as_bytes(), &[1], options);
        }
    }
}

#[test]
fn a_long_quiet_time_of_comments_costs_the_next_event_nothing() {
    let mut stream = b": still here\n".repeat(1000);
    stream.extend_from_slice(b"data: x\n\n");
    assert_eq!(found(&stream, limited(20)), [event("data: x\n\n")]);
    let cuts: Vec<_> = (1..stream.len()).collect();
    assert_agreement(&stream, &cuts, limited(20));
}

#[test]
fn work_is_linear_in_the_bytes() {
    // Each of these would take hours if a byte were looked at again for each later one.
    let byte_by_byte = |stream: &[u8]| {
        let options = limited(4 << 20);
        let mut parser = Parser::new(options);
        let mut items = Vec::new();
        for byte in stream {
            parser.push(Bytes::copy_from_slice(&[*byte]));
            items.extend(std::iter::from_fn(|| parser.next_item()).map(Found::from));
        }
        assert_eq!(items, self::items(stream, options));
    };
    let one_line = [&b"data: "[..], &[b'x'; 1 << 20], b"\n\n"].concat();
    byte_by_byte(&one_line);
    let many_ids = [b"id: 1\ndata: xxxxxxxxxxxxxxxx\n".repeat(20_000), b"\n".to_vec()].concat();
    assert_eq!(found(&many_ids, limited(4 << 20)).len(), 1);
}

#[test]
fn nothing_at_all_fits_into_no_bytes() {
    let stream = b"data: x\n\n:\nid: 1\n\nretry: 5\n\n";
    assert_agreement_everywhere(
        stream,
        ParserOptions {
            event_bytes_max: 0,
            comments: true,
        },
    );
    assert_agreement_everywhere(
        stream,
        ParserOptions {
            event_bytes_max: usize::MAX,
            comments: true,
        },
    );
}

#[test]
fn the_cap_of_the_reconnection_time_can_be_added_to_a_clock() {
    assert_eq!(
        fanfare::event_stream::RECONNECTION_TIME_MAX,
        Duration::from_millis(u32::MAX.into())
    );
    assert_eq!(dispatch(b""), Dispatched::default());
}

/// Pieces of which hostile streams are made.
const PIECES: &[&[u8]] = &[
    b"\n", b"\n", b"\n", b"\n\n", b"\r", b"\r\r", b"\r\n", b"\r\n\r\n", b"\n\r", b"data", b"data:", b"data: ", b"data: x\n", b"data: xy\n\n",
    b"event", b"event: ", b"event: e\n", b"event:\r", b"id", b"id:", b"id: ", b"id: 1\n", b"id: 22\r\n", b"id\n\n", b"retry", b"retry: ",
    b"retry: 10\n", b"retry: 1x\r", b"retry:\n", b"99999999999999999999", b":", b": c\n", b":\n\n", b" ", b"\0", b"\xEF", b"\xBB", b"\xBF",
    b"\xEF\xBB\xBF", b"\xEF\xBB\xBFdata: b\n", b"x", b"0", b"dat", b"a", b"ID: 3\n", b"other: field\n", b"\xFF\xFE", b"\xC3",
    b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];

fn stream(pieces: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    let bom = prop::option::weighted(0.2, Just(b"\xEF\xBB\xBF".to_vec())).prop_map(Option::unwrap_or_default);
    let pieces = prop::collection::vec(prop::sample::select(PIECES), pieces).prop_map(|pieces| pieces.concat());
    (bom, pieces).prop_map(|(bom, pieces)| [bom, pieces].concat())
}

fn options() -> impl Strategy<Value = ParserOptions> {
    let limit = prop_oneof![3 => Just(UNLIMITED.event_bytes_max), 2 => 0usize..40, 1 => 40usize..400];
    (limit, any::<bool>()).prop_map(|(event_bytes_max, comments)| ParserOptions {
        event_bytes_max,
        comments,
    })
}

fn cuts(stream: &[u8], cuts: Vec<prop::sample::Index>) -> Vec<usize> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    cuts.sort_unstable();
    cuts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn short_streams_at_every_cut(stream in stream(0..12), options in options()) {
        assert_agreement_everywhere(&stream, options);
        if stream.len() <= 40 {
            assert_agreement_in_three(&stream, options);
        }
    }

    #[test]
    fn long_streams_at_random_cuts(stream in stream(20..300), at in prop::collection::vec(any::<prop::sample::Index>(), 0..40), options in options()) {
        assert_agreement(&stream, &[], options);
        assert_agreement(&stream, &cuts(&stream, at), options);
        assert_agreement(&stream, &(1..stream.len()).collect::<Vec<_>>(), options);
    }

    #[test]
    fn arbitrary_bytes(stream in prop::collection::vec(any::<u8>(), 0..300), at in prop::collection::vec(any::<prop::sample::Index>(), 0..8), options in options()) {
        assert_agreement(&stream, &cuts(&stream, at), options);
    }
}
