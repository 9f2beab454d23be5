//! What an event costs the log, and what a resume costs it in a storm of them.

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use fanfare::config::LogLimits;
use fanfare::log::{Draft, Epoch, Kind, Log, Moves, Numbering, Position, Read, Writer};
use std::hint::black_box;
use std::time::{Duration, Instant};

const KEPT: u64 = 10_000;

fn draft(n: u64, frame: &Bytes, now: Instant) -> Draft {
    let id = Bytes::from(format!("{n:08}").into_bytes());
    Draft {
        frame: frame.clone(),
        id,
        indexed: true,
        kind: Kind::Event,
        received: now,
        moves: Moves::Nothing,
    }
}

fn full() -> (Writer, Log) {
    let (mut writer, log) = Log::new(LogLimits {
        events: KEPT as usize,
        bytes: 16 << 20,
        age: Duration::from_secs(600),
    });
    let (frame, now) = (Bytes::from(vec![b'x'; 200]), Instant::now());
    for n in 1..=KEPT + KEPT / 2 {
        writer.append(draft(n, &frame, now));
    }
    (writer, log)
}

fn log(criterion: &mut Criterion) {
    let frame = Bytes::from(vec![b'x'; 200]);
    let now = Instant::now();

    let (mut writer, log) = full();
    criterion.bench_function("log/append", |bench| {
        let mut n = log.head().get();
        bench.iter(|| {
            n += 1;
            writer.append(draft(n, &frame, now))
        });
    });

    let (_writer, log) = full();
    criterion.bench_function("log/read", |bench| {
        let mut cursor = log.tail();
        bench.iter(|| {
            cursor = if cursor == log.head() {
                log.tail()
            } else {
                cursor.next()
            };
            assert!(matches!(black_box(log.read(cursor)), Read::Entry(_)));
        });
    });

    let epoch = Epoch::new();
    let numbering = Numbering {
        epoch: &epoch,
        assigning: false,
    };
    let ids: Vec<String> = log
        .tail()
        .up_to(log.head().next())
        .map(|cursor| format!("{:08}", cursor.get()))
        .collect();
    criterion.bench_function("log/resume by id", |bench| {
        let mut ids = ids.iter().cycle();
        bench.iter(|| log.resume(ids.next().expect("a cycle").as_bytes(), &numbering));
    });
    criterion.bench_function("log/resume by an unknown id", |bench| {
        bench.iter(|| log.resume(black_box(b"never seen"), &numbering));
    });
    let number = epoch.id(Position::new(log.head().get() - 5));
    criterion.bench_function("log/resume by number", |bench| {
        bench.iter(|| log.resume(black_box(number.as_bytes()), &numbering));
    });

    // After a long silence: everything goes in one step, on the publisher's thread.
    criterion.bench_function("log/let 10,000 go by age", |bench| {
        bench.iter_batched(
            full,
            |(mut writer, log)| {
                writer.trim(now + Duration::from_secs(3600));
                assert_eq!(log.events(), 0);
                (writer, log)
            },
            criterion::BatchSize::PerIteration,
        );
    });
}

criterion_group!(benches, log);
criterion_main!(benches);
