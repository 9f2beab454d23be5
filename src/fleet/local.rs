//! `when_away: local`: what clients of one instance get while the engine is out of reach, and how they
//! come back to the log. A state machine without I/O or clock, as [`Member`](super::member::Member) is.
//!
//! - The instance is *apart* once the engine has given no sign of life for a while: what origins send
//!   goes to clients at once, numbered under a name of this instance's own.
//! - When the log can be read again, the origins are left, and the log is read from where it was left.
//!   What clients have had is passed over: a leader that still leads knows its own records by their
//!   number; else the last event from each origin is looked for in the log by the origin's id.
//! - Where that can't be, since an origin gives no ids, all that is in the log by now is passed over, and
//!   a gap is told.
//!
//! So an event is never passed over, and never given twice, unless a gap says so.

mod coming_back;
mod finding;
#[cfg(test)]
mod tests;

use self::finding::{Found, find};
use super::record::{Content, blocks};
use crate::event_stream::Event;
use crate::metrics::GapReason;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// A pause of the engine that is shorter does nothing.
const WAIT_MIN: Duration = Duration::from_secs(2);
/// Who goes back and forth waits longer each time, and this long at the most.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// After so long at the log the wait is the shortest again.
const CALM: Duration = Duration::from_secs(600);
/// How long what clients have had is looked for in the log: more than another leader takes.
const LOOK_FOR_MAX: Duration = Duration::from_secs(30);

/// How far clients have got in what one origin sends.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mark {
    /// As far as the log was read.
    Level,
    /// Up to this event, which has an id of its own.
    At(Bytes),
    /// Further, up to an event that has none.
    Unnamed,
}

#[derive(Debug)]
enum Phase {
    /// Clients get what is read of the log.
    Together,
    /// They get what the origins send.
    Apart,
    /// The log is read, and they have had more than has been read of it.
    Returning(Returning),
}

#[derive(Debug)]
struct Returning {
    since: Instant,
    /// Of what this instance has sent as the leader it still is: what is to be read back before anything
    /// is news.
    own: usize,
    /// Where the log ended after the return began, once that is known.
    end: Option<u64>,
}

/// What becomes of clients when the log is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leaving {
    /// A numbering of this instance's own begins.
    pub(crate) begins: bool,
    /// Between what they have had and what comes, events may be missing.
    pub(crate) is_missing: bool,
}

/// What clients get of a message that has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// Its events behind so many.
    pub(crate) behind: usize,
    /// It is the first of the log again: the numbering is the log's, and a gap may be told before it.
    pub(crate) back: Option<Back>,
}

impl Share {
    /// All of it, as ever.
    pub(crate) const ALL: Self = Self { behind: 0, back: None };
}

/// The way back to the log's numbering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Back {
    pub(crate) gap: Option<GapReason>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Local {
    /// `None`: for ever.
    wait: Option<Duration>,
    phase: Phase,
    /// How often it has gone apart, each time soon after the time before.
    times: u32,
    left: Option<Instant>,
    /// By upstream.
    marks: Vec<Mark>,
    /// Of a leader: from which upstreams it gets what clients have had already, up to the mark.
    is_behind: Vec<bool>,
    /// The ids in force where clients are, by upstream; empty: none.
    places: Vec<Bytes>,
    /// The name of the log's numbering when it was left.
    epoch: Option<String>,
    /// Whether what clients got last has a number of an instance's own.
    is_own_numbering: bool,
    /// Whether that is a numbering of this one, which can go on.
    has_numbering: bool,
    /// The last number of it.
    number: u64,
}

impl Local {
    /// For a source with so many upstreams. `answers_in`: how long the engine may take; `None`: the log is
    /// never left.
    pub(crate) fn new(upstreams: usize, answers_in: Option<Duration>) -> Self {
        Self {
            wait: answers_in.map(|wait| wait.clamp(WAIT_MIN, WAIT_MAX)),
            phase: Phase::Together,
            times: 0,
            left: None,
            marks: vec![Mark::Level; upstreams],
            is_behind: vec![false; upstreams],
            places: vec![Bytes::new(); upstreams],
            epoch: None,
            is_own_numbering: false,
            has_numbering: false,
            number: 0,
        }
    }

    /// The same where the process before was apart: what its clients had then is not known any more.
    /// `epoch`: the name of the log's numbering when it was left.
    pub(crate) fn taken_over(self, epoch: Option<&str>, now: Instant) -> Self {
        let marks = vec![Mark::Unnamed; self.marks.len()];
        let mut local = Self {
            marks,
            epoch: epoch.map(str::to_owned),
            is_own_numbering: true,
            ..self
        };
        local.back(None, now);
        local
    }

    /// What clients get next has a number of this instance's own, until they are back at the log.
    pub(crate) fn is_numbered_anew(&mut self) {
        self.is_own_numbering = true;
    }

    /// Whether the log may be left.
    pub(crate) fn may_leave(&self) -> bool {
        self.wait.is_some()
    }

    pub(crate) fn is_apart(&self) -> bool {
        matches!(self.phase, Phase::Apart)
    }

    /// Whether clients get what is read of the log, all of it.
    pub(crate) fn is_together(&self) -> bool {
        matches!(self.phase, Phase::Together)
    }

