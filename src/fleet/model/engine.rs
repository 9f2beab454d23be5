//! An engine of the model: a log, a lease, and the messages on their way.

use super::super::lease::{LEASE_TTL, LeaseAnswer};
use super::super::pipeline::Answer;
use super::super::record::{Content, Record};
use std::time::Instant;

/// What a member has said to the engine.
#[derive(Debug, Clone)]
pub(super) enum Said {
    Lease,
    AskEnd,
    /// `term`: 0 for a term record.
    Append {
        term: u64,
        expected: u64,
        record: Record,
    },
}

/// What the engine says to a member. What was lost comes as such, when it has been waited for in vain.
#[derive(Debug, Clone)]
pub(super) enum Heard {
    Lease(LeaseAnswer),
    End(Option<u64>),
    Answer(u64, Answer),
}

/// A message on its way, and of which life of which member.
#[derive(Debug, Clone)]
pub(super) enum OnItsWay {
    There(Parcel<Said>),
    Back(Parcel<Heard>),
}

#[derive(Debug, Clone)]
pub(super) struct Parcel<T> {
    pub(super) member: usize,
    pub(super) life: u64,
    pub(super) what: T,
    /// A copy: its answer goes nowhere.
    pub(super) is_double: bool,
}

pub(super) struct Engine {
    pub(super) log: Vec<Record>,
    /// Who has it, as of which revision, since when.
    pub(super) lease: Option<(usize, u64, u64, Instant)>,
    revision: u64,
}

impl Engine {
    pub(super) fn new() -> Self {
        Self {
            log: Vec::new(),
            lease: None,
            revision: 0,
        }
    }

    /// Does what was said, and answers.
    pub(super) fn take(&mut self, parcel: &Parcel<Said>, now: Instant) -> Heard {
        match &parcel.what {
            Said::AskEnd => Heard::End(Some(self.log.len() as u64)),
            Said::Append { term, expected, record } => {
                let fits = *expected == self.log.len() as u64;
                if fits {
                    self.log.push(record.clone());
                }
                let answer = if fits { Answer::Stored } else { Answer::Refused };
                Heard::Answer(*term, answer)
            }
            Said::Lease => Heard::Lease(self.hold(parcel.member, parcel.life, now)),
        }
    }

    /// As the engine's side of the lease does: whoever has it in this life has it on.
    fn hold(&mut self, member: usize, life: u64, now: Instant) -> LeaseAnswer {
        self.lease = self.lease.filter(|(_, _, _, since)| now < *since + LEASE_TTL);
        match self.lease {
            Some((holder, of_life, _, _)) if (holder, of_life) != (member, life) => LeaseAnswer::Other,
            _ => {
                self.revision += 1;
                self.lease = Some((member, life, self.revision, now));
                LeaseAnswer::Held(self.revision)
            }
        }
    }

    /// Who had it in one life has it in another: they are known by the same word.
    pub(super) fn is_held_by(&mut self, member: usize, before: u64, after: u64) {
        if let Some((holder, life, ..)) = &mut self.lease
            && (*holder, *life) == (member, before)
        {
            *life = after;
        }
    }

    pub(super) fn is_term(record: &Record) -> bool {
        matches!(record.content, Content::Term { .. })
    }
}

/// What is heard instead of an answer that is lost.
pub(super) fn lost(heard: &Heard) -> Heard {
    match heard {
        Heard::Lease(_) => Heard::Lease(super::super::lease::LeaseAnswer::Away),
        Heard::End(_) => Heard::End(None),
        Heard::Answer(term, _) => Heard::Answer(*term, Answer::Lost),
    }
}
