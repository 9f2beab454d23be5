//! What a chain is told: answers of the engine, what has been read, and how others are.

use super::{Chain, ChainAction, READ_WITHIN, Role, Standing, TRY_AGAIN, UpstreamEnd};
use crate::fleet::chains::names::Names;
use crate::fleet::member::News;
use crate::fleet::pipeline::{Answer, Freed, Pipeline};
use crate::fleet::record::{Content, Record, Stored};
use std::time::Instant;

/// What a message is to the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChainNews {
    /// It has been read before, or says nothing.
    Nothing,
    /// It says something.
    Says(News),
    /// What was before has come to its end, and this begins another stream.
    Begins,
}

impl Chain {
    /// A message of the channel has been read. What it is to the ring, and what of this instance's own
    /// is in the log with it.
    pub(crate) fn read(&mut self, stored: &Stored, names: &Names, now: Instant) -> (ChainNews, Freed) {
        if stored.sequence <= self.read {
            return (ChainNews::Nothing, Freed::default());
        }
        self.grown = now;
        let is_ours = |record: &&Record| names.at(stored.sequence) == Some(&record.epoch);
        let Some(record) = stored.record.as_ref().filter(is_ours) else {
            // What others write is in the way, and says nothing.
            self.read = stored.sequence;
            self.is_emptied = false;
            if let Role::Leading(pipeline) = &mut self.role {
                pipeline.disturbed();
            }
            self.goes_on();
            return (ChainNews::Nothing, Freed::default());
        };
        let is_term = matches!(record.content, Content::Term { .. });
        let begins = is_term && record.read == 0;
        let skipped = !begins && self.read > 0 && record.read != self.read;
        let before = self.published.replace(record.epoch.clone());
        let is_anew = before.is_some_and(|before| before != record.epoch);
        let is_another = begins && self.read > 0 && !self.begins;
        self.follow(stored.sequence, record, begins);
        let freed = match is_term {
            true => {
                self.term_read(stored.sequence, record);
                Freed::default()
            }
            false => self.record_read(record),
        };
        self.goes_on();
        let news = News {
            skipped,
            counts: true,
            is_anew,
        };
        match is_another {
            true => (ChainNews::Begins, freed),
            false => (ChainNews::Says(news), freed),
        }
    }

    /// Whether messages of the channel before this one have not come. They may be in the engine, or not.
    pub(crate) fn has_hole_before(&self, stored: &Stored, names: &Names) -> bool {
        let is_ours = |record: &&Record| names.at(stored.sequence) == Some(&record.epoch);
        let Some(record) = stored.record.as_ref().filter(is_ours) else {
            return false;
        };
        let begins = record.read == 0 && matches!(record.content, Content::Term { .. });
        stored.sequence > self.read && self.read > 0 && !begins && record.read != self.read
    }

    fn goes_on(&mut self) {
        if let Role::Leading(pipeline) = &mut self.role {
            pipeline.goes_on(self.read);
        }
        if self.last.mark.is_some_and(|(mark, _)| mark > 0 && mark <= self.read) {
            self.last.mark = None;
        }
    }

    /// Takes over what a record says of all before it.
    fn follow(&mut self, sequence: u64, record: &Record, begins: bool) {
        if begins {
            self.ends.iter_mut().for_each(|end| *end = None);
            (self.has_opened, self.is_over) = (false, false);
        }
        (self.read, self.is_emptied, self.begins) = (sequence, false, false);
        if self.leader.as_ref() != Some(&record.by) {
            self.leader = Some(record.by.clone());
            self.leader_is_gone = false;
        }
        self.places.clone_from(&record.places);
        let end = |end: &mut Self, n: u32, how| {
            if let Some(slot) = end.ends.get_mut(n as usize) {
                *slot = Some(how);
            }
        };
        match &record.content {
            Content::Released => self.leader = None,
            Content::Ended { upstream } => end(self, *upstream, UpstreamEnd::Ended),
            Content::Refused { upstream, status } => end(self, *upstream, UpstreamEnd::Refused(*status)),
            Content::Term { .. } | Content::Checkpoint => {}
            _ => self.has_opened = true,
        }
    }

    fn term_read(&mut self, sequence: u64, record: &Record) {
        if matches!(self.role, Role::Leading(_)) {
            self.stop_leading();
        }
        self.role = Role::Following;
        if record.by == self.by && !self.is_leaving {
            let is_first = record.read == 0;
            let is_told = matches!(record.content, Content::Term { resumes: false, .. });
            let places = record.places.clone();
            let pipeline = Pipeline::new(
                sequence,
                record.epoch.clone(),
                places.clone(),
                self.settings.message_bytes_max,
            );
            self.role = Role::Leading(Box::new(pipeline.chained(self.by.clone())));
            self.actions.push(ChainAction::Lead {
                term: sequence,
                places,
                is_told,
                is_first,
            });
        }
    }

    fn record_read(&mut self, record: &Record) -> Freed {
        match &mut self.role {
            Role::Leading(pipeline) if pipeline.term() == record.term => pipeline.read_back(record.number),
            Role::Leading(_) if record.by != self.by => {
                self.stop_leading();
                Freed::default()
            }
            Role::Standing(_) if record.by != self.by && !matches!(record.content, Content::Released) => {
                self.role = Role::Following;
                Freed::default()
            }
            _ => Freed::default(),
        }
    }

