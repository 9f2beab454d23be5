//! What is logged of a listener that can't accept: the beginning of a shortage, and its end.
//!
//! While descriptors are scarce the two follow each other at every connection that comes and goes,
//! so a client that opens connections could fill the log. So the shortage counts as over only after
//! a while without an error, and is logged again only after a longer one.

use std::time::{Duration, Instant};

/// The shortage is over when nothing has failed for this long.
const OVER_AFTER: Duration = Duration::from_secs(10);
/// Its beginning is logged once in this time, at the most.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// What is to be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing can be accepted.
    Begun,
    /// Connections are accepted again.
    Over,
}

/// Where a listener stands.
#[derive(Debug, Default)]
pub(super) struct Starvation {
    /// When accepting failed last; `None`: there is no shortage.
    failed: Option<Instant>,
    /// When a beginning was logged last.
    said: Option<Instant>,
    /// Whether the beginning of the present shortage was logged.
    is_said: bool,
}

impl Starvation {
    /// A connection could not be accepted.
    pub(super) fn failed(&mut self, now: Instant) -> Option<News> {
        self.failed = Some(now);
        let due = self.said.is_none_or(|said| now.duration_since(said) >= SAID_EVERY);
        if self.is_said || !due {
            return None;
        }
        (self.said, self.is_said) = (Some(now), true);
        Some(News::Begun)
    }

    /// A connection was accepted.
    pub(super) fn accepted(&mut self, now: Instant) -> Option<News> {
        if now.duration_since(self.failed?) < OVER_AFTER {
            return None;
        }
        self.failed = None;
        std::mem::take(&mut self.is_said).then_some(News::Over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_is_said_once() {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut starvation = Starvation::default();
        assert_eq!(starvation.accepted(at(0)), None, "nothing was wrong");
        let mut said = Vec::new();
        // For two minutes one connection fails and the next is accepted, ten times a second.
        for n in 0..1200 {
            said.extend(starvation.failed(at(n * 100)));
            said.extend(starvation.accepted(at(n * 100 + 50)));
        }
        assert_eq!(said, [News::Begun]);
        let end = 1199 * 100;
        assert_eq!(starvation.accepted(at(end + 9_999)), None);
        assert_eq!(starvation.accepted(at(end + 10_000)), Some(News::Over));
        assert_eq!(starvation.accepted(at(end + 10_001)), None, "it is said once");
        assert_eq!(starvation.failed(at(end + 11_000)), Some(News::Begun));
    }

    #[test]
    fn what_comes_every_quarter_of_a_minute_is_said_once_a_minute() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut starvation = Starvation::default();
        let mut said = Vec::new();
        for n in 0..40 {
            said.extend(starvation.failed(at(n * 15)));
            said.extend(starvation.accepted(at(n * 15 + 12)));
        }
        // Ten minutes: ten times, and that it was over as often.
        assert_eq!(said.len(), 20);
        assert!(said.chunks(2).all(|pair| pair == [News::Begun, News::Over]));
    }
}
