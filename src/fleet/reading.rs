//! How far the log has been read, and what that says: who leads, where the origin goes on, and
//! whether the log is still the one that was read.

use super::as_serde::as_ids;
use super::pipeline::UNREAD_MAX;
use super::record::{Content, Record, Stored};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What is known of the log by having read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reading {
    /// The newest message that has been read, or the one before the first to be.
    read: u64,
    /// Where reading began: what lies before is not known.
    from: u64,
    /// The newest that have been read, by term and number, whether they count or not.
    window: VecDeque<(u64, u64)>,
    /// Whether the log has ever held anything before that.
    has_begun: bool,
    /// The newest term record, by its sequence; 0: none is known.
    term: u64,
    /// The number of what has counted last in it; `None`: not known.
    number: Option<u64>,
    /// Who leads, as that says.
    leader: Option<String>,
    /// The name of the numbering.
    epoch: Option<String>,
    /// How often the log has come back with less, as its newest name says.
    era: u64,
    /// The ids in force, by upstream; empty: none.
    #[serde(with = "as_ids")]
    places: Vec<Bytes>,
    /// It has come back with less than it had, and nobody has said so in it.
    is_lost: bool,
    /// The newest term record is of one that has not noticed a loss: it leads by what is no more.
    is_contested: bool,
}

/// What a message is to who has read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It has been read before.
    Again,
    /// The next one. `skipped`: messages before it have been let go unread.
    /// `counts`: it says something.
    Next { skipped: bool, counts: bool },
    /// It can't follow what has been read: the log is not the one that it was.
    Elsewhere,
}

impl Reading {
    /// From behind this message on.
    pub(crate) fn behind(sequence: u64) -> Self {
        Self {
            read: sequence,
            from: sequence,
            window: VecDeque::new(),
            has_begun: sequence > 0,
            term: 0,
            number: None,
            leader: None,
            epoch: None,
            era: 0,
            places: Vec::new(),
            is_lost: false,
            is_contested: false,
        }
    }

    /// Whether it can be what another process has read: its words are words, and it is no larger than one
    /// gets here.
    pub(super) fn is_sound(&self) -> bool {
        let mut names = self.epoch.iter();
        let ends_line = |place: &Bytes| memchr::memchr2(b'\n', b'\r', place).is_some();
        self.window.len() <= UNREAD_MAX
            && self.from <= self.read
            && names.all(|name| name.bytes().all(|byte| byte.is_ascii_graphic()))
            && !self.places.iter().any(ends_line)
    }

    pub(crate) fn read(&self) -> u64 {
        self.read
    }

    pub(crate) fn term(&self) -> u64 {
        self.term
    }

    pub(crate) fn leader(&self) -> Option<&str> {
        self.leader.as_deref()
    }

    pub(crate) fn epoch(&self) -> Option<&str> {
        self.epoch.as_deref()
    }

    /// The era of a term record that is written now.
    pub(super) fn next_era(&self) -> u64 {
        self.era.saturating_add(u64::from(self.is_lost))
    }