    fn stop_leading(&mut self) {
        self.role = Role::Following;
        self.actions.push(ChainAction::StopLeading);
    }

    /// What came of an append; a term record has no term.
    pub(crate) fn answered(&mut self, term: u64, answer: Answer, now: Instant) {
        match &mut self.role {
            Role::Standing(standing @ Standing::Appending) if term == 0 => {
                *standing = match answer {
                    Answer::Stored => Standing::Appended(now + READ_WITHIN),
                    Answer::Refused => Standing::Waiting(now),
                    Answer::Lost => Standing::Waiting(now + TRY_AGAIN),
                };
                self.last.is_wanted |= answer != Answer::Stored;
            }
            Role::Leading(pipeline) if pipeline.term() == term => {
                pipeline.answered(answer);
                if answer == Answer::Stored && !pipeline.is_empty() && self.last.mark.is_none() {
                    self.last.mark = Some((0, now + READ_WITHIN));
                }
            }
            _ => {}
        }
    }

    /// What came of [`ChainAction::AskLast`]: the channel's newest message, 0: none; `None`: no answer.
    pub(crate) fn last(&mut self, last: Option<u64>, now: Instant) {
        let Some(asked) = self.last.asked.take() else { return };
        self.last.not_before = None;
        match last {
            None => {
                self.last.is_wanted = true;
                self.last.not_before = Some(now + TRY_AGAIN);
            }
            Some(0) if asked > 0 && self.read == asked && !self.is_emptied => self.emptied(),
            Some(last) if last > 0 && last < asked => {
                // The log has come back with less: the source's names will say so.
                self.last.is_wanted = true;
                self.last.not_before = Some(now + READ_WITHIN);
            }
            Some(last) => {
                if last > self.read {
                    self.last.mark = Some((last, now + READ_WITHIN));
                }
                if let Role::Leading(pipeline) = &mut self.role {
                    match pipeline.wants_end() {
                        true => pipeline.end(last, self.read),
                        false if last <= self.read => pipeline.look_again(),
                        false => {}
                    }
                }
            }
        }
    }

    /// The engine has let go of all that has been read: too old, or of a stream that had ended.
    fn emptied(&mut self) {
        if matches!(self.role, Role::Leading(_)) {
            self.stop_leading();
        }
        self.is_emptied = true;
        self.leader = None;
    }

    /// What the engine holds of the channel behind what had been read has been read from there.
    /// `last`: its newest message; 0: none.
    pub(crate) fn has_read_anew(&mut self, last: u64) {
        self.is_reading_anew = false;
        self.last.mark = None;
        if last == 0 && self.read > 0 {
            self.emptied();
        }
        if let Role::Leading(pipeline) = &mut self.role {
            pipeline.goes_on(last.max(self.read));
        }
    }

    /// It is read from the engine, since what comes by itself has had holes.
    pub(crate) fn begin_reading_anew(&mut self) {
        if !self.is_reading_anew {
            self.read_anew();
        }
    }

    /// Messages of the source have been let go unread: perhaps of this channel.
    pub(crate) fn may_have_missed(&mut self) {
        self.last.is_wanted |= self.read > 0;
    }

    /// The source's numbering has another name from this message on: the log had come back with less
    /// than it had. What is known of the channel stays, but what the engine holds of it is not known.
    pub(crate) fn renamed(&mut self, names: &Names) {
        if matches!(self.role, Role::Leading(_)) {
            self.stop_leading();
        }
        self.role = Role::Following;
        self.epoch = names.current().to_owned();
        self.leader = None;
        self.last.mark = None;
        self.begin_reading_anew();
    }

    /// What the channel's newest message is by now, after [`Chain::renamed`]; 0: none.
    pub(crate) fn rebase(&mut self, last: u64) {
        self.read = last;
        self.is_emptied = last == 0;
    }

    /// The process that leads is no more.
    pub(crate) fn leader_died(&mut self, process: &str) {
        if self.follows() == Some(process) {
            self.leader_is_gone = true;
        }
    }

    /// The channel's last event has been read.
    pub(crate) fn over(&mut self) {
        self.is_over = true;
        if let Role::Standing(_) = self.role {
            self.role = Role::Following;
        }
    }

    /// What has been read came to its end long ago: what comes begins another stream.
    pub(crate) fn begin_another(&mut self) {
        self.begins = true;
        self.ends.iter_mut().for_each(|end| *end = None);
        (self.has_opened, self.is_over) = (false, false);
        self.places.clear();
        self.leader = None;
    }

    /// It leads no more, once what it was given is in the log.
    pub(crate) fn leave(&mut self) {
        self.is_leaving = true;
        if let Role::Standing(_) = self.role {
            self.role = Role::Following;
        }
    }

    /// It leads no more, whatever is on its way.
    pub(crate) fn resign(&mut self) {
        self.leave();
        if let Role::Leading(_) = self.role {
            self.stop_leading();
        }
    }
}
