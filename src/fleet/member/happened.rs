//! What a member is told: answers of the engine, and what has been read of the log.

use super::{
    Action, Asked, CarriedLead, LOOK_EVERY, Member, News, Role, SHORTER_EVERY, SHORTER_LOOKS, Standing, TRY_AGAIN,
};
use crate::fleet::lease::LeaseAnswer;
use crate::fleet::pipeline::{Answer, Freed, Pipeline};
use crate::fleet::reading::Turn;
use crate::fleet::record::{Content, Record, Stored};
use std::time::Instant;

impl Member {
    /// What came of [`Action::Lease`].
    pub(crate) fn lease(&mut self, answer: &LeaseAnswer, now: Instant) {
        let is_held = self.lease.answered(answer, now);
        match (&self.role, is_held) {
            (Role::Following, true) if *answer != LeaseAnswer::Away && !self.is_leaving => {
                self.role = Role::Standing(Standing::Asking(now));
            }
            // Another leads, or is about to.
            (Role::Standing(_), false) if !self.reading.is_lost() && !self.reading.is_contested() => {
                self.role = Role::Following
            }
            (Role::Leading(_), false) if *answer == LeaseAnswer::Other => self.stop_leading(),
            _ => {}
        }
    }

    /// What came of [`Action::AskEnd`]; `None`: no answer.
    pub(crate) fn end(&mut self, last: Option<u64>, now: Instant) {
        let Some(asked) = self.end.asked.take() else { return };
        match last {
            None => self.end.not_before = now + TRY_AGAIN,
            Some(last) if last < asked.read => {
                self.end.shorter += 1;
                self.end.not_before = now + SHORTER_EVERY;
                self.end.next_look = self.end.not_before;
                if self.end.shorter >= SHORTER_LOOKS {
                    self.log_lost(last, now);
                }
            }
            Some(last) => {
                self.end.shorter = 0;
                self.end.seen = last;
                self.look_at_reader(last, now);
                self.end_is(last, asked, now);
            }
        }
    }

    /// What was there at a look has been read a while later, or the reader has fallen silent.
    fn look_at_reader(&mut self, last: u64, now: Instant) {
        let (end, at) = self.end.mark;
        if self.reading.read() >= end {
            self.end.mark = (last, now);
        } else if now.saturating_duration_since(at) >= LOOK_EVERY {
            self.end.mark = (end, now);
            self.actions.push(Action::ReadAnew);
        }
    }

    fn end_is(&mut self, last: u64, asked: Asked, now: Instant) {
        let read = self.reading.read();
        match &mut self.role {
            Role::Standing(standing @ Standing::Asking(_)) if asked.for_term => *standing = Standing::Reading(last),
            // It was answered, and is not there.
            Role::Standing(standing @ Standing::Appended) if asked.read >= last => *standing = Standing::Asking(now),
            // What was there a while ago is no more.
            Role::Standing(standing @ Standing::Reading(_)) if *standing > Standing::Reading(last) => {
                *standing = Standing::Asking(now);
            }
            Role::Leading(pipeline) if asked.for_pipeline => pipeline.end(last, read),
            Role::Leading(pipeline) if pipeline.waits_beyond(last) => pipeline.end_again(last, read),
            Role::Leading(pipeline) if asked.read >= last => pipeline.look_again(),
            Role::Following | Role::Standing(_) | Role::Leading(_) => {}
        }
    }

    fn log_lost(&mut self, last: u64, now: Instant) {
        self.end.shorter = 0;
        self.end.seen = last;
        self.end.mark = (last, now);
        self.end.not_before = now;
        self.reading.lost(last);
        self.let_go();
        if matches!(self.role, Role::Leading(_)) {
            self.stop_leading();
        }
        self.role = Role::Standing(Standing::Asking(now));
        self.actions.push(Action::ReadAnew);
    }

    /// What came of [`Action::AppendTerm`]. Whether it is in the log will be read.
    pub(crate) fn term_answered(&mut self, answer: Answer, now: Instant) {
        if let Role::Standing(standing @ Standing::Appending) = &mut self.role {
            *standing = match answer {
                Answer::Stored => Standing::Appended,
                Answer::Refused | Answer::Lost => Standing::Asking(now + TRY_AGAIN),
            };
        }
    }

    /// What came of an [`Action::Append`] of this term.
    pub(crate) fn answered(&mut self, term: u64, answer: Answer) {
        if let Role::Leading(pipeline) = &mut self.role
            && pipeline.term() == term
        {
            pipeline.answered(answer);
        }
    }

