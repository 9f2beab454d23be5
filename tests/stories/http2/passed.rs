//! What is passed to an origin, frame by frame: what of a request and an answer only HTTP/2 can
//! spell, and what the origin, which speaks HTTP/1.1, must never see of it.
//!
//! (`tests/stories_http2` tells the stories of `tests/stories/proxy` again.)

use crate::support::frames::{
    DATA, END_HEADERS, END_STREAM, Frame, FramePeer, GOAWAY, HEADERS, RST_STREAM, block, block_of_bytes, fields, frame,
    request,
};
use crate::support::origin::TestOrigin;
use crate::support::process::TestProcess;
use crate::support::relay::{Setup, TestRelay};
use crate::support::wire::{Start, Wire};
use std::net::SocketAddr;
use tokio::net::TcpListener;

const WHOLE: u8 = END_HEADERS | END_STREAM;
const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A relay in front of an origin of which it passes everything.
async fn front() -> (TestRelay, TcpListener) {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // Nobody listens at the source's.
    let setup = Setup::at("http://127.0.0.1:9/sse").top(&pass(origin.local_addr().unwrap()));
    (setup.start(), origin)
}

fn pass(origin: SocketAddr) -> String {
    format!("pass: [ {{ prefix: /, to: \"http://{origin}\" }} ]")
}

/// The next frame of an answer.
async fn next_of(peer: &mut FramePeer, stream: u32) -> Frame {
    loop {
        let frame = peer.next().await.expect("the connection goes on");
        if frame.stream == stream {
            return frame;
        }
    }
}

/// What the origin is asked next, by a request that is beyond doubt.
async fn next_at_the_origin(peer: &mut FramePeer, stream: u32, origin: &TcpListener) -> Start {
    peer.get(stream, "/next").await;
    let mut asked = Wire::accept(origin).await;
    let start = asked.start().await;
    asked
        .send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert_eq!(next_of(peer, stream).await.kind, HEADERS);
    start
}

