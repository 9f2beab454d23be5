//! Where a connection stands. It is in exactly one phase; its task alone moves it on.

use std::sync::atomic::{AtomicU8, Ordering};

/// The phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Its request's head is being read.
    Head,
    /// It has been answered, and may be used again.
    Idle,
    /// Its answer depends on somebody else: a channel that is being opened, an event that a poll waits for, an origin.
    Waiting,
    /// Its answer is being written, and is ours.
    Answering,
    /// It has got its last answer, and is read until its end so that the answer arrives.
    Lingering,
}

impl Phase {
    /// Whether it may be ended so that another connection gets its place. One that waits
    /// for somebody else does no harm, and one that is being answered is gone in a moment.
    pub(super) fn may_make_room(self) -> bool {
        !matches!(self, Phase::Waiting | Phase::Answering)
    }
}

/// A connection's phase, for others to see.
#[derive(Debug)]
pub(super) struct SharedPhase(AtomicU8);

impl SharedPhase {
    pub(super) fn new(phase: Phase) -> Self {
        Self(AtomicU8::new(phase as u8))
    }

    pub(super) fn set(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Release);
    }

    pub(super) fn get(&self) -> Phase {
        const ALL: [Phase; 5] = [
            Phase::Head,
            Phase::Idle,
            Phase::Waiting,
            Phase::Answering,
            Phase::Lingering,
        ];
        let at = self.0.load(Ordering::Acquire);
        ALL.into_iter().find(|&phase| phase as u8 == at).unwrap_or(Phase::Head)
    }
}
