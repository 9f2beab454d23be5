//! What is too long, and what much of it costs.

use crate::reference::{Found, assert_agreement, items, parse_with};
use crate::{assert_agreement_everywhere, event, found, limited};
use bytes::Bytes;
use fanfare::event_stream::{Parser, ParserOptions};

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
            while let Some(item) = parser.next_item() {
                items.push(Found::from(item));
            }
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
