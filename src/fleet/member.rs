//! One instance's part in the fleet, for one source: a state machine without I/O or clock. It is told
//! what has happened, and says what is to be done.
//!
//! - It reads the log, and what it has read is what it publishes: also a leader.
//! - It tries for the lease. Who has it asks where the log ends, reads to there, and appends a *term
//!   record* that expects this end. From then on an append of an older leader is refused, since the
//!   sequence that it expects has passed; or it lands behind what its leader has not read, and counts
//!   for nothing.
//! - Who reads its own term record leads, until it reads another's.

mod happened;

use super::carried::{CarriedLead, CarriedMember};
use super::lease::Lease;
use super::pipeline::{Append, Pipeline};
use super::reading::Reading;
use super::record::{Content, Record};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// How often it is looked whether the log has been read to its end.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// After what went wrong, the next try waits so long.
const TRY_AGAIN: Duration = Duration::from_millis(200);
/// Looks in a row that have to find the log shorter than it was read: the first may have been
/// answered by a server that has fallen behind.
const SHORTER_LOOKS: u32 = 3;
/// And between them some time passes.
const SHORTER_EVERY: Duration = Duration::from_millis(1500);

/// What a member is made with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Its name, for people.
    pub(crate) instance: String,
    /// What its term records are known by, and who asks for the lease: of this process alone, and of those
    /// that go on with what it is.
    pub(crate) token: String,
    /// Of its source.
    pub(crate) upstreams: usize,
    /// Bytes of a message that the engine takes.
    pub(crate) message_bytes_max: usize,
    /// What is read up to here is known, and not published.
    pub(crate) publish_behind: u64,
    /// A leader appends something at least so often.
    pub(crate) checkpoint_every: Duration,
    /// The name that the numbering of a log has into which nothing has been written yet.
    pub(crate) first_epoch: Option<String>,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Action {
    /// Ask for the lease, or for its renewal from this revision on.
    Lease(Option<u64>),
    /// Ask the log's leader where the log ends.
    AskEnd,
    /// Append a term record.
    AppendTerm(Append),
    /// Append.
    Append(Append),
    /// Begin to feed the log: this instance leads. The ids are where the origins go on.
    /// `is_told`: that events may be missing here.
    /// `inherited`: what the process before had read from its origins, whose connections go on.
    Lead {
        term: u64,
        places: Vec<Bytes>,
        is_told: bool,
        inherited: Option<Vec<Content>>,
    },
    /// Let go of what the process before has given of its origins: another leads.
    LetGo,
    /// Stop it.
    StopLeading,
    /// Read anew from behind what has been read: the reader has fallen silent, or the log is another.
    ReadAnew,
}

/// What a message that has been read is to the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct News {
    /// Messages before it are gone.
    pub(crate) skipped: bool,
    /// It says something.
    pub(crate) counts: bool,
    /// The first under another name of the numbering than what was read before.
    pub(crate) is_anew: bool,
}

