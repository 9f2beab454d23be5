//! The decoder against hyper's, on bodies of all kinds and on every split; and what it refuses.

use super::*;
use crate::upstream::http1::head::HeadReader;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// How a body went: its bytes, and whether it came to its end.
type Read = (Vec<u8>, bool);

/// Feeds an answer in pieces of these sizes, by turns, then ends the connection.
fn decoded(answer: &[u8], pieces: &[usize]) -> Option<Read> {
    let mut reader = HeadReader::default();
    reader.bytes.extend_from_slice(answer);
    let (_, mut decoder) = reader.next().ok()??;
    let mut body = Vec::new();
    let mut rest = reader.bytes;
    for piece in pieces.iter().cycle() {
        if decoder.is_over() {
            return Some((body, true));
        }
        if rest.is_empty() {
            break;
        }
        let mut read = rest.split_to(rest.len().min(*piece));
        let (len, outcome) = decoder.decode(&mut read);
        body.extend_from_slice(&read[..len]);
        if outcome.is_err() {
            return Some((body, false));
        }
    }
    Some((body, decoder.may_end()))
}

/// The same by hyper; `None`: it refuses the head.
fn by_hyper(answer: &[u8]) -> Option<Read> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut origin, io) = tokio::io::duplex(1 << 20);
        let (head, behind) = answer.split_at(memchr::memmem::find(answer, b"\r\n\r\n").unwrap() + 4);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(io)).await.unwrap();
        let driving = tokio::spawn(connection);
        // An answer before its request would be refused.
        let answering = async {
            origin.read_u8().await.unwrap();
            origin.write_all(head).await.unwrap();
        };
        let (asked, ()) = tokio::join!(sender.send_request(Request::new(Empty::<Bytes>::new())), answering);
        let mut body = asked.ok()?.into_body();
        // It may have closed the connection behind an answer without a body.
        let _ = origin.write_all(behind).await;
        let _ = origin.shutdown().await;
        let mut bytes = Vec::new();
        let mut whole = true;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Err(_) => {
                    whole = false;
                    break;
                }
            }
        }
        driving.abort();
        Some((bytes, whole))
    })
}

/// A chunk as it may be written, and now and then as it may not.
fn chunk() -> impl Strategy<Value = Vec<u8>> {
    let size = prop_oneof![Just("{x}"), Just("{X}"), Just("000{x}"), Just("{x} \t")];
    let extension = prop_oneof![8 => Just(""), 1 => Just(";a=b"), 1 => Just(";a=\"b;\"")];
    let breaks = prop_oneof![
        60 => Just("\r\n"),
        1 => Just("\n"),
        1 => Just("\r"),
        1 => Just(""),
        1 => Just("g\r\n"),
        1 => Just(";\n\r\n"),
    ];
    let data = prop::collection::vec(any::<u8>(), 1..40);
    (
        size,
        extension,
        breaks,
        data,
        prop_oneof![60 => Just("\r\n"), 1 => Just("\n"), 1 => Just("x\r\n")],
    )
        .prop_map(|(size, extension, line_end, data, end)| {
            let lower = format!("{:x}", data.len());
            let size = size.replace("{x}", &lower).replace("{X}", &lower.to_uppercase());
            [
                size.as_bytes(),
                extension.as_bytes(),
                line_end.as_bytes(),
                &data,
                end.as_bytes(),
            ]
            .concat()
        })
}

/// What comes behind the chunks.
fn last() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        4 => Just("0\r\n\r\n"),
        1 => Just("0\r\nA: b\r\nC: d\r\n\r\n"),
        1 => Just("00;x\r\n\r\nbehind"),
        1 => Just("0\r\n"),
        1 => Just("0\r\n\r"),
        1 => Just(""),
        1 => Just("ffffffffffffffff1\r\n"),
    ]
}

