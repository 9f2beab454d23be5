//! The threads that read from upstreams take what comes in rounds when a lot comes, as network
//! cards do with interrupts.
//!
//! With thousands of upstreams, each event by itself would end a thread's sleep, and a shard's. A
//! thread that reads from upstreams thousands of times a second waits a moment before it looks
//! again: what comes meanwhile is taken together, by one look, and wakes a shard once. Reads are
//! counted, and not how short the sleeps are. Only the runtime of the upstreams
//! (`upstream::UpstreamRuntime`) does this: whatever else its threads did would wait too. See
//! docs/decisions/0009 and 0024.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long a round takes.
const ROUND: Duration = Duration::from_millis(2);
/// Reads are counted over this time at least.
const WINDOW: Duration = Duration::from_millis(10);
/// So many reads in a window are a lot: 3,000 a second.
const READS_A_LOT: u32 = 30;

thread_local! {
    static READS: Cell<u32> = const { Cell::new(0) };
    static WINDOWS: Cell<Option<Window>> = const { Cell::new(None) };
}

/// The window that is under way, and what the one before has shown.
#[derive(Debug, Clone, Copy)]
struct Window {
    began: Instant,
    a_lot: bool,
}

impl Window {
    /// Begins another one if this is over; `reads` are those since it began. Whether it was over.
    fn turn(&mut self, now: Instant, reads: u32) -> bool {
        let elapsed = now.saturating_duration_since(self.began);
        if elapsed < WINDOW {
            return false;
        }
        self.a_lot = u128::from(reads) * WINDOW.as_nanos() >= u128::from(READS_A_LOT) * elapsed.as_nanos();
        self.began = now;
        true
    }
}

/// Something has been read from an upstream, on this thread.
pub(crate) fn read() {
    READS.set(READS.get().saturating_add(1));
}

/// Reads from upstreams on this thread since its window began.
#[cfg(test)]
pub(crate) fn reads_here() -> u32 {
    READS.get()
}

/// For [`tokio::runtime::Builder::on_thread_park`].
pub(crate) fn before_sleep() {
    let now = Instant::now();
    let mut window = WINDOWS.get().unwrap_or(Window {
        began: now,
        a_lot: false,
    });
    if window.turn(now, READS.get()) {
        READS.set(0);
    }
    WINDOWS.set(Some(window));
    if window.a_lot {
        std::thread::sleep(ROUND);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_reads_are_a_lot_and_few_are_not() {
        let began = Instant::now();
        let mut window = Window { began, a_lot: false };
        assert!(!window.turn(began + WINDOW / 2, 1000), "too early to say");
        assert!(!window.a_lot);
        assert!(window.turn(began + WINDOW, READS_A_LOT));
        assert!(window.a_lot);
        // The same number in twice the time is not.
        assert!(window.turn(began + 3 * WINDOW, READS_A_LOT));
        assert!(!window.a_lot);
    }
}
