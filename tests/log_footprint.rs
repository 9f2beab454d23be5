//! What a log costs that holds nothing, or next to nothing: a source with a template has one per
//! job.
//!
//! Alone in its process: it measures the process.

#![expect(clippy::print_stdout, reason = "the numbers are what it is run for")]

use bytes::Bytes;
use fanfare::config::LogLimits;
use fanfare::log::{Draft, Kind, Log, Moves, Writer};
use std::time::{Duration, Instant};

const LOGS: u64 = 2000;
const EMPTY_BYTES_MAX: u64 = 4 * 1024;
/// The ten events themselves are 2 KB of it.
const SHORT_BYTES_MAX: u64 = 10 * 1024;

/// The memory that this process has from the kernel.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .expect("the second field")
        .parse()
        .expect("a number");
    pages * rustix::param::page_size() as u64
}

#[test]
fn an_idle_log_is_small() {
    let limits = LogLimits {
        events: 10_000,
        bytes: 16 << 20,
        age: Duration::from_secs(600),
    };
    let before = resident_bytes();
    let mut logs: Vec<Writer> = (0..LOGS).map(|_| Log::new(limits).0).collect();
    let empty = (resident_bytes() - before) / LOGS;
    for writer in &mut logs {
        for n in 0..10 {
            writer.append(Draft {
                frame: Bytes::from(vec![b'x'; 200]),
                id: Bytes::from(format!("{n}").into_bytes()),
                indexed: true,
                kind: Kind::Event,
                received: Instant::now(),
                moves: Moves::Nothing,
            });
        }
    }
    let short = (resident_bytes() - before) / LOGS;
    println!("bytes of an empty log: {empty}; with 10 events of 200 bytes: {short}");
    assert!(empty <= EMPTY_BYTES_MAX, "{empty} bytes");
    assert!(short <= SHORT_BYTES_MAX, "{short} bytes");
}
