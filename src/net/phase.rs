//! Where a connection stands. It is in exactly one phase; its task alone moves it on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Its TLS handshake is under way.
    Handshake,
    /// Its request's head is being read.
    Head,
    /// It has been answered, and may be used again.
    Idle,
    /// It has asked for a stream in clear text, and whether that begins is being found out: the
    /// question can be asked again, here or by another process.
    Deciding,
    /// Its answer depends on something else: a channel that is being opened, an event that a poll
    /// waits for, an origin.
    Waiting,
    /// An answer of the relay's own is being written.
    Answering,
    /// It has got its last answer, and is read until its end so that the answer arrives.
    Lingering,
}

impl Phase {
    const ALL: [Self; 7] = [
        Self::Handshake,
        Self::Head,
        Self::Idle,
        Self::Deciding,
        Self::Waiting,
        Self::Answering,
        Self::Lingering,
    ];

    /// Whether it has a request that has not got all of its answer.
    pub(super) fn is_asking(self) -> bool {
        matches!(self, Self::Deciding | Self::Waiting | Self::Answering)
    }
}

/// A connection's phase, as other tasks see it, and whether they have asked it to make room.
#[derive(Debug)]
pub(crate) struct SharedPhase {
    opened: Instant,
    /// Milliseconds from `opened` to the phase's beginning, and the phase in the lowest byte.
    state: AtomicU64,
    has_to_leave: AtomicBool,
    asked_to_leave: Notify,
}

impl SharedPhase {
    pub(crate) fn new(phase: Phase) -> Self {
        Self {
            opened: Instant::now(),
            state: AtomicU64::new(phase as u64),
            has_to_leave: AtomicBool::new(false),
            asked_to_leave: Notify::new(),
        }
    }

    pub(crate) fn set(&self, phase: Phase) {
        let begun = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX >> 8);
        self.state.store(begun << 8 | phase as u64, Ordering::Release);
    }

    pub(crate) fn get(&self) -> Phase {
        self.get_with_age(self.opened).0
    }

    /// The phase, and for how long it has been in it.
    pub(super) fn get_with_age(&self, now: Instant) -> (Phase, Duration) {
        let state = self.state.load(Ordering::Acquire);
        let phase = Phase::ALL.into_iter().find(|&phase| phase as u64 == state & 0xff);
        let begun = Duration::from_millis(state >> 8);
        let age = now.saturating_duration_since(self.opened).saturating_sub(begun);
        (phase.unwrap_or(Phase::Head), age)
    }

    /// It is to make room. Whether it is told for the first time.
    pub(super) fn ask_to_leave(&self) -> bool {
        let is_first = !self.has_to_leave.swap(true, Ordering::AcqRel);
        if is_first {
            self.asked_to_leave.notify_one();
        }
        is_first
    }

    /// Whether it is to make room.
    pub(crate) fn has_to_leave(&self) -> bool {
        self.has_to_leave.load(Ordering::Acquire)
    }

    /// It has done what it was to make room for not doing: it stays.
    pub(crate) fn stay(&self) {
        self.has_to_leave.store(false, Ordering::Release);
    }

    /// Completes when it is to make room. Its request may have come all the same: it looks once
    /// more, and then leaves.
    pub(crate) async fn asked_to_leave(&self) {
        // The permit of a notification that came before is kept.
        self.asked_to_leave.notified().await;
    }
}