    pub(crate) fn places(&self) -> &[Bytes] {
        &self.places
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Whether another leads that does not know how the log is called by now: only a later term tells it.
    pub(crate) fn is_contested(&self) -> bool {
        self.is_contested
    }

    /// Something is about to be appended that tells it.
    pub(super) fn is_told(&mut self) {
        self.is_contested = false;
    }

    /// Whether origins of this number can go on where the log ends: it is empty, or holds an id of
    /// each.
    pub(crate) fn resumes(&self, upstreams: usize) -> bool {
        let has_place = |n| self.places.get(n).is_some_and(|id: &Bytes| !id.is_empty());
        !self.has_begun || (0..upstreams).all(has_place)
    }

    /// Takes the next message.
    pub(crate) fn take(&mut self, stored: &Stored) -> Turn {
        if stored.sequence <= self.read {
            return Turn::Again;
        }
        let skipped = stored.sequence > self.read + 1;
        let record = stored.record.as_ref();
        if record.is_some_and(|record| self.contradicts(record)) {
            return Turn::Elsewhere;
        }
        let is_missed = record.is_some_and(|record| self.has_missed_its_era(record));
        if is_missed {
            self.term = 0;
        }
        if skipped || is_missed {
            self.window.clear();
            self.number = None;
            self.from = stored.sequence - 1;
        }
        let counts = record.is_some_and(|record| self.counts(stored.sequence, record));
        if let Some(record) = record.filter(|record| matches!(record.content, Content::Term { .. })) {
            self.is_contested = record.era < self.era;
        }
        self.remember(stored.sequence, record);
        self.read = stored.sequence;
        self.has_begun = true;
        if let Some(record) = record.filter(|_| counts) {
            self.follow(stored.sequence, record);
        }
        Turn::Next { skipped, counts }
    }

    /// Whether a record says something: between what its leader had read and itself there is nothing
    /// but that leader's own, in order. All instances judge by the same messages, wherever they began.
    fn counts(&self, sequence: u64, record: &Record) -> bool {
        // Late ones of before a loss: their sequences have been given again.
        if record.era < self.era {
            return false;
        }
        if matches!(record.content, Content::Term { .. }) {
            return true;
        }
        let Some(between) = (sequence - 1).checked_sub(record.read) else {
            return false;
        };
        // What was let go before it could be read is taken on trust.
        let known = self
            .window
            .iter()
            .rev()
            .take(usize::try_from(between).unwrap_or(usize::MAX));
        let in_order = known
            .zip(1..)
            .all(|(before, back)| before.0 == record.term && before.1 + back == record.number);
        let follows = record.term > self.term || self.number.is_none_or(|last| record.number == last + 1);
        in_order && follows && record.term >= self.term && between <= UNREAD_MAX as u64
    }

    /// It goes by a name that is not known, and the term record that began with it lies where something
    /// else was read: the log has come back with less, others have said so, and it has grown beyond.
    fn has_missed_its_era(&self, record: &Record) -> bool {
        let is_term = matches!(record.content, Content::Term { .. });
        let is_known = self.epoch.as_ref().is_none_or(|epoch| *epoch == record.epoch);
        !is_term && !is_known && record.era >= self.era
    }

    fn remember(&mut self, sequence: u64, record: Option<&Record>) {
        let name = match record {
            Some(record) if matches!(record.content, Content::Term { .. }) => (sequence, 0),
            Some(record) => (record.term, record.number),
            None => (0, 0),
        };
        if self.window.len() == UNREAD_MAX {
            self.window.pop_front();
        }
        self.window.push_back(name);
    }

    /// A term began at its record. If that lies where something else has been read, the log has come
    /// back with less than it had, and has been written to since.
    fn contradicts(&self, record: &Record) -> bool {
        let is_term = matches!(record.content, Content::Term { .. });
        let is_known = self.epoch.as_ref() == Some(&record.epoch);
        let began_elsewhere = record.term > self.term && record.term <= self.read && record.term > self.from;
        // Its leader has read a term record of another as something else, or it would have stopped.
        let has_not_stopped = record.term < self.term && record.read >= self.term;
        !is_term && is_known && record.era == self.era && (began_elsewhere || has_not_stopped)
    }

    fn follow(&mut self, sequence: u64, record: &Record) {
        if let Content::Term { instance, .. } = &record.content {
            self.term = sequence;
            self.leader = Some(instance.clone());
        } else if record.term > self.term {
            // Its record was let go unread.
            self.term = record.term;
            self.leader = None;
        }
        self.number = Some(record.number);
        if self.epoch.as_ref() != Some(&record.epoch) {
            self.epoch = Some(record.epoch.clone());
            self.is_lost = false;
        }
        self.era = record.era;
        self.places.clone_from(&record.places);
    }

    /// The log ends here, before what has been read of it: it goes on from there under another name.
    /// Where the origins go on stays known.
    pub(crate) fn lost(&mut self, last: u64) {
        self.is_lost = true;
        self.read = last;
        self.from = last;
        self.window.clear();
        self.number = None;
        // Any term that is read from here on is news.
        self.term = self.term.min(last);
    }
}
