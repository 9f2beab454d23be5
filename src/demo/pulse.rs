//! What the crowd reads: events of one size at one rate, numbered and stamped, so that their readers
//! know what is lost and how long each took.
//!
//! They are kept for a while: who comes back with the last number gets the rest. While the origin is
//! dead they are numbered all the same, as changes are made while the line to them is down.

use super::stream::Entries;
use crate::crowd::clock::now_ns;
use crate::crowd::stamp::{Stamp, write_data};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// From one event to the next: ten a second.
const EVERY: Duration = Duration::from_millis(100);

/// Bytes of an event's data: such as a change log's, and enough to fill the buffers of a client that
/// takes nothing within seconds.
const DATA_BYTES: usize = 1000;

/// Events that are kept: more than a minute's, longer than an origin is dead in a demonstration.
const KEPT_MAX: usize = 1000;

/// The events, and whether more are made.
#[derive(Debug)]
pub(super) struct Pulse {
    kept: Mutex<VecDeque<Stamp>>,
    newest: watch::Sender<u64>,
    beats: AtomicBool,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self {
            kept: Mutex::default(),
            newest: watch::Sender::new(0),
            beats: AtomicBool::new(false),
        }
    }

    /// Events are made from now on, or no more.
    pub(super) fn set_beating(&self, beats: bool) {
        self.beats.store(beats, Ordering::Relaxed);
    }

    /// Makes events for as long as it is polled.
    pub(super) async fn beat(&self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            if self.beats.load(Ordering::Relaxed) {
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
    async fn it_beats_while_it_is_told_to() {
        let pulse = Pulse::new();
        let beating = async {
            tokio::select! {
                () = pulse.beat() => {}
                () = tokio::time::sleep(EVERY * 10) => {}
            }
        };
        beating.await;
        assert_eq!(pulse.newest_number(), 0);
        pulse.set_beating(true);
        let again = async {
            tokio::select! {
                () = pulse.beat() => {}
                () = tokio::time::sleep(EVERY * 10 - EVERY / 2) => {}
            }
        };
        again.await;
        assert_eq!(pulse.newest_number(), 10);
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