    /// How long the engine may be silent before the log is left, if ever.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        let is_calm = self.left.is_none_or(|left| now.saturating_duration_since(left) >= CALM);
        let times = if is_calm { 0 } else { self.times };
        Some(self.wait?.saturating_mul(1 << times.min(8)).min(WAIT_MAX))
    }

    /// The log is left. `places`: the ids in force where it has been read to, under the name of its
    /// numbering. `leads`: the origins go on where they are, else where clients are.
    pub(crate) fn leave(&mut self, places: &[Bytes], epoch: Option<&str>, leads: bool, now: Instant) -> Leaving {
        let is_calm = self.left.is_none_or(|left| now.saturating_duration_since(left) >= CALM);
        self.times = if is_calm { 1 } else { self.times + 1 };
        self.left = Some(now);
        if matches!(self.phase, Phase::Together) {
            self.marks.fill(Mark::Level);
            for (n, place) in self.places.iter_mut().enumerate() {
                *place = places.get(n).cloned().unwrap_or_default();
            }
            self.epoch = epoch.map(str::to_owned);
        }
        // What it has sent is known by number.
        let is_numbered = self.had() > 0;
        for (is_behind, mark) in self.is_behind.iter_mut().zip(&self.marks) {
            *is_behind = leads && !is_numbered && matches!(mark, Mark::At(_));
        }
        let is_missing = leads && !is_numbered && !self.is_exact();
        self.phase = Phase::Apart;
        self.is_own_numbering = true;
        let begins = !std::mem::replace(&mut self.has_numbering, true);
        if begins {
            self.number = 0;
        }
        Leaving { begins, is_missing }
    }

    /// The ids that the origins go on behind.
    pub(crate) fn places(&self) -> &[Bytes] {
        &self.places
    }

    /// Of what a leader has sent and not read back: what clients have had of it.
    pub(crate) fn had(&self) -> usize {
        match &self.phase {
            Phase::Returning(returning) => returning.own,
            Phase::Together | Phase::Apart => 0,
        }
    }

    /// Clients get this from an origin. Its number; `None`: it is none, or they have had it.
    pub(crate) fn given(&mut self, content: &Content) -> Option<u64> {
        let upstream = content.upstream() as usize;
        if self.is_behind.get(upstream) == Some(&true) {
            // Where the origin can't go on, what they have had will not come.
            let is_gap = matches!(content, Content::Gap { reason, .. } if *reason == GapReason::UpstreamReconnected);
            self.is_behind[upstream] = !is_gap && !self.is_mark(upstream, content);
            if !is_gap {
                return None;
            }
        }
        match content {
            Content::Events { blocks: payload, .. } => {
                for block in blocks(payload) {
                    let event = Event::parse_block(&block);
                    let id = event.and_then(|event| event.id().map(Bytes::copy_from_slice));
                    self.moved(upstream, id);
                }
            }
            Content::Moved { id, .. } => {
                self.moved(upstream, Some(id.clone()));
                return None;
            }
            _ => {}
        }
        self.number += 1;
        Some(self.number)
    }

    /// Whether something is what clients had last of an origin.
    fn is_mark(&self, upstream: usize, content: &Content) -> bool {
        let Some(Mark::At(mark)) = self.marks.get(upstream) else {
            return true;
        };
        match content {
            Content::Moved { id, .. } => id == mark,
            content => matches!(find(content, mark), Found::At(_)),
        }
    }

    /// An event has come. Only one with an id that the one before does not have can be found again.
    fn moved(&mut self, upstream: usize, id: Option<Bytes>) {
        let (Some(mark), Some(place)) = (self.marks.get_mut(upstream), self.places.get_mut(upstream)) else {
            return;
        };
        *mark = match &id {
            Some(id) if !id.is_empty() && id != place => Mark::At(id.clone()),
            _ => Mark::Unnamed,
        };
        if let Some(id) = id {
            *place = id;
        }
    }

    /// The log can be read again: from now on clients get nothing but what is in it. `own`: what a leader
    /// has sent and not read back, all of which they have had; `None`: this instance does not lead any
    /// more.
    pub(crate) fn back(&mut self, own: Option<usize>, now: Instant) {
        // Of an origin whose mark has not come they have had nothing of it.
        let own = own.filter(|_| !self.is_behind.contains(&true));
        if own == Some(0) {
            self.marks.fill(Mark::Level);
        }
        self.phase = Phase::Returning(Returning {
            since: now,
            own: own.unwrap_or(0),
            end: None,
        });
        self.settle();
    }

    /// Another leads: what this instance has sent may be in the log, or not.
    pub(crate) fn deposed(&mut self) {
        if let Phase::Returning(returning) = &mut self.phase {
            returning.own = 0;
        }
    }

    /// Whether it has to be known where the log ends.
    pub(crate) fn wants_end(&self) -> bool {
        matches!(&self.phase, Phase::Returning(returning) if returning.end.is_none()) && !self.is_exact()
    }

    /// The log ends so, by what was asked since the return began.
    pub(crate) fn end(&mut self, last: u64) {
        if let Phase::Returning(returning) = &mut self.phase
            && returning.end.is_none()
        {
            returning.end = Some(last);
        }
    }

    fn is_exact(&self) -> bool {
        !self.marks.contains(&Mark::Unnamed)
    }

    /// Where the log holds no id of an origin, the one that clients have had: a new leader may as well go
    /// on there.
    pub(crate) fn fill(&mut self, places: &mut Vec<Bytes>) -> bool {
        let mut is_filled = false;
        places.resize(self.marks.len().max(places.len()), Bytes::new());
        for (place, mark) in places.iter_mut().zip(&mut self.marks) {
            if let (true, Mark::At(id)) = (place.is_empty(), &mark) {
                *place = id.clone();
                *mark = Mark::Level;
                is_filled = true;
            }
        }
        is_filled
    }

    /// Whether the return is over.
    fn settle(&mut self) {
        let is_level = self.marks.iter().all(|mark| *mark == Mark::Level);
        if let Phase::Returning(returning) = &self.phase
            && returning.own == 0
            && is_level
        {
            self.phase = Phase::Together;
        }
    }
}