/// An answer with a body framed in one of the ways.
fn answer() -> impl Strategy<Value = Vec<u8>> {
    let chunked = (prop::collection::vec(chunk(), 0..6), last()).prop_map(|(chunks, last)| {
        (
            vec!["Transfer-Encoding: chunked"],
            [chunks.concat(), last.into()].concat(),
        )
    });
    let lines = prop::sample::select(vec![
        vec![],
        vec!["Content-Length: 5"],
        vec!["Content-Length: 0"],
        vec!["Content-Length: 5", "Content-Length: 5"],
        vec!["Content-Length: 5", "Content-Length: 6"],
        vec!["Content-Length: x"],
    ]);
    let plain = (lines, prop::collection::vec(any::<u8>(), 0..12));
    let framed = prop_oneof![4 => chunked, 1 => plain];
    (
        framed,
        prop::sample::select(vec!["HTTP/1.1 200 OK", "HTTP/1.0 200 OK", "HTTP/1.1 204 No Content"]),
    )
        .prop_map(|((lines, body), status)| {
            let mut answer = format!("{status}\r\n").into_bytes();
            lines
                .iter()
                .for_each(|line| answer.extend_from_slice(format!("{line}\r\n").as_bytes()));
            answer.extend_from_slice(b"\r\n");
            [answer, body].concat()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The same bytes, and the same end, however they come.
    #[test]
    fn it_reads_what_hyper_reads(answer in answer(), pieces in prop::collection::vec(1usize..50, 1..6)) {
        let mut expected = by_hyper(&answer);
        if expected.is_none() {
            // hyper refuses what comes behind an answer without a body: here it is of no meaning.
            expected = decoded(&answer, &[usize::MAX]).filter(|read| *read == (Vec::new(), true));
        }
        prop_assert_eq!(decoded(&answer, &[usize::MAX]), expected.clone(), "in one piece: {:?}", String::from_utf8_lossy(&answer));
        prop_assert_eq!(decoded(&answer, &[1]), expected.clone(), "byte by byte");
        prop_assert_eq!(decoded(&answer, &pieces), expected, "in pieces of {:?}", pieces);
    }

    /// Nothing that comes makes it panic, or give more than came; and it is the same on every split.
    #[test]
    fn any_bytes_on_any_split(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..200) {
        let (mut whole, mut split) = (Decoder::chunked(), Decoder::chunked());
        let mut all = bytes.clone();
        let (len, outcome) = whole.decode(&mut all);
        let (first, second) = bytes.split_at(at.min(bytes.len()));
        let (mut first, mut second) = (first.to_vec(), second.to_vec());
        let (kept, mut other) = split.decode(&mut first);
        let mut body = first[..kept].to_vec();
        if other.is_ok() {
            let (kept, outcome) = split.decode(&mut second);
            body.extend_from_slice(&second[..kept]);
            other = outcome;
        }
        prop_assert_eq!((&all[..len], outcome), (&body[..], other));
    }
}

fn refused(bytes: &[u8]) -> Option<&'static str> {
    let mut bytes = bytes.to_vec();
    Decoder::chunked().decode(&mut bytes).1.err().map(Malformed::what)
}

#[test]
fn framing_without_end_is_bounded() {
    let long = |unit: &str| unit.repeat(17 * 1024);
    for endless in [
        long("0"),
        format!("1{}", long(" ")),
        format!("1;{}", long("x")),
        format!("0\r\n{}", long("A: b\r\n")),
        format!("0\r\nA: {}", long("b")),
    ] {
        assert!(refused(endless.as_bytes()).is_some_and(|what| what.ends_with("without end")));
    }
}

/// hyper counts the extensions of all chunks together, and so ends a stream whose chunks have some.
#[test]
fn a_stream_may_have_any_number_of_chunks_with_extensions() {
    let mut chunks = b"1;signature=0123456789abcdef\r\nx\r\n".repeat(10_000);
    let (len, outcome) = Decoder::chunked().decode(&mut chunks);
    assert_eq!((len, outcome), (10_000, Ok(())));
}

#[test]
fn sizes_are_bounded_by_what_can_be_counted() {
    let (mut largest, mut larger) = (b"ffffffffffffffff\r\nx".to_vec(), b"10000000000000000\r\n".to_vec());
    assert_eq!(Decoder::chunked().decode(&mut largest), (1, Ok(())));
    assert!(Decoder::chunked().decode(&mut larger).1.is_err());
}

#[test]
fn what_came_before_a_mistake_is_there() {
    let mut bytes = b"3\r\nabc\r\n2\r\ndeX".to_vec();
    let (len, outcome) = Decoder::chunked().decode(&mut bytes);
    assert_eq!((&bytes[..len], outcome.is_err()), (&b"abcde"[..], true));
}
