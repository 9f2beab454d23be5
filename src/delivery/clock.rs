//! Time in a shard: coarse, four bytes, read once per turn.

use std::time::{Duration, Instant};

/// Length of one tick. Timers are this exact; nothing a client notices needs more.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// A moment, in ticks since the shard's start: good for 497 days before it wraps, and only
/// differences are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tick(pub(super) u32);

impl Tick {
    /// Time from `earlier` to this; zero if it lies later.
    pub(super) fn since(self, earlier: Tick) -> Duration {
        let ticks = self.0.wrapping_sub(earlier.0) as i32;
        TICK * ticks.max(0) as u32
    }

    pub(super) fn plus(self, time: Duration) -> Tick {
        let ticks = time.as_nanos().div_ceil(TICK.as_nanos()).min(i32::MAX as u128) as u32;
        Tick(self.0.wrapping_add(ticks))
    }

    /// The moment so long before this one, which may lie before the shard's start.
    pub(super) fn minus(self, time: Duration) -> Tick {
        let ticks = (time.as_nanos() / TICK.as_nanos()).min(i32::MAX as u128) as u32;
        Tick(self.0.wrapping_sub(ticks))
    }

    /// The moment so many ticks after the shard's start.
    pub(super) fn at(ticks: u64) -> Tick {
        Tick(ticks as u32)
    }

    /// Whether this is `other` or later.
    pub(super) fn reached(self, other: Tick) -> bool {
        self.0.wrapping_sub(other.0) as i32 >= 0
    }
}

/// The shard's clock.
#[derive(Debug)]
pub(super) struct Clock {
    start: Instant,
    now: Instant,
}

impl Clock {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { start: now, now }
    }

    /// To be called once per turn, after the sleep.
    pub(super) fn refresh(&mut self) {
        self.now = Instant::now();
    }

    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// Ticks since the shard's start.
    pub(super) fn ticks(&self) -> u64 {
        (self.now.duration_since(self.start).as_nanos() / TICK.as_nanos()) as u64
    }

    pub(super) fn tick(&self) -> Tick {
        Tick::at(self.ticks())
    }

    /// The first tick that is not before the moment `time` from now, however old this turn is.
    pub(super) fn tick_in(&self, time: Duration) -> Tick {
        let elapsed = self.start.elapsed();
        Tick::at(0).plus(elapsed).plus(time)
    }
}