    /// A message has been read. What it is to the ring; `None`: nothing. And what of this instance's
    /// own is in the log with it.
    pub(crate) fn read(&mut self, stored: &Stored, now: Instant) -> (Option<News>, Freed) {
        let epoch = self.reading.epoch().map(str::to_owned);
        let (skipped, counts) = match self.reading.take(stored) {
            Turn::Again => return (None, Freed::default()),
            Turn::Elsewhere => {
                // What was read is not in the log any more; where it is another is not known.
                self.log_lost(stored.sequence - 1, now);
                return (None, Freed::default());
            }
            Turn::Next { skipped, counts } => (skipped, counts),
        };
        self.grown = now;
        let is_anew = epoch.is_some() && epoch.as_deref() != self.reading.epoch();
        if is_anew && matches!(self.role, Role::Leading(_)) {
            // Its term is one of before a loss that others have noticed.
            self.other_leads(now);
        }
        let freed = match stored.record.as_ref().filter(|_| counts) {
            Some(record) => self.record(stored.sequence, record, now),
            None => {
                if let Role::Leading(pipeline) = &mut self.role {
                    pipeline.disturbed();
                }
                Freed::default()
            }
        };
        if let Role::Leading(pipeline) = &mut self.role {
            pipeline.goes_on(self.reading.read());
        }
        // Until it has another name, its numbers are those of what has been read before.
        let is_news = !self.reading.is_lost() && (counts || skipped) && stored.sequence > self.settings.publish_behind;
        let news = is_news.then_some(News {
            skipped,
            is_anew,
            counts,
        });
        (news, freed)
    }

    fn record(&mut self, sequence: u64, record: &Record, now: Instant) -> Freed {
        match &mut self.inherited {
            Some(lead) if record.term == lead.term => lead.read_back(record.number),
            Some(lead) if record.term > lead.term => self.let_go(),
            _ => {}
        }
        if let Content::Term { token, .. } = &record.content {
            let is_own = token
                .strip_prefix(&self.settings.token)
                .is_some_and(|rest| rest.starts_with('.'));
            match is_own && !self.is_leaving {
                true => self.begin_term(sequence, record),
                false => self.other_leads(now),
            }
            return Freed::default();
        }
        match &mut self.role {
            Role::Leading(pipeline) if pipeline.term() == record.term => pipeline.read_back(record.number),
            Role::Leading(pipeline) if record.term > pipeline.term() => {
                self.other_leads(now);
                Freed::default()
            }
            _ => Freed::default(),
        }
    }

    fn begin_term(&mut self, term: u64, record: &Record) {
        if matches!(self.role, Role::Leading(_)) {
            // One that was given up, and has arrived after all. It is the newest: it counts.
            self.actions.push(Action::StopLeading);
        }
        let pipeline = Pipeline::new(
            term,
            record.epoch.clone(),
            record.places.clone(),
            self.settings.message_bytes_max,
        )
        .in_era(record.era);
        let inherited = self.inherited.take().map(CarriedLead::into_contents);
        // Origins go on behind what is not in the log yet.
        let places = pipeline.places_behind(inherited.as_deref().unwrap_or_default());
        self.role = Role::Leading(Box::new(pipeline));
        let is_told = matches!(record.content, Content::Term { resumes: false, .. });
        self.actions.push(Action::Lead {
            term,
            places,
            is_told,
            inherited,
        });
    }

    /// What a predecessor has given of its origins is of no use any more.
    fn let_go(&mut self) {
        if self.inherited.take().is_some() {
            self.actions.push(Action::LetGo);
        }
    }

    fn other_leads(&mut self, now: Instant) {
        self.let_go();
        match self.role {
            Role::Leading(_) => self.stop_leading(),
            Role::Standing(_) => self.role = Role::Following,
            Role::Following => {}
        }
        // Whose it is by now.
        if self.lease.is_held() {
            self.lease.hurry(now);
        }
    }

    fn stop_leading(&mut self) {
        self.role = Role::Following;
        self.actions.push(Action::StopLeading);
    }

    /// It will lead no more. A leader ends once its pipeline is empty: see [`Member::resign`].
    pub(crate) fn leave(&mut self) {
        self.is_leaving = true;
        self.let_go();
        if matches!(self.role, Role::Standing(_)) {
            self.role = Role::Following;
        }
    }

    /// It leads no more. The lease's revision, to be deleted, if it is held.
    pub(crate) fn resign(&mut self) -> Option<u64> {
        if matches!(self.role, Role::Leading(_)) {
            self.stop_leading();
        }
        self.lease.give_up()
    }
}
