//! What leaves the parser, and when.

use crate::reference::{Found, parse_with};
use crate::{UNLIMITED, WITH_COMMENTS, assert_agreement_everywhere, event, found, limited};
use bytes::Bytes;
use fanfare::event_stream::{Item, Parser};

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
    assert!(matches!(parser.next_item(), Some(Item::Event(event)) if event.block() == b"data: x\n\n"));
    assert!(parser.next_item().is_none());
    // The rest of the CRLF is no blank line of its own, and the next LF is one.
    parser.push(Bytes::from_static(b"\nid: 2"));
    assert!(parser.next_item().is_none());
    parser.push(Bytes::from_static(b"\n\n"));
    assert!(matches!(parser.next_item(), Some(Item::Event(event)) if event.block() == b"id: 2\n\n"));
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
    while let Some(item) = parser.next_item() {
        blocks.push(Found::from(item));
    }
    assert_eq!(
        blocks,
        [event("data: 1\n\n"), event("data: 2\n\n"), event("data: 3\n\n")]
    );
}
