//! What the protocol forbids, and what it says is to be passed over.

use super::*;
use ErrorCode::{Compression, EnhanceYourCalm, FlowControl, FrameSize, Protocol, StreamClosed};

#[test]
fn a_body_has_the_length_that_was_said() {
    let with_length = [POST, b"\x0f\x0d\x015"].concat();
    for (parts, fits) in [
        (&[(&b"12345"[..], flag::END_STREAM)][..], true),
        (&[(b"123", 0), (b"45", flag::END_STREAM)], true),
        (&[(b"12345", 0), (b"", flag::END_STREAM)], true),
        (&[(b"1234", flag::END_STREAM)], false),
        (&[(b"123456", 0)], false),
        (&[(b"", flag::END_STREAM)], false),
    ] {
        let mut peer = Peer::new();
        peer.send(&frame(kind::HEADERS, HEAD, 1, &with_length));
        for (part, flags) in parts {
            peer.send(&frame(kind::DATA, *flags, 1, part));
        }
        let reset = peer.reset();
        assert_eq!(reset.is_none(), fits, "{parts:?}: {reset:?}");
    }
    let mut peer = Peer::new();
    peer.send(&frame(kind::HEADERS, WHOLE, 1, &with_length));
    assert_eq!(peer.reset(), Some((1, ErrorCode::Protocol as u32)));
}

/// What is sent, and the code with which the connection ends.
type Case = (Vec<Vec<u8>>, ErrorCode);

/// Of heads and bodies (RFC 9113, 6.1, 6.2 and 6.10).
fn on_streams() -> Vec<Case> {
    let open = frame(kind::HEADERS, HEAD, 1, POST);
    let part = frame(kind::HEADERS, 0, 1, GET);
    vec![
        (vec![frame(kind::DATA, 0, 0, b"a")], Protocol),
        (vec![frame(kind::DATA, 0, 1, b"a")], Protocol),
        (vec![frame(kind::HEADERS, WHOLE, 0, GET)], Protocol),
        (vec![frame(kind::HEADERS, WHOLE, 2, GET)], Protocol),
        (
            vec![frame(kind::HEADERS, WHOLE, 5, GET), frame(kind::HEADERS, WHOLE, 3, GET)],
            StreamClosed,
        ),
        (
            vec![frame(kind::HEADERS, WHOLE | flag::PADDED, 1, b"\x09\x82")],
            Protocol,
        ),
        (
            vec![open.clone(), frame(kind::DATA, flag::PADDED, 1, b"\x09\x82")],
            Protocol,
        ),
        (
            vec![frame(kind::HEADERS, WHOLE | flag::PRIORITY, 1, b"\x09")],
            FrameSize,
        ),
        (vec![frame(kind::HEADERS, WHOLE, 1, b"\xff\xff")], Compression),
        (vec![part.clone(), frame(kind::CONTINUATION, HEAD, 3, b"")], Protocol),
        (vec![part.clone(), frame(kind::HEADERS, HEAD, 1, b"")], Protocol),
        (vec![part.clone(), frame(0x77, 0, 1, b"")], Protocol),
        (vec![frame(kind::CONTINUATION, HEAD, 1, b"")], Protocol),
    ]
}

/// Of frames with a form of their own (RFC 9113, 6.3 to 6.8).
fn on_the_connection() -> Vec<Case> {
    let open = frame(kind::HEADERS, HEAD, 1, POST);
    let part = frame(kind::HEADERS, 0, 1, GET);
    vec![
        (vec![part.clone(), frame(kind::PING, 0, 0, &[0; 8])], Protocol),
        (vec![frame(kind::PRIORITY, 0, 0, &[0; 5])], Protocol),
        (vec![frame(kind::RST_STREAM, 0, 0, &[0; 4])], Protocol),
        (vec![frame(kind::RST_STREAM, 0, 1, &[0; 4])], Protocol),
        (vec![open.clone(), frame(kind::RST_STREAM, 0, 1, &[0; 3])], FrameSize),
        (vec![frame(kind::SETTINGS, 0, 1, &[])], Protocol),
        (vec![frame(kind::SETTINGS, 0, 0, &[0; 5])], FrameSize),
        (vec![frame(kind::SETTINGS, flag::ACK, 0, &[0; 6])], FrameSize),
        (vec![setting(2, 2)], Protocol),
        (vec![setting(4, 1 << 31)], FlowControl),
        (vec![setting(5, 16_383)], Protocol),
        (vec![setting(5, 1 << 24)], Protocol),
        (vec![frame(kind::PUSH_PROMISE, HEAD, 1, GET)], Protocol),
        (vec![frame(kind::PING, 0, 1, &[0; 8])], Protocol),
        (vec![frame(kind::PING, 0, 0, &[0; 7])], FrameSize),
        (vec![frame(kind::GOAWAY, 0, 0, &[0; 7])], FrameSize),
        (vec![frame(kind::GOAWAY, 0, 1, &[0; 8])], Protocol),
    ]
}

/// Of windows and sizes (RFC 9113, 4.2 and 6.9), and of what has no end.
fn beyond_bounds() -> Vec<Case> {
    let open = frame(kind::HEADERS, HEAD, 1, POST);
    let part = frame(kind::HEADERS, 0, 1, GET);
    vec![
        (
            vec![open.clone(), update(1, (1 << 31) - 1 - 65_535), setting(4, 65_536)],
            FlowControl,
        ),
        (vec![frame(kind::WINDOW_UPDATE, 0, 0, &[0; 3])], FrameSize),
        (vec![update(0, 0)], Protocol),
        (vec![update(1, 1)], Protocol),
        (vec![update(0, (1 << 31) - 1)], FlowControl),
        (vec![vec![0, 0x40, 1, 0, 0, 0, 0, 0, 1]], FrameSize),
        (
            std::iter::once(part.clone())
                .chain((0..64).map(|_| frame(kind::CONTINUATION, 0, 1, b"")))
                .collect(),
            EnhanceYourCalm,
        ),
        (
            std::iter::once(part)
                .chain((0..3).map(|_| frame(kind::CONTINUATION, 0, 1, &[b'x'; 16_384])))
                .collect(),
            EnhanceYourCalm,
        ),
        (
            vec![frame(
                kind::HEADERS,
                WHOLE,
                1,
                &[&b"\x40\x01a\x7f\x91\x06"[..], &[b'x'; 912], &[0xbe; 100]].concat(),
            )],
            EnhanceYourCalm,
        ),
    ]
}

