//! What the crowd reads: events of one size at one rate, numbered and stamped, so that their readers
//! know what is lost and how long each took.
//!
//! They are kept for a while: who comes back with the last number gets the rest. While the origin is
//! dead they are numbered all the same, as changes are made while the line to them is down.

use super::stream::Entries;
use crate::crowd::clock::now_ns;
use crate::crowd::stamp::{Stamp, write_data};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often it is looked whether events are wanted, while none are.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Bytes of an event's data: such as a change log's, and enough to fill the buffers of a client that
/// takes nothing within seconds.
const DATA_BYTES: usize = 1000;

/// Events that are kept: at ten a second more than a minute's, longer than an origin is dead in a demonstration.
const KEPT_MAX: usize = 1000;

/// The events, and how many more are made.
#[derive(Debug)]
pub(super) struct Pulse {
    kept: Mutex<VecDeque<Stamp>>,
    newest: watch::Sender<u64>,
    per_second: AtomicU32,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self {
            kept: Mutex::default(),
            newest: watch::Sender::new(0),
            per_second: AtomicU32::new(0),
        }
    }

    /// So many events are made in a second from now on; 0: none.
    pub(super) fn set_rate(&self, per_second: u32) {
        self.per_second.store(per_second, Ordering::Relaxed);
    }

    /// How many that are.
    pub(super) fn rate(&self) -> u32 {
        self.per_second.load(Ordering::Relaxed)
    }

    /// Makes events for as long as it is polled.
    pub(super) async fn beat(&self) {
        let mut next = Instant::now();
        loop {
            let rate = self.rate();
            // What a busy machine has missed is not made up for.
            next = Instant::now().max(next + Duration::from_secs(1).checked_div(rate).unwrap_or(LOOK_EVERY));
            tokio::time::sleep_until(next).await;
            if rate > 0 {
                self.make();
            }
        }
    }

    fn make(&self) {
        let mut kept = self.lock();
        let seq = kept.back().map_or(1, |last| last.seq + 1);
        let now = now_ns();
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(Stamp {
            seq,
            written_ns: now,
            scheduled_ns: now,
            channel: None,
        });
        drop(kept);
        self.newest.send_replace(seq);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Stamp>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries for Pulse {
    fn subscribe(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    fn newest_number(&self) -> u64 {
        self.lock().back().map_or(0, |last| last.seq)
    }

    fn write_since(&self, number: u64, block: &mut Vec<u8>) -> u64 {
        let kept = self.lock();
        let from = kept.partition_point(|stamp| stamp.seq <= number);
        for stamp in kept.range(from..) {
            block.extend_from_slice(format!("id: {}\ndata: ", stamp.seq).as_bytes());
            write_data(block, stamp, DATA_BYTES, false);
            block.extend_from_slice(b"\n\n");
        }
        kept.back().map_or(number, |last| last.seq.max(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_beats_as_often_as_it_is_told_to() {
        let pulse = Pulse::new();
        for (rate, made) in [(0, 0), (10, 10), (5, 15), (0, 15)] {
            pulse.set_rate(rate);
            tokio::select! {
                () = pulse.beat() => {}
                () = tokio::time::sleep(Duration::from_millis(1050)) => {}
            }
            assert_eq!(pulse.newest_number(), made, "{rate} a second");
        }
    }

    #[test]
    fn who_comes_back_gets_what_follows() {
        let pulse = Pulse::new();
        for _ in 0..KEPT_MAX + 5 {
            pulse.make();
        }
        let written = |number| {
            let mut block = Vec::new();
            let cursor = pulse.write_since(number, &mut block);
            let text = String::from_utf8(block).expect("ASCII");
            let ids: Vec<u64> = text
                .lines()
                .filter_map(|line| line.strip_prefix("id: ")?.parse().ok())
                .collect();
            (cursor, ids)
        };
        let last = KEPT_MAX as u64 + 5;
        assert_eq!(written(last - 2), (last, vec![last - 1, last]));
        assert_eq!(written(last), (last, vec![]));
        assert_eq!(written(0).1.first(), Some(&6), "the log is bounded");
    }
}