#[derive(Debug)]
enum Role {
    Following,
    /// It has the lease, and is about to lead.
    Standing(Standing),
    Leading(Box<Pipeline>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Standing {
    /// The log's end has to be asked for, from this time on.
    Asking(Instant),
    /// It has to be read up to here.
    Reading(u64),
    /// The term record is on its way.
    Appending,
    /// It has been answered, and not been read.
    Appended,
}

/// The question where the log ends.
#[derive(Debug)]
struct EndQuestion {
    /// What is asked at the moment.
    asked: Option<Asked>,
    /// It is not asked again before.
    not_before: Instant,
    next_look: Instant,
    /// Where the log ended when it was asked last.
    seen: u64,
    /// Where it ended at some look, and when that was: it has to be read so far in time.
    mark: (u64, Instant),
    /// Answers in a row by which it was shorter than it had been read.
    shorter: u32,
}

/// Who wanted to know when it was asked: who has come since needs a later answer.
#[derive(Debug, Clone, Copy)]
struct Asked {
    read: u64,
    for_term: bool,
    for_pipeline: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Member {
    settings: Settings,
    pub(crate) reading: Reading,
    pub(crate) lease: Lease,
    role: Role,
    /// What a predecessor has led with, until this process leads.
    inherited: Option<CarriedLead>,
    end: EndQuestion,
    /// Term records that were sent.
    attempts: u64,
    /// When the log has grown last, as far as is known here.
    grown: Instant,
    /// It leaves: it leads no more, once all that it was given is in the log.
    is_leaving: bool,
    actions: Vec<Action>,
}

impl Member {
    /// One that reads from behind this message on.
    pub(crate) fn new(settings: Settings, behind: u64, now: Instant, seed: u64) -> Self {
        let nothing = CarriedMember {
            reading: Reading::behind(behind),
            token: settings.token.clone(),
            attempts: 0,
            lease: None,
            lead: None,
        };
        Self::going_on(settings, nothing, now, seed)
    }

    /// One that goes on where the process before has held still.
    pub(crate) fn going_on(settings: Settings, carried: CarriedMember, now: Instant, seed: u64) -> Self {
        let CarriedMember {
            reading,
            token,
            attempts,
            lease,
            lead,
        } = carried;
        let behind = reading.read();
        let role = match lease {
            Some(_) => Role::Standing(Standing::Asking(now)),
            None => Role::Following,
        };
        Self {
            settings: Settings { token, ..settings },
            reading,
            lease: Lease::going_on(lease, now, seed),
            role,
            inherited: lead,
            end: EndQuestion {
                asked: None,
                not_before: now,
                next_look: now + LOOK_EVERY,
                seen: behind,
                mark: (behind, now),
                shorter: 0,
            },
            attempts,
            grown: now,
            is_leaving: false,
            actions: Vec::new(),
        }
    }

    /// What a successor process goes on with. This one does nothing more, unless there is none after all.
    pub(super) fn give(&self, not_taken: Vec<Content>) -> CarriedMember {
        let lead = match &self.role {
            Role::Leading(pipeline) => {
                let (sent, mut waiting) = pipeline.give();
                waiting.extend(not_taken);
                let term = pipeline.term();
                Some(CarriedLead { term, sent, waiting })
            }
            // It has not come to lead with it yet.
            Role::Following | Role::Standing(_) => self.inherited.clone(),
        };
        CarriedMember {
            reading: self.reading.clone(),
            token: self.settings.token.clone(),
            attempts: self.attempts,
            lease: self.lease.revision(),
            lead: lead.filter(CarriedLead::is_small),
        }
    }

    /// The term that it leads in.
    pub(crate) fn leads(&self) -> Option<u64> {
        match &self.role {
            Role::Leading(pipeline) => Some(pipeline.term()),
            Role::Following | Role::Standing(_) => None,
        }
    }

    /// What it is to append, while it leads.
    pub(crate) fn pipeline(&mut self) -> Option<&mut Pipeline> {
        match &mut self.role {
            Role::Leading(pipeline) => Some(pipeline),
            Role::Following | Role::Standing(_) => None,
        }
    }

    /// What has been read, and what is on its way while it leads.
    pub(crate) fn known(&self) -> (&Reading, Option<&Pipeline>) {
        match &self.role {
            Role::Leading(pipeline) => (&self.reading, Some(pipeline)),
            Role::Following | Role::Standing(_) => (&self.reading, None),
        }
    }

    /// How far the log had grown when it was looked at last.
    pub(crate) fn seen_end(&self) -> u64 {
        self.end.seen.max(self.reading.read())
    }

    /// When there is something to do, if nothing happens before.
    pub(crate) fn due(&self) -> Instant {
        let mut due = self.end.next_look;
        if let Some(lease) = self.lease.due() {
            due = due.min(lease);
        }
        match &self.role {
            // Before that it could not be asked.
            Role::Standing(Standing::Asking(at)) => due = due.min(self.end.not_before.max(*at)),
            Role::Leading(pipeline) if pipeline.wants_end() => due = self.end.not_before.min(due),
            Role::Leading(_) => due = due.min(self.grown + self.settings.checkpoint_every),
            Role::Following | Role::Standing(_) => {}
        }
        match self.end.asked {
            Some(_) => self.lease.due().unwrap_or(self.end.next_look).max(due),
            None => due,
        }
    }

    /// What is to be done by now.
    pub(crate) fn actions(&mut self, now: Instant) -> Vec<Action> {
        if let Some(revision) = self.lease.ask(now) {
            self.actions.push(Action::Lease(revision));
        }
        self.stand(now);
        if let Role::Leading(pipeline) = &mut self.role {
            if pipeline.is_empty() && self.grown + self.settings.checkpoint_every <= now {
                self.grown = now;
                pipeline.push(Content::Checkpoint);
            }
            while let Some(append) = pipeline.next_append(self.reading.read()) {
                self.actions.push(Action::Append(append));
            }
        }
        self.ask_end(now);
        std::mem::take(&mut self.actions)
    }

    fn ask_end(&mut self, now: Instant) {
        let asked = Asked {
            read: self.reading.read(),
            for_term: matches!(self.role, Role::Standing(Standing::Asking(at)) if at <= now),
            for_pipeline: matches!(&self.role, Role::Leading(pipeline) if pipeline.wants_end()),
        };
        let is_wanted = asked.for_term || asked.for_pipeline || self.end.next_look <= now;
        if is_wanted && self.end.asked.is_none() && self.end.not_before <= now {
            self.end.next_look = now + LOOK_EVERY;
            self.end.asked = Some(asked);
            self.actions.push(Action::AskEnd);
        }
    }

    /// The next step towards a term.
    fn stand(&mut self, now: Instant) {
        let must = (self.reading.is_lost() || self.reading.is_contested()) && !self.is_leaving;
        if let (Role::Leading(pipeline), true) = (&mut self.role, self.reading.is_contested()) {
            // What it appends says so, too.
            self.reading.is_told();
            pipeline.push(Content::Checkpoint);
        }
        if must && matches!(self.role, Role::Following) {
            // It alone may know: the lease waits for this.
            self.role = Role::Standing(Standing::Asking(now));
        }
        match self.role {
            Role::Standing(Standing::Reading(last)) if self.reading.read() >= last => {
                self.attempts += 1;
                let record = self.term_record();
                self.role = Role::Standing(Standing::Appending);
                self.actions.push(Action::AppendTerm(Append {
                    expected: self.reading.read(),
                    attempt: 0,
                    record,
                }));
            }
            _ => {}
        }
    }

    fn term_record(&self) -> Record {
        let first = self.settings.first_epoch.as_deref();
        let known = match self.reading.is_lost() {
            true => None,
            false => self.reading.epoch().or(first.filter(|_| self.reading.read() == 0)),
        };
        Record {
            epoch: known.map_or_else(|| crate::log::Epoch::new().name().to_owned(), str::to_owned),
            era: self.reading.next_era(),
            term: 0,
            number: 0,
            read: 0,
            places: self.reading.places().to_vec(),
            by: String::new(),
            content: Content::Term {
                token: format!("{}.{}", self.settings.token, self.attempts),
                instance: self.settings.instance.clone(),
                resumes: self.inherited.is_some() || self.reading.resumes(self.settings.upstreams),
            },
        }
    }
}