#[test]
fn what_the_protocol_forbids_ends_the_connection() {
    let done = [
        &frame(kind::HEADERS, WHOLE, 1, GET)[..],
        &frame(kind::RST_STREAM, 0, 1, &[0; 4]),
    ]
    .concat();
    let reused = vec![done, frame(kind::HEADERS, WHOLE, 1, GET)];
    let mut cases = vec![(reused, StreamClosed)];
    cases.extend(
        on_streams()
            .into_iter()
            .chain(on_the_connection())
            .chain(beyond_bounds()),
    );
    for (n, (sent, code)) in cases.into_iter().enumerate() {
        let mut peer = Peer::new();
        sent.iter().for_each(|bytes| peer.send(bytes));
        assert_eq!(peer.failure(), Some(code as u32), "case {n}: {:x?}", sent.first());
        peer.send(&frame(kind::HEADERS, WHOLE, 101, GET));
        let more = peer
            .events
            .iter()
            .any(|event| matches!(event, Event::Request { stream, .. } if stream.id == 101));
        assert!(!more, "nothing is read any more");
    }
}

/// Frames after which only the stream ends.
#[test]
fn what_is_wrong_with_a_stream_ends_it_alone() {
    let open = frame(kind::HEADERS, HEAD, 1, POST);
    let whole = frame(kind::HEADERS, WHOLE, 1, GET);
    for (sent, code) in [
        (vec![whole.clone(), frame(kind::DATA, 0, 1, b"a")], StreamClosed),
        (vec![whole.clone(), frame(kind::HEADERS, WHOLE, 1, b"")], StreamClosed),
        (vec![open.clone(), frame(kind::HEADERS, HEAD, 1, b"")], Protocol),
        (vec![open.clone(), frame(kind::HEADERS, WHOLE, 1, GET)], Protocol),
        (vec![whole.clone(), update(1, 0)], Protocol),
        (vec![whole.clone(), update(1, (1 << 31) - 1)], FlowControl),
        (vec![whole, frame(kind::PRIORITY, 0, 1, &[0; 4])], FrameSize),
        (
            vec![frame(kind::HEADERS, WHOLE, 1, b"\x82\x86\x84\x01\x01h\x00\x01A\x01a")],
            Protocol,
        ),
        (vec![frame(kind::HEADERS, WHOLE, 1, b"\x82\x86\x01\x01h")], Protocol),
    ] {
        let mut peer = Peer::new();
        sent.iter().for_each(|bytes| peer.send(bytes));
        assert_eq!(peer.reset(), Some((1, code as u32)), "{sent:x?}");
        assert_eq!(peer.connection.streams(), 0);
        peer.events.clear();
        peer.stream(3);
    }
}

/// RFC 9110, 6.5.1: they end a request, and bring no field that only a head may have.
#[test]
fn trailers_end_a_request() {
    let open = frame(kind::HEADERS, HEAD, 1, POST);
    for (sent, wanted) in [
        (&b"\x00\x01a\x01b"[..], Some("b")),
        (b"\x00\x01a\x01b\x00\x04host\x01x\x00\x0econtent-length\x011", Some("b")),
        (b"\x00\x04host\x01x", None),
        (b"", None),
    ] {
        let mut peer = Peer::new();
        peer.send(&open);
        peer.events.clear();
        peer.send(&frame(kind::HEADERS, WHOLE, 1, sent));
        assert!(matches!(peer.events.pop(), Some(Event::RequestEnded(_))));
        let fields = peer.events.pop().map(|event| match event {
            Event::Trailers(_, fields) => *fields,
            other => panic!("{other:?}"),
        });
        assert_eq!(fields.as_ref().map(HeaderMap::len), wanted.map(|_| 1));
        assert_eq!(
            fields.as_ref().and_then(|fields| fields.get("a")).map(|a| a == "b"),
            wanted.map(|_| true)
        );
    }
}

#[test]
fn what_means_nothing_is_passed_over() {
    let mut peer = Peer::new();
    peer.send(&frame(kind::PRIORITY, 0, 9, &[0; 5]));
    peer.send(&frame(0x10, 0, 0, b"u=1"));
    peer.send(&frame(0xff, 0xff, 7, b"anything"));
    peer.send(&frame(kind::GOAWAY, 0, 0, &[0; 8]));
    peer.send(&setting(0x77, 1));
    assert_eq!(peer.take_output(), [(kind::SETTINGS, flag::ACK, 0, Vec::new())]);
    peer.send(&frame(kind::PING, 0, 0, b"12345678"));
    assert_eq!(peer.take_output(), [(kind::PING, flag::ACK, 0, b"12345678".to_vec())]);
    peer.send(&frame(kind::PING, flag::ACK, 0, b"12345678"));
    assert!(peer.take_output().is_empty());
    let with_priority = [&[0, 0, 0, 0, 9][..], GET].concat();
    peer.send(&frame(kind::HEADERS, WHOLE | flag::PRIORITY, 1, &with_priority));
    assert!(matches!(peer.events.pop(), Some(Event::Request { .. })));
}
