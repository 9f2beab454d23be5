//! The cases that the standard's own tests have.

use crate::reference::{Dispatched, dispatch};
use crate::{UNLIMITED, WITH_COMMENTS, assert_agreement_everywhere, assert_agreement_in_three};
use fanfare::event_stream::ParserOptions;
use std::time::Duration;

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

#[test]
fn the_cap_of_the_reconnection_time_can_be_added_to_a_clock() {
    assert_eq!(
        fanfare::event_stream::RECONNECTION_TIME_MAX,
        Duration::from_millis(u32::MAX.into())
    );
    assert_eq!(dispatch(b""), Dispatched::default());
}
