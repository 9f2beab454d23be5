//! Streams from their request to their end: heads, bodies, windows, leaving.

use super::*;

#[test]
fn settings_come_first_and_are_acknowledged() {
    let mut peer = Peer::silent();
    let ours = peer.take_output();
    assert_eq!(ours[0].0, kind::SETTINGS);
    assert_eq!((ours[1].0, ours[1].2), (kind::WINDOW_UPDATE, 0));
    peer.send(PREFACE);
    peer.send(&setting(4, 70_000));
    assert_eq!(peer.take_output(), [(kind::SETTINGS, flag::ACK, 0, Vec::new())]);
    peer.send(&frame(kind::SETTINGS, flag::ACK, 0, &[]));
    assert!(peer.take_output().is_empty() && peer.events.is_empty());
    for first in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX"] {
        let mut peer = Peer::silent();
        peer.send(first);
        assert_eq!(peer.failure(), Some(ErrorCode::Protocol as u32));
    }
    let mut peer = Peer::silent();
    peer.send(PREFACE);
    peer.send(&frame(kind::PING, 0, 0, &[0; 8]));
    assert_eq!(
        peer.failure(),
        Some(ErrorCode::Protocol as u32),
        "something before the settings"
    );
}

#[test]
fn a_request_is_answered() {
    let mut peer = Peer::new();
    peer.send(&frame(kind::HEADERS, WHOLE, 1, GET));
    let Some(Event::Request {
        stream,
        head,
        has_body: false,
    }) = peer.events.pop()
    else {
        panic!("a request");
    };
    assert_eq!(head.expect("a request").request.uri(), "/");
    let mut fields = HeaderMap::new();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    fields.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    peer.connection.set_owner(stream, 7);
    peer.connection
        .send_head(stream, &HeadBlock::new(StatusCode::OK, &fields), false);
    assert_eq!(peer.connection.send_data(stream, b"data: a\n\n"), 9);
    assert_eq!(peer.connection.end(stream), Some(7));
    let output = peer.take_output();
    let mut read = Vec::new();
    let mut take = |name: &[u8], value: &[u8]| read.push([name, b"=", value].concat());
    Decoder::new(0).decode(&output[0].3, 1000, &mut take).expect("a head");
    assert_eq!(read, [&b":status=200"[..], b"content-type=text/event-stream"]);
    assert_eq!(output[1], (kind::DATA, 0, 1, b"data: a\n\n".to_vec()));
    assert_eq!(output[2], (kind::DATA, flag::END_STREAM, 1, Vec::new()));
    assert_eq!(peer.connection.streams(), 0);
    assert_eq!(peer.connection.send_data(stream, b"a"), 0, "it is over");
}

#[test]
fn a_body_comes_in_parts_and_is_given_back() {
    let mut peer = Peer::new();
    peer.send(&frame(kind::HEADERS, HEAD, 1, POST));
    let Some(Event::Request {
        stream, has_body: true, ..
    }) = peer.events.pop()
    else {
        panic!("a request");
    };
    let mut padded = vec![3];
    padded.extend_from_slice(&[b'x'; 16_000]);
    padded.extend_from_slice(&[0; 3]);
    for _ in 0..4 {
        peer.send(&frame(kind::DATA, flag::PADDED, 1, &padded));
    }
    let bytes = peer.events.drain(..).map(|event| match event {
        Event::Data(key, bytes) if key == stream => bytes.len(),
        other => panic!("{other:?}"),
    });
    assert_eq!(bytes.sum::<usize>(), 64_000);
    peer.connection.release(stream, 40_000);
    let output = peer.take_output();
    assert!(matches!(&output[..], [(kind::WINDOW_UPDATE, 0, 1, _)]), "{output:?}");
    peer.send(&frame(kind::DATA, flag::END_STREAM, 1, b"y"));
    assert!(matches!(peer.events[..], [Event::Data(..), Event::RequestEnded(_)]));
    // More than the window.
    let mut peer = Peer::new();
    peer.send(&frame(kind::HEADERS, HEAD, 1, POST));
    for _ in 0..5 {
        peer.send(&frame(kind::DATA, 0, 1, &[b'x'; 16_000]));
    }
    assert_eq!(peer.reset(), Some((1, ErrorCode::FlowControl as u32)));
}

#[test]
fn what_is_not_wanted_of_a_body_is_reset_without_an_error() {
    let mut peer = Peer::new();
    peer.send(&frame(kind::HEADERS, HEAD, 1, POST));
    let Some(Event::Request { stream, .. }) = peer.events.pop() else {
        panic!("a request");
    };
    let head = HeadBlock::new(StatusCode::PAYLOAD_TOO_LARGE, &HeaderMap::new());
    peer.connection.set_owner(stream, 1);
    assert_eq!(peer.connection.send_head(stream, &head, true), Some(1));
    assert_eq!(peer.reset(), Some((1, ErrorCode::NoError as u32)));
    // What was on its way means nothing.
    peer.send(&frame(kind::DATA, flag::END_STREAM, 1, b"rest"));
    assert!(peer.take_output().is_empty() && peer.events.is_empty());
}

