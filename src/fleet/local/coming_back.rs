//! Back at the log: what of it clients have had.

use super::finding::{Found, find};
use super::{Back, LOOK_FOR_MAX, Local, Mark, Phase, Share};
use crate::fleet::member::News;
use crate::fleet::record::{Content, Record};
use crate::metrics::GapReason;
use std::time::Instant;

impl Local {
    /// A message has been read. What clients get of it; `None`: nothing. `own`: what of this instance's
    /// own it holds, if that is so.
    pub(crate) fn take(
        &mut self,
        sequence: u64,
        record: Option<&Record>,
        news: News,
        own: Option<usize>,
        now: Instant,
    ) -> Option<Share> {
        match &self.phase {
            Phase::Together if !self.is_own_numbering => return Some(Share::ALL),
            Phase::Together | Phase::Returning(_) => {}
            Phase::Apart => return None,
        }
        let is_other = self.epoch.is_some() && record.is_some_and(|record| Some(&record.epoch) != self.epoch.as_ref());
        let gap = is_other.then_some(GapReason::LogLost);
        let behind = match self.passed(sequence, record, news, own, now) {
            Passed::All => return None,
            Passed::Some(behind) => behind,
            Passed::Unknown => {
                self.deposed();
                self.marks.fill(Mark::Level);
                return Some(self.share(0, record, gap.or(Some(GapReason::UpstreamReconnected))));
            }
        };
        Some(self.share(behind, record, gap))
    }

    /// From here on clients get the log's.
    fn share(&mut self, behind: usize, record: Option<&Record>, gap: Option<GapReason>) -> Share {
        self.settle();
        if let Some(record) = record {
            for (place, of) in self.places.iter_mut().zip(&record.places) {
                place.clone_from(of);
            }
            self.epoch = Some(record.epoch.clone());
        }
        let is_first = std::mem::take(&mut self.is_own_numbering);
        self.has_numbering = false;
        Share {
            behind,
            back: (is_first || gap.is_some()).then_some(Back { gap }),
        }
    }

    /// What of a message clients have had.
    fn passed(
        &mut self,
        sequence: u64,
        record: Option<&Record>,
        news: News,
        own: Option<usize>,
        now: Instant,
    ) -> Passed {
        let is_exact = self.is_exact();
        let Phase::Returning(returning) = &mut self.phase else {
            return Passed::Some(0);
        };
        if news.skipped {
            return Passed::Unknown;
        }
        if let Some(contents) = own.filter(|_| returning.own > 0) {
            let had = contents.min(returning.own);
            returning.own -= had;
            if returning.own == 0 {
                self.marks.fill(Mark::Level);
            }
            let is_all = had == contents;
            self.settle();
            return if is_all { Passed::All } else { Passed::Some(had) };
        }
        let Some(record) = record.filter(|_| news.counts) else {
            return Passed::All;
        };
        let is_in_vain = now.saturating_duration_since(returning.since) >= LOOK_FOR_MAX;
        match (is_exact, returning.end) {
            (true, _) if !is_in_vain => self.look_for(record),
            (true, _) => Passed::Unknown,
            (false, Some(end)) if sequence > end => Passed::Unknown,
            (false, _) => Passed::All,
        }
    }

    /// Looks for the last event that clients have had of each origin.
    fn look_for(&mut self, record: &Record) -> Passed {
        let upstream = record.content.upstream() as usize;
        let Some(mark) = self.marks.get(upstream) else {
            return Passed::All;
        };
        let is_event = matches!(record.content, Content::Events { .. });
        let passed = match mark {
            Mark::At(id) if is_event => match find(&record.content, id) {
                Found::At(n) => Passed::Some(n + 1),
                // It came before, in what was let go unread.
                Found::WithoutIds if record.places.get(upstream) == Some(id) => Passed::Some(0),
                Found::WithoutIds | Found::Nowhere => Passed::All,
            },
            // What is told of an origin before that place was told when it came.
            Mark::At(_) | Mark::Unnamed => Passed::All,
            Mark::Level => Passed::Some(0),
        };
        for (n, (mark, place)) in self.marks.iter_mut().zip(&record.places).enumerate() {
            let is_found = match is_event && n == upstream {
                true => matches!(passed, Passed::Some(_)),
                false => matches!(mark, Mark::At(id) if id == place),
            };
            if is_found {
                *mark = Mark::Level;
            }
        }
        self.settle();
        passed
    }
}

/// What of a message clients have had.
pub(super) enum Passed {
    All,
    /// Its first events, so many.
    Some(usize),
    /// It can't be known: a gap is to be told.
    Unknown,
}
