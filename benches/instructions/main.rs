//! The steps of an event, each a number of times, for a counter of instructions to look at
//! (`scripts/instructions`). What it does beside them is the same for any number of times, so the
//! difference of two runs is theirs alone.
//!
//!     valgrind --tool=callgrind target/release/examples/instructions append 20000

mod pass;

use bytes::Bytes;
use fanfare::channel::{Admission, Channel, Filter, LongIds, Publisher, Settings};
use fanfare::config::{self, LogLimits};
use fanfare::event_stream::{Item, Parser, ParserOptions};
use fanfare::log::{Draft, Epoch, Kind, Log, Moves, Numbering, Writer};
use fanfare::metrics::{Metrics, Protocol};
use std::hint::black_box;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Events that the log keeps.
const KEPT: u64 = 10_000;
/// Different filters that clients have chosen.
const FILTERS: u64 = 1000;
/// What one read from the origin brings.
const READ_BYTES: usize = 16 << 10;

fn main() -> io::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let step = arguments.next();
    let times = arguments.next().and_then(|times| times.parse().ok());
    match (step.as_deref(), times) {
        (Some("append"), Some(times)) => append(times),
        (Some("parse"), Some(times)) => parse(times),
        (Some("resume"), Some(times)) => resume(times),
        (Some("filter"), Some(times)) => filter(times),
        (Some("pass"), Some(times)) => pass::pass(times)?,
        (Some("publish"), Some(times)) => publish(times, false),
        (Some("join"), Some(times)) => publish(times, true),
        _ => {
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn id(n: u64) -> Bytes {
    Bytes::from(format!("{n:08}").into_bytes())
}

/// A log that has let go of events for a while: as long as it will ever be.
fn full_log() -> (Writer, Log) {
    let (mut writer, log) = Log::new(LogLimits {
        events: KEPT as usize,
        bytes: 16 << 20,
        age: Duration::from_secs(600),
    });
    append_to(&mut writer, 1, KEPT + KEPT / 2);
    (writer, log)
}

fn append_to(writer: &mut Writer, first: u64, events: u64) {
    let (frame, now) = (Bytes::from(vec![b'x'; 200]), Instant::now());
    for n in first..first + events {
        black_box(writer.append(Draft {
            frame: frame.clone(),
            id: id(n),
            indexed: true,
            kind: Kind::Event,
            received: now,
            moves: Moves::Nothing,
        }));
    }
}

/// An event takes its place in a full log, where the oldest goes.
fn append(times: u64) {
    let (mut writer, _log) = full_log();
    append_to(&mut writer, 1_000_000, times);
}

/// Events of 200 bytes are found in reads of 16 KiB.
fn parse(times: u64) {
    let fields = "id: 1a2b3c4d-1234567\nevent: update\ndata: ";
    let event = format!("{fields}{}\n\n", "x".repeat(200 - fields.len() - 2));
    let stream = Bytes::from(event.repeat(times as usize));
    let mut parser = Parser::new(ParserOptions {
        event_bytes_max: 1 << 20,
        comments: false,
    });
    let mut found = 0;
    for at in (0..stream.len()).step_by(READ_BYTES) {
        parser.push(stream.slice(at..stream.len().min(at + READ_BYTES)));
        while let Some(item) = parser.next_item() {
            if let Item::Event(event) = item {
                black_box((event.event_type(), event.id(), event.data()));
                found += 1;
            }
        }
    }
    assert_eq!(found, times);
}

/// Clients come back with the id of an event that the log holds.
fn resume(times: u64) {
    let (_writer, log) = full_log();
    let epoch = Epoch::new();
    let numbering = Numbering {
        epoch: &epoch,
        assigning: false,
    };
    let ids: Vec<Bytes> = (1..=1000).map(|n| id(KEPT / 2 + n * 7)).collect();
    for id in ids.iter().cycle().take(times as usize) {
        black_box(log.resume(black_box(id), &numbering));
    }
}

/// An event meets a filter: half of them look at its type, half at its data, and two of them let it through.
fn filter(times: u64) {
    let yaml = format!("sources:\n  s: {{ path: /s, upstream: \"http://127.0.0.1:9/\", filters: {FILTERS} }}\n");
    let Ok(loaded) = config::read(&yaml, "bench.yaml", &|_| None) else {
        unreachable!("it is a configuration")
    };
    let settings = Settings::new(loaded.config.sources[0].clone());
    let channel = Channel::new(settings, Metrics::new().source("s"), Epoch::new());
    let _clients: Vec<Admission> = (0..FILTERS).filter_map(|n| chosen(&channel, n)).collect();
    let mut publisher = channel.publisher(0);
    let data = "x".repeat(150);
    for n in 0..times / FILTERS {
        let n = n % (FILTERS / 2);
        let mut parser = Parser::new(ParserOptions {
            event_bytes_max: 1 << 20,
            comments: false,
        });
        let block = format!("event: kind{n}\ndata: {{\"section\":{{\"id\":{n}}},\"text\":\"{data}\"}}\n\n");
        parser.push(Bytes::from(block));
        while let Some(item) = parser.next_item() {
            publisher.item(item, Instant::now());
        }
        publisher.flush();
    }
}

/// Events of two sources in turn, 200 bytes each and with ids, in a read each; `joined`: and they are
/// put together for the clients of both.
fn publish(times: u64, joined: bool) {
    let metrics = Metrics::new();
    let channels = ["a", "b"].map(|name| {
        let yaml = format!("sources:\n  {name}: {{ path: /s, upstream: \"http://127.0.0.1:9/\" }}\n");
        let Ok(loaded) = config::read(&yaml, "bench.yaml", &|_| None) else {
            unreachable!("it is a configuration")
        };
        let settings = Settings::new(loaded.config.sources[0].clone());
        Channel::new(settings, metrics.source(name), Epoch::new())
    });
    let mut publishers: [Publisher; 2] = channels.each_ref().map(|channel| channel.publisher(0));
    let _client = joined.then(|| {
        let named = channels.iter().map(|channel| (channel.name().into(), channel.clone()));
        let around = (channels[0].settings().clone(), metrics.source("/all"));
        let joined = Channel::joining(named.collect(), false, around, Arc::new(LongIds::new()));
        joined.admit(Protocol::Http11, None)
    });
    let data = "x".repeat(160);
    for n in 0..times {
        let mut parser = Parser::new(ParserOptions {
            event_bytes_max: 1 << 20,
            comments: false,
        });
        parser.push(Bytes::from(format!("id: {n:08}\nevent: update\ndata: {data}\n\n")));
        let publisher = &mut publishers[(n % 2) as usize];
        while let Some(item) = parser.next_item() {
            publisher.item(item, Instant::now());
        }
        publisher.flush();
    }
}

fn chosen(channel: &Arc<Channel>, n: u64) -> Option<Admission> {
    let (types, conditions) = match n < FILTERS / 2 {
        true => (vec![format!("kind{n}").into_bytes()], vec![]),
        false => (vec![], vec![format!("/section/id:{}", n - FILTERS / 2).into_bytes()]),
    };
    let filter = Filter::parse(&types, &conditions).ok()??;
    let admission = channel.admit(Protocol::Http11, None);
    admission.filtered(filter, FILTERS as usize).ok()
}