#[test]
fn a_shut_window_holds_a_stream_back_alone() {
    let mut peer = Peer::new();
    peer.send(&setting(4, 1000));
    let (first, second) = (peer.stream(1), peer.stream(3));
    peer.connection.set_unread_max(first, 1 << 20);
    assert_eq!(peer.connection.send_data(first, &[b'x'; 3000]), 1000);
    assert_eq!(peer.connection.send_data(first, &[b'x'; 2000]), 0);
    assert_eq!(peer.connection.send_data(second, &[b'y'; 500]), 500);
    peer.take_output();
    assert!(peer.events.is_empty(), "room on the connection is none on the stream");
    peer.send(&update(1, 400));
    assert!(peer.events.is_empty(), "crumbs are no room");
    peer.send(&update(1, 200));
    assert!(matches!(peer.events.pop(), Some(Event::Room(key)) if key == first));
    assert_eq!(peer.connection.send_data(first, &[b'x'; 2000]), 600);
    // Settings open windows, too.
    peer.send(&setting(4, 9000));
    assert!(matches!(peer.events.pop(), Some(Event::Room(key)) if key == first));
}

#[test]
fn a_full_socket_holds_all_streams_back() {
    let mut peer = Peer::new();
    let stream = peer.stream(1);
    peer.send(&update(0, 1 << 20));
    peer.send(&update(1, 1 << 20));
    peer.connection.set_unread_max(stream, 1 << 24);
    let taken = peer.connection.send_data(stream, &[b'x'; 200_000]);
    assert!((32_000..50_000).contains(&taken), "the output has a bound: {taken}");
    peer.connection.blocked();
    let half = peer.connection.unsent().len() / 2;
    peer.connection.sent(half, &mut peer.events);
    assert_eq!(peer.connection.send_data(stream, b"more"), 0);
    assert!(peer.events.is_empty());
    peer.take_output();
    assert!(matches!(peer.events.pop(), Some(Event::Room(key)) if key == stream));
    assert!(peer.connection.send_data(stream, &[b'x'; 200_000]) > 30_000);
}

#[test]
fn a_long_head_goes_in_several_frames() {
    let mut peer = Peer::new();
    peer.send(&frame(kind::HEADERS, WHOLE, 1, GET));
    let Some(Event::Request { stream, .. }) = peer.events.pop() else {
        panic!("a request");
    };
    let mut fields = HeaderMap::new();
    let long = "v".repeat(20_000);
    fields.insert("x-long", long.parse().expect("a value"));
    fields.insert("x-longer", long.repeat(2).parse().expect("a value"));
    peer.connection
        .send_head(stream, &HeadBlock::new(StatusCode::OK, &fields), true);
    let output = peer.take_output();
    let kinds: Vec<_> = output.iter().map(|frame| (frame.0, frame.1)).collect();
    let (headers, continuation) = (kind::HEADERS, kind::CONTINUATION);
    assert_eq!(
        kinds,
        [(headers, 1), (continuation, 0), (continuation, 0), (continuation, 4)]
    );
    let block: Vec<u8> = output.into_iter().flat_map(|frame| frame.3).collect();
    let mut values = 0;
    let count = |_: &[u8], value: &[u8]| values += value.len();
    Decoder::new(0).decode(&block, 100_000, count).expect("a head");
    assert_eq!(values, 60_003);
}

#[test]
fn trailers_end_a_response_and_need_no_window() {
    let mut peer = Peer::new();
    peer.send(&setting(4, 10));
    let stream = peer.stream(1);
    assert_eq!(peer.connection.send_data(stream, &[b'x'; 10]), 10);
    peer.connection.blocked();
    peer.connection.wait_for_output(stream);
    peer.take_output();
    assert!(matches!(peer.events.pop(), Some(Event::Room(key)) if key == stream));
    let mut fields = HeaderMap::new();
    fields.insert("content-length", HeaderValue::from_static("7"));
    assert!(HeadBlock::trailers(&fields).is_none());
    fields.insert("x-sum", HeaderValue::from_static("1"));
    let trailers = HeadBlock::trailers(&fields).expect("one field");
    assert_eq!(peer.connection.send_trailers(stream, &trailers), Some(1));
    let output = peer.take_output();
    assert_eq!(output, [(kind::HEADERS, WHOLE, 1, b"\x00\x05x-sum\x011".to_vec())]);
    assert_eq!(peer.connection.streams(), 0);
}

#[test]
fn it_leaves_in_two_steps() {
    let mut peer = Peer::new();
    let stream = peer.stream(1);
    let last = |peer: &mut Peer| {
        let output = peer.take_output();
        let goaway = output.iter().find(|frame| frame.0 == kind::GOAWAY).expect("a GOAWAY");
        u32::from_be_bytes(*goaway.3.first_chunk().expect("a stream"))
    };
    peer.connection.announce_leaving();
    assert_eq!(last(&mut peer), (1 << 31) - 1);
    peer.stream(3);
    peer.connection.leave(ErrorCode::NoError);
    assert_eq!(last(&mut peer), 3);
    peer.send(&frame(kind::HEADERS, WHOLE, 5, GET));
    assert_eq!(peer.reset(), Some((5, ErrorCode::Refused as u32)));
    assert_eq!(peer.connection.send_data(stream, b"goes on"), 7);
}
