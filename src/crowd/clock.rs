//! The one clock of a crowd and of what it reads: CLOCK_MONOTONIC, the same for every process of the
//! machine.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Nanoseconds per second.
pub const SECOND_NS: u64 = 1_000_000_000;

/// Now, in nanoseconds since an arbitrary start that all processes of the machine share.
pub fn now_ns() -> u64 {
    read(ClockId::Monotonic)
}

/// CPU time that this process has used, user and system together, in nanoseconds.
pub fn own_cpu_ns() -> u64 {
    read(ClockId::ProcessCPUTime)
}

/// A duration as nanoseconds; 584 years fit.
pub fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    // Neither clock runs before its start, so both parts are non-negative.
    (time.tv_sec as u64) * SECOND_NS + time.tv_nsec as u64
}
