//! How fast are events found in reads, beside what is published?
//!
//! Each parser gets the same reads as `Bytes`, in the way that is fastest for it, and each event's
//! type, id and data are looked at. `cargo bench --bench parser`; `-- 200B` for one size; `--
//! --test` runs everything once.
//!
//! What the others do beside: they copy data into a `String` and check its UTF-8 (`sseer` checks,
//! but slices), which the relay leaves to clients on purpose; what ours does beside: it finds the
//! bytes to pass on, and bounds what it holds.

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fanfare::event_stream::{Item, Parser, ParserOptions};
use futures_util::Stream;
use std::convert::Infallible;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Bytes of stream per iteration: within the second-level cache, as a read fresh from a socket is.
const STREAM_BYTES: usize = 1 << 20;

/// What hyper reads at once, about.
const READ_BYTES: usize = 16 << 10;

/// An event of `bytes` bytes, with the line end `end`: a change log's if it is small, else one with
/// all fields.
fn event(bytes: usize, end: &str) -> String {
    let fields = if bytes < 100 {
        String::new()
    } else {
        format!("id: 1a2b3c4d-1234567{end}event: update{end}")
    };
    let around = fields.len() + "data: ".len() + 2 * end.len();
    let json =
        r#"{"user":"Ann Example","bot":false,"title":"Fanfare","length":{"old":1234,"new":1299},"comment":"more"},"#;
    let data: String = json.chars().cycle().take(bytes - around).collect();
    format!("{fields}data: {data}{end}{end}")
}

fn reads(event: &str, read_bytes: usize) -> Vec<Bytes> {
    let stream = Bytes::from(event.repeat(STREAM_BYTES.div_ceil(event.len())));
    (0..stream.len())
        .step_by(read_bytes)
        .map(|at| stream.slice(at..stream.len().min(at.saturating_add(read_bytes))))
        .collect()
}

fn fanfare(reads: &[Bytes]) -> usize {
    let mut parser = Parser::new(ParserOptions {
        event_bytes_max: 1 << 20,
        comments: false,
    });
    let mut events = 0;
    for read in reads {
        parser.push(read.clone());
        while let Some(item) = parser.next_item() {
            if let Item::Event(event) = item {
                black_box((event.event_type(), event.id(), event.data()));
                events += 1;
            }
        }
    }
    events
}

fn sse_core(reads: &[Bytes]) -> usize {
    let mut decoder = sse_core::SseDecoder::new();
    let mut events = 0;
    for read in reads {
        let mut read = read.clone();
        while let Some(event) = decoder.next(&mut read) {
            events += usize::from(black_box(event).is_ok());
        }
    }
    events
}

fn sse_parse(reads: &[Bytes]) -> usize {
    let mut parser = sse_parse::SseParser::new();
    let mut events = 0;
    for read in reads {
        parser.feed(read);
        while let Some(event) = parser.next_event() {
            black_box(event);
            events += 1;
        }
    }
    events
}

/// Polls a stream that is always ready to its end.
fn drain<T, E>(stream: impl Stream<Item = Result<T, E>>) -> usize {
    let mut stream = pin!(stream);
    let mut context = Context::from_waker(Waker::noop());
    let mut events = 0;
    while let Poll::Ready(Some(event)) = stream.as_mut().poll_next(&mut context) {
        events += usize::from(black_box(event).is_ok());
    }
    events
}

fn source(reads: &[Bytes]) -> impl Stream<Item = Result<Bytes, Infallible>> {
    futures_util::stream::iter(reads.iter().cloned().map(Ok))
}

fn sse_stream(reads: &[Bytes]) -> usize {
    drain(sse_stream::SseByteStream::new(source(reads)))
}

fn sseer(reads: &[Bytes]) -> usize {
    drain(sseer::event_stream::EventStream::new(source(reads)))
}

fn eventsource_stream(reads: &[Bytes]) -> usize {
    drain(eventsource_stream::EventStream::new(source(reads)))
}

type Parse = fn(&[Bytes]) -> usize;

const PARSERS: [(&str, Parse); 6] = [
    ("fanfare", fanfare),
    ("sse-core", sse_core),
    ("sse-parse", sse_parse),
    ("sse-stream", sse_stream),
    ("sseer", sseer),
    ("eventsource-stream", eventsource_stream),
];

fn events_in_reads(criterion: &mut Criterion) {
    let cases = [
        ("40B", event(40, "\n"), READ_BYTES),
        ("200B", event(200, "\n"), READ_BYTES),
        ("2KiB", event(2 << 10, "\n"), READ_BYTES),
        ("100KiB", event(100 << 10, "\n"), READ_BYTES),
        ("40B-whole", event(40, "\n"), usize::MAX),
        ("200B-whole", event(200, "\n"), usize::MAX),
        ("2KiB-whole", event(2 << 10, "\n"), usize::MAX),
        ("100KiB-whole", event(100 << 10, "\n"), usize::MAX),
        ("200B-crlf", event(200, "\r\n"), READ_BYTES),
        ("2KiB-crlf", event(2 << 10, "\r\n"), READ_BYTES),
        ("200B-bytewise", event(200, "\n"), 1),
    ];
    for (name, event, read_bytes) in cases {
        let mut group = criterion.benchmark_group(name);
        let reads = reads(&event, read_bytes);
        let bytes: usize = reads.iter().map(Bytes::len).sum();
        group.throughput(Throughput::Bytes(bytes as u64));
        group
            .sample_size(20)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(1));
        for (parser, parse) in PARSERS {
            // Its time grows with the square of an event's reads: minutes for each sample.
            if parser == "eventsource-stream"
                && (event.len() > READ_BYTES || read_bytes == 1 || read_bytes == usize::MAX)
            {
                continue;
            }
            assert_eq!(parse(&reads), bytes / event.len(), "{parser}, {name}");
            group.bench_function(BenchmarkId::from_parameter(parser), |bencher| {
                bencher.iter(|| parse(black_box(&reads)))
            });
        }
    }
}

criterion_group!(benches, events_in_reads);
criterion_main!(benches);