/// Bytes that end a line or a field in HTTP/1.1, in every place where HTTP/2 can put them.
#[tokio::test]
async fn nothing_ends_a_line_at_the_origin() {
    let (relay, origin) = front().await;
    let mut peer = FramePeer::open(relay.address).await;
    let mut stream = 1;
    let inside = b"x\r\n\r\nGET /admin HTTP/1.1\r\nHost: h\r\n\r\n";
    let pieces: [&[u8]; 6] = [inside, b"a\nb: c", b"a\rb", b"a\0", b"\x7f", b"a\x0b"];
    let places = [
        ":method",
        ":path",
        ":authority",
        "name",
        "x-value",
        "cookie",
        "te",
        "content-length",
        "host",
    ];
    for piece in pieces {
        for place in places {
            let mut fields: Vec<(Vec<u8>, Vec<u8>)> = [
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/page"),
                (":authority", "relay.test"),
            ]
            .map(|(name, value)| (name.into(), value.into()))
            .to_vec();
            match fields.iter_mut().find(|field| field.0 == place.as_bytes()) {
                Some(field) => field.1.extend_from_slice(piece),
                None if place == "name" => fields.push((piece.to_vec(), b"v".to_vec())),
                None => fields.push((place.into(), piece.to_vec())),
            }
            peer.send(&frame(HEADERS, WHOLE, stream, &block_of_bytes(&fields)))
                .await;
            let answer = next_of(&mut peer, stream).await;
            let is_refused = match answer.kind {
                RST_STREAM => answer.code() == 1,
                HEADERS => fields_of(&answer)[0].1 == "400",
                _ => false,
            };
            assert!(is_refused, "{place} {}: {answer:?}", piece.escape_ascii());
            stream += 2;
        }
    }
    assert_eq!(
        next_at_the_origin(&mut peer, stream, &origin).await.line,
        "GET /next HTTP/1.1"
    );
    // Each is counted, as one of HTTP/1.1 is.
    let refused = relay.metric(r#"fanfare_refused_total{reason="bad_request"}"#);
    assert_eq!(refused, (pieces.len() * places.len()) as f64);
}

fn fields_of(head: &Frame) -> Vec<(String, String)> {
    fields(&head.payload)
}

/// A target passes byte for byte, or not at all.
#[tokio::test]
async fn a_path_passes_as_it_is_or_not_at_all() {
    let (relay, origin) = front().await;
    let mut peer = FramePeer::open(relay.address).await;
    let mut stream = 1;
    for (path, passes) in [
        (&b"/a%2Fb;c=d/%7e?x=%00&y=/../"[..], true),
        (b"/a//b", true),
        (b"/[a]|{b}", true),
        ("/\u{e4}?\u{f6}".as_bytes(), true),
        (b"/?", true),
        (b"", false),
        (b"*", false),
        (b"a", false),
        (b"?a", false),
        (b"http://other.test/a", false),
        (b"/a b", false),
        (b"/a\tb", false),
        (b"/a#b", false),
        (b"/a?b#c", false),
        (b"/../a", false),
        (b"/a/%2e%2e/b", false),
        (b"/a\\b", false),
    ] {
        let head = [
            (&b":method"[..], &b"GET"[..]),
            (b":scheme", b"http"),
            (b":path", path),
            (b":authority", b"relay.test"),
        ];
        peer.send(&frame(HEADERS, WHOLE, stream, &block_of_bytes(&head))).await;
        if passes {
            let mut asked = Wire::accept(&origin).await;
            let wanted: String = path.iter().map(|byte| char::from(*byte)).collect();
            assert_eq!(asked.start().await.target(), wanted);
            asked.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
        }
        let answer = next_of(&mut peer, stream).await;
        let status = (answer.kind == HEADERS).then(|| fields_of(&answer)[0].1.clone());
        match passes {
            true => assert_eq!(status.as_deref(), Some("204"), "{}", path.escape_ascii()),
            false => assert!(
                answer.kind == RST_STREAM || status.as_deref() == Some("400"),
                "{}: {answer:?}",
                path.escape_ascii()
            ),
        }
        stream += 2;
    }
    assert_eq!(
        next_at_the_origin(&mut peer, stream, &origin).await.line,
        "GET /next HTTP/1.1"
    );
}

/// A body that is longer or shorter than its length says is none, and what is behind it no request.
#[tokio::test]
async fn a_body_is_as_long_as_it_says_or_breaks_off_at_the_origin() {
    let (relay, origin) = front().await;
    let mut peer = FramePeer::open(relay.address).await;
    let smuggled = b"GET /admin HTTP/1.1\r\nHost: h\r\n\r\n";
    let short = [frame(DATA, END_STREAM, 1, b"abc")].concat();
    let long = [frame(DATA, 0, 3, b"abcd"), frame(DATA, END_STREAM, 3, smuggled)].concat();
    let behind = [
        frame(DATA, 0, 5, b"ab"),
        frame(HEADERS, WHOLE, 5, &block(&[("x-sum", "1")])),
    ]
    .concat();
    for (stream, body) in [(1, short), (3, long), (5, behind)] {
        let post = [request("POST", "/up"), block(&[("content-length", "4")])].concat();
        peer.send(&frame(HEADERS, END_HEADERS, stream, &post)).await;
        let mut asked = Wire::accept(&origin).await;
        let start = asked.start().await;
        assert_eq!(
            (start.value("content-length"), start.value("transfer-encoding")),
            (Some("4"), None)
        );
        peer.send(&body).await;
        let reset = next_of(&mut peer, stream).await;
        assert_eq!((reset.kind, reset.code()), (RST_STREAM, 1));
        let came = asked.rest().await;
        assert!(came.len() <= 4 && b"abcd".starts_with(&came), "{}", came.escape_ascii());
    }
    // And one whose length is known passes with it, without zeros in front.
    let post = [request("POST", "/up"), block(&[("content-length", "0004")])].concat();
    peer.send(&frame(HEADERS, END_HEADERS, 7, &post)).await;
    peer.send(&frame(DATA, END_STREAM, 7, b"abcd")).await;
    let mut asked = Wire::accept(&origin).await;
    let start = asked.start().await;
    assert_eq!(start.all("content-length"), ["4"]);
    assert_eq!(asked.content(&start).await.bytes, b"abcd");
}

/// What a request may not bring over HTTP/2, the origin's connection gets from the relay alone.
#[tokio::test]
async fn fields_of_a_connection_come_from_the_relay_alone() {
    let (relay, origin) = front().await;
    let mut peer = FramePeer::open(relay.address).await;
    let mut stream = 1;
    for (name, value) in [
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("connection", "x-forwarded-for"),
        ("connection", "keep-alive"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("upgrade", "h2c"),
        ("http2-settings ", "AAMAAABkAAQCAAAAAAIAAAAA"),
        ("te", "trailers, gzip"),
        ("Transfer-Encoding", "chunked"),
        ("transfer-encoding ", "chunked"),
        ("transfer-encoding:", "chunked"),
        (":status", "200"),
    ] {
        let post = [request("POST", "/up"), block(&[(name, value)])].concat();
        peer.send(&frame(HEADERS, WHOLE, stream, &post)).await;
        let reset = next_of(&mut peer, stream).await;
        assert_eq!((reset.kind, reset.code()), (RST_STREAM, 1), "{name}: {value}");
        stream += 2;
    }
    assert_eq!(
        next_at_the_origin(&mut peer, stream, &origin).await.line,
        "GET /next HTTP/1.1"
    );
}

/// Requests that are with the origin at the same time get each its own answer, in whatever order
/// those come.
#[tokio::test]
async fn answers_go_to_those_who_asked() {
    const REQUESTS: u32 = 20;
    let (relay, origin) = front().await;
    let mut peer = FramePeer::open(relay.address).await;
    for n in 0..REQUESTS {
        peer.get(2 * n + 1, &format!("/{n}")).await;
    }
    let mut asked = Vec::new();
    for _ in 0..REQUESTS {
        let mut wire = Wire::accept(&origin).await;
        let target = wire.start().await.target().to_owned();
        asked.push((wire, target));
    }
    asked.reverse();
    for (wire, target) in &mut asked {
        let body = format!("the body of {target}.");
        let answer = format!(
            "HTTP/1.1 200 OK\r\nX-Of: {target}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        wire.send(answer).await;
    }
    let mut bodies = vec![String::new(); REQUESTS as usize];
    let mut ended = 0;
    while ended < REQUESTS {
        let frame = peer.next().await.expect("answers");
        let n = (frame.stream / 2) as usize;
        match frame.kind {
            HEADERS => assert!(fields_of(&frame).contains(&("x-of".to_owned(), format!("/{n}")))),
            DATA => bodies[n] += std::str::from_utf8(&frame.payload).unwrap(),
            _ => continue,
        }
        ended += u32::from(frame.flags & END_STREAM != 0);
    }
    for (n, body) in bodies.iter().enumerate() {
        assert_eq!(*body, format!("the body of /{n}."));
    }
}

/// An answer is made fit for HTTP/2: no field of the origin's connection, no interim answer that
/// was not asked for, no change of protocol.
#[tokio::test]
async fn answers_are_made_fit() {
    let (relay, origin) = front().await;
    let mut peer = FramePeer::open(relay.address).await;
    peer.get(1, "/").await;
    let mut asked = Wire::accept(&origin).await;
    asked.start().await;
    asked
        .send(
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n\
             Keep-Alive: timeout=5\r\nProxy-Connection: close\r\nUpgrade: h2c\r\nX-Case: Kept\r\nContent-Length: 0\r\n\r\n",
        )
        .await;
    let head = next_of(&mut peer, 1).await;
    let names: Vec<String> = fields_of(&head).into_iter().map(|field| field.0).collect();
    for name in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "upgrade",
        "x-hop",
        "transfer-encoding",
        "link",
    ] {
        assert!(!names.iter().any(|found| found == name), "{names:?}");
    }
    assert!(fields_of(&head).contains(&("x-case".to_owned(), "Kept".to_owned())));
    assert!(head.flags & END_STREAM != 0);
    peer.get(3, "/").await;
    let mut asked = Wire::accept(&origin).await;
    asked.start().await;
    asked
        .send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    assert_eq!(fields_of(&next_of(&mut peer, 3).await)[0].1, "502");
}

/// Trailers go to a client that says that it takes them.
#[tokio::test]
async fn trailers_go_to_those_who_take_them() {
    let (relay, origin) = front().await;
    let mut peer = FramePeer::open(relay.address).await;
    for (stream, te) in [(1, None), (3, Some(("te", "trailers")))] {
        let get = [request("GET", "/"), block(&te.into_iter().collect::<Vec<_>>())].concat();
        peer.send(&frame(HEADERS, WHOLE, stream, &get)).await;
        let mut asked = Wire::accept(&origin).await;
        let start = asked.start().await;
        assert_eq!(start.value("te"), te.map(|te| te.1));
        asked
            .send(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\
                 X-Sum: 1\r\nContent-Length: 9\r\nSet-Cookie: a\r\n\r\n",
            )
            .await;
        assert_eq!(next_of(&mut peer, stream).await.kind, HEADERS);
        assert_eq!(next_of(&mut peer, stream).await.payload, b"ab");
        let last = next_of(&mut peer, stream).await;
        assert!(last.flags & END_STREAM != 0);
        match te {
            None => assert_eq!(last.kind, DATA),
            Some(_) => assert_eq!(fields_of(&last), [("x-sum".to_owned(), "1".to_owned())]),
        }
    }
}

/// A drain ends an event stream of the origin's own between two events, and waits for answers.
#[tokio::test]
async fn a_drain_ends_what_has_no_end_and_waits_for_what_has() {
    let source = TestOrigin::start().await;
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let top = format!(
        "drain: {{ spread: 300ms, timeout: 19s }}\n{}",
        pass(origin.local_addr().unwrap())
    );
    let mut process = TestProcess::start(&Setup::over(&source).top(&top)).await;
    let mut peer = FramePeer::open(process.address).await;
    peer.get(1, "/sse").await;
    let mut streaming = Wire::accept(&origin).await;
    streaming.start().await;
    streaming.send(STREAM).await;
    streaming.chunk("data: a\n\ndata: b").await;
    peer.get(3, "/page").await;
    let mut page = Wire::accept(&origin).await;
    page.start().await;
    assert_eq!(peer.until(1, "data: b").await, "data: a\n\ndata: b");
    process.terminate();
    process.logged("draining").await;
    streaming.chunk("\n\ndata: c").await;
    let (mut body, mut announced) = (Vec::new(), false);
    loop {
        let frame = peer.next().await.expect("an end");
        assert_ne!(frame.kind, RST_STREAM);
        announced |= frame.kind == GOAWAY;
        if frame.kind == DATA && frame.stream == 1 {
            body.extend_from_slice(&frame.payload);
            if frame.flags & END_STREAM != 0 {
                break;
            }
        }
    }
    // Whether its turn came before that piece or after it: the end is in order.
    let body = String::from_utf8(body).unwrap();
    assert!(["", "\n\n", "\n\ndata: c"].contains(&body.as_str()), "{body:?}");
    assert!(announced && !process.has_ended());
    page.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await;
    assert_eq!(peer.until(3, "done").await, "done");
    assert_eq!(process.exit().await.code(), Some(0));
}
