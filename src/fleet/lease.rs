//! The lease: who tries to lead. It protects nothing (the term record does): two that believe to have
//! it cost the origin one connection and one refused append.

use std::time::{Duration, Instant};

/// How long the engine keeps a lease that is not renewed.
pub(crate) const LEASE_TTL: Duration = Duration::from_secs(10);
/// How often it is renewed: two answers may be lost.
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// How often it is tried for, on average: within a second after a clean end it is another's.
const TRY_EVERY: Duration = Duration::from_millis(600);

/// What the engine says to who wants the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeaseAnswer {
    /// It has it, as of this revision.
    Held(u64),
    /// Another has it.
    Other,
    /// The engine gave no answer.
    Away,
}

/// One instance's side of a lease.
#[derive(Debug)]
pub(crate) struct Lease {
    /// The revision, while it is held.
    revision: Option<u64>,
    /// When it was confirmed last.
    confirmed: Option<Instant>,
    next: Instant,
    is_asked: bool,
    /// It is not wanted any more.
    is_given_up: bool,
    random: fastrand::Rng,
}

impl Lease {
    pub(crate) fn new(now: Instant, seed: u64) -> Self {
        Self {
            revision: None,
            confirmed: None,
            next: now,
            is_asked: false,
            is_given_up: false,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// One that another process has held until now, with this revision; it is renewed at once.
    pub(super) fn going_on(revision: Option<u64>, now: Instant, seed: u64) -> Self {
        Self {
            revision,
            confirmed: revision.map(|_| now),
            ..Self::new(now, seed)
        }
    }

    /// The revision, while it is held.
    pub(super) fn revision(&self) -> Option<u64> {
        self.revision
    }

    /// Whether it is held, as far as is known.
    pub(crate) fn is_held(&self) -> bool {
        self.revision.is_some()
    }

    /// Since when it has not been confirmed, while it is held.
    pub(crate) fn age(&self, now: Instant) -> Option<Duration> {
        let confirmed = self.confirmed.filter(|_| self.is_held())?;
        Some(now.saturating_duration_since(confirmed))
    }

    /// When there is something to do.
    pub(crate) fn due(&self) -> Option<Instant> {
        (!self.is_asked && !self.is_given_up).then_some(self.next)
    }

    /// What is to be asked for now: the lease, or its renewal from this revision on.
    pub(crate) fn ask(&mut self, now: Instant) -> Option<Option<u64>> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        self.is_asked = true;
        Some(self.revision)
    }

    /// It is asked for at once.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.next = self.next.min(now);
    }

    /// What came of it. Whether it is held.
    pub(crate) fn answered(&mut self, answer: &LeaseAnswer, now: Instant) -> bool {
        self.is_asked = false;
        match answer {
            LeaseAnswer::Held(revision) => {
                self.revision = Some(*revision);
                self.confirmed = Some(now);
                self.next = now + RENEW_EVERY;
            }
            LeaseAnswer::Other => {
                self.revision = None;
                self.next = now + TRY_EVERY.mul_f64(0.5 + self.random.f64());
            }
            // It may have been renewed, or not.
            LeaseAnswer::Away => self.next = now + TRY_EVERY.mul_f64(0.5 + self.random.f64()),
        }
        self.is_held()
    }

    /// It is wanted no more. The revision to delete, if it is held.
    pub(crate) fn give_up(&mut self) -> Option<u64> {
        self.is_given_up = true;
        self.revision.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_tried_for_renewed_and_lost() {
        let begin = Instant::now();
        let mut lease = Lease::new(begin, 1);
        assert_eq!(lease.ask(begin), Some(None));
        assert_eq!((lease.ask(begin), lease.due()), (None, None));
        assert!(!lease.answered(&LeaseAnswer::Other, begin));
        let again = lease.due().unwrap();
        assert!(again > begin && again < begin + Duration::from_secs(1));
        assert_eq!(lease.ask(again), Some(None));
        assert!(lease.answered(&LeaseAnswer::Held(7), again));
        assert_eq!(lease.ask(again + RENEW_EVERY), Some(Some(7)));
        // No answer: it may still be held.
        assert!(lease.answered(&LeaseAnswer::Away, again + RENEW_EVERY));
        assert_eq!(lease.age(again + RENEW_EVERY), Some(RENEW_EVERY));
        assert_eq!(lease.ask(again + RENEW_EVERY * 2), Some(Some(7)));
        assert!(!lease.answered(&LeaseAnswer::Other, again + RENEW_EVERY * 2));
        assert_eq!(lease.give_up(), None);
        assert_eq!(lease.due(), None);
    }
}
