//! One instance's part in one channel of a source with parameters: a state machine without I/O or
//! clock, as [`Member`](crate::fleet::member) is for a source without.
//!
//! The channel's messages are a *chain*: each expects the one before it in the channel
//! (`Nats-Expected-Last-Subject-Sequence`), and one is on its way at a time. So whatever lands stands
//! directly behind what its leader had read, and all that lands counts: nothing has to be judged.
//!
//! There is no lease. The newest record says who leads. An instance that has clients of the channel
//! takes the lead by a term record, once the leader has released the channel, or its process gives no
//! sign of life; of several that try, one record lands, and the others read it and follow.

mod happened;

pub(crate) use happened::ChainNews;

use super::names::Names;
use crate::fleet::pipeline::{Append, Pipeline};
use crate::fleet::record::{Content, Record};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// After what went wrong, the next try waits so long.
const TRY_AGAIN: Duration = Duration::from_millis(200);
/// What was answered, or is known to be there, has to be read within this time.
const READ_WITHIN: Duration = Duration::from_secs(3);
/// Instances that may take the lead at the same moment spread their tries over so long.
const SPREAD: Duration = Duration::from_millis(200);
/// One without clients lets those that have some go first.
const AFTER_OTHERS: Duration = Duration::from_secs(1);

/// What it is made with.
#[derive(Debug, Clone)]
pub(crate) struct ChainSettings {
    /// The instance's name, for people.
    pub(crate) instance: String,
    /// What no other process is called.
    pub(crate) process: String,
    /// Which life of a channel in this process.
    pub(crate) life: u64,
    /// Of its source.
    pub(crate) upstreams: usize,
    /// Bytes of a message that the engine takes.
    pub(crate) message_bytes_max: usize,
    /// A leader appends something at least so often.
    pub(crate) checkpoint_every: Duration,
}

impl ChainSettings {
    /// By what its records are known.
    fn by(&self) -> String {
        format!("{}.{}", self.process, self.life)
    }
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum ChainAction {
    /// Ask the engine for the channel's newest message.
    AskLast,
    /// Append. A term record has no term.
    Append(Append),
    /// Feed the channel: this instance leads. The ids are where the origins go on.
    Lead {
        term: u64,
        places: Vec<Bytes>,
        /// That events may be missing here has been told.
        is_told: bool,
        /// Nothing has been in the channel before.
        is_first: bool,
    },
    /// Stop it.
    StopLeading,
    /// Read what follows from the engine: it has not come by itself.
    ReadAnew,
}

/// How one upstream has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpstreamEnd {
    /// The origin has no more events.
    Ended,
    /// It has refused the stream with this status.
    Refused(u16),
}

#[derive(Debug)]
enum Role {
    Following,
    Standing(Standing),
    Leading(Box<Pipeline>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Until this time.
    Waiting(Instant),
    /// The term record is on its way.
    Appending,
    /// It has been answered, and has to be read by then.
    Appended(Instant),
}

/// The question what the channel's newest message is.
#[derive(Debug, Default)]
struct LastQuestion {
    is_wanted: bool,
    /// How far the chain had been read when it was asked.
    asked: Option<u64>,
    not_before: Option<Instant>,
    /// There is a message with this sequence, which has to be read by then.
    mark: Option<(u64, Instant)>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Chain {
    settings: ChainSettings,
    by: String,
    /// The name of the numbering in force.
    epoch: String,
    /// The newest message of the channel that has been read; 0: none.
    read: u64,
    /// The engine holds none of them any more.
    is_emptied: bool,
    /// What is next begins a stream of its own: what was before has come to its end.
    begins: bool,
    /// The name under which the ring has been given something last.
    published: Option<String>,
    /// Who wrote the newest record, unless the channel is released.
    leader: Option<String>,
    leader_is_gone: bool,
    /// Ids in force, by upstream; empty: none.
    places: Vec<Bytes>,
    ends: Vec<Option<UpstreamEnd>>,
    has_opened: bool,
    /// The last event has been read.
    is_over: bool,
    /// It is being read from the engine: nothing is decided meanwhile.
    is_reading_anew: bool,
    has_clients: bool,
    role: Role,
    last: LastQuestion,
    attempts: u64,
    /// When the channel has grown last, as far as is known here.
    grown: Instant,
    is_leaving: bool,
    actions: Vec<ChainAction>,
    random: fastrand::Rng,
}

impl Chain {
    /// Of a channel of which nothing has been read.
    pub(crate) fn new(settings: ChainSettings, names: &Names, now: Instant, seed: u64) -> Self {
        Self {
            by: settings.by(),
            epoch: names.current().to_owned(),
            read: 0,
            is_emptied: true,
            begins: true,
            published: None,
            leader: None,
            leader_is_gone: false,
            places: Vec::new(),
            ends: vec![None; settings.upstreams],
            has_opened: false,
            is_over: false,
            is_reading_anew: false,
            has_clients: true,
            role: Role::Following,
            last: LastQuestion::default(),
            attempts: 0,
            grown: now,
            is_leaving: false,
            actions: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
            settings,
        }
    }

    /// The newest message that has been read; 0: none.
    pub(crate) fn read_up_to(&self) -> u64 {
        self.read
    }

    /// What the numbering is called, as far as it knows.
    pub(crate) fn name(&self) -> &str {
        &self.epoch
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

    /// The process that leads, if that is another one.
    pub(crate) fn follows(&self) -> Option<&str> {
        let (process, _) = self.leader.as_deref()?.split_once('.')?;
        (process != self.settings.process).then_some(process)
    }

    /// Whether it follows an instance that has asked the origin, and not been refused.
    pub(crate) fn is_open(&self) -> bool {
        self.has_opened && (self.leads().is_some() || !self.leader_left())
    }

    /// How all upstreams have come to their ends, once they have. A status: all were refused, this one
    /// last.
    pub(crate) fn all_ended(&self) -> Option<UpstreamEnd> {
        let ends: Option<Vec<UpstreamEnd>> = self.ends.iter().copied().collect();
        let ends = ends.filter(|ends| !ends.is_empty())?;
        let ended = ends.iter().find(|end| **end == UpstreamEnd::Ended);
        ended.or_else(|| ends.last()).copied()
    }

    /// When there is something to do, if nothing happens before.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let mark = self.last.mark.map(|(_, at)| at);
        let step = match &self.role {
            Role::Standing(Standing::Waiting(until)) if !self.has_to_know() => Some(*until),
            Role::Standing(Standing::Appended(until)) => Some(*until),
            Role::Leading(pipeline) if pipeline.is_empty() && !self.is_over => {
                Some(self.grown + self.settings.checkpoint_every)
            }
            Role::Following if self.may_stand() => Some(now),
            Role::Following | Role::Standing(_) | Role::Leading(_) => None,
        };
        let may_ask = self.wants_last() && self.last.asked.is_none() && !self.is_reading_anew;
        let question = may_ask.then(|| self.last.not_before.unwrap_or(now));
        [mark, step, question].into_iter().flatten().min()
    }

    /// Whether the instance has clients of the channel.
    pub(crate) fn set_clients(&mut self, has_clients: bool) {
        self.has_clients = has_clients;
    }

    /// What is to be done by now.
    pub(crate) fn actions(&mut self, now: Instant) -> Vec<ChainAction> {
        self.look(now);
        self.stand(now);
        if let Role::Leading(pipeline) = &mut self.role
            && !self.is_reading_anew
        {
            if pipeline.is_empty() && self.grown + self.settings.checkpoint_every <= now && !self.is_over {
                self.grown = now;
                pipeline.push(Content::Checkpoint);
            }
            if let Some(append) = pipeline.next_append(self.read) {
                self.last.mark = Some((0, now + READ_WITHIN));
                self.actions.push(ChainAction::Append(append));
            }
        }
        self.ask_last(now);
        std::mem::take(&mut self.actions)
    }

    /// What should have been read by now.
    fn look(&mut self, now: Instant) {
        if let Some((mark, at)) = self.last.mark
            && at <= now
        {
            self.last.mark = None;
            match mark > self.read {
                true if !self.is_reading_anew => self.read_anew(),
                true => {}
                // Something was sent, and may have been stored or not.
                false => self.last.is_wanted |= matches!(&self.role, Role::Leading(pipeline) if !pipeline.is_empty()),
            }
        }
        if matches!(self.role, Role::Standing(Standing::Appended(by)) if by <= now) {
            self.role = Role::Standing(Standing::Waiting(now));
            self.last.is_wanted = true;
        }
    }

    fn wants_last(&self) -> bool {
        self.last.is_wanted || matches!(&self.role, Role::Leading(pipeline) if pipeline.wants_end())
    }

    fn ask_last(&mut self, now: Instant) {
        let may_ask = self.last.asked.is_none() && self.last.not_before.is_none_or(|at| at <= now);
        if self.wants_last() && may_ask && !self.is_reading_anew {
            self.last.is_wanted = false;
            self.last.asked = Some(self.read);
            self.actions.push(ChainAction::AskLast);
        }
    }

    /// Whether nobody leads who could be followed.
    fn leader_left(&self) -> bool {
        let Some(leader) = &self.leader else { return true };
        // An earlier life of this process is about to end.
        self.leader_is_gone || (self.follows().is_none() && *leader != self.by)
    }

    fn may_stand(&self) -> bool {
        let is_decided = self.is_over || self.all_ended().is_some();
        !self.is_leaving && !self.is_reading_anew && !is_decided && self.leads().is_none() && self.leader_left()
    }

    /// The next step towards a term.
    fn stand(&mut self, now: Instant) {
        match self.role {
            Role::Following if self.may_stand() => {
                // Nobody else may know of it yet: then its clients wait for nothing.
                let mut wait = match self.read == 0 || self.begins {
                    true => Duration::ZERO,
                    false => SPREAD.mul_f64(self.random.f64()),
                };
                if !self.has_clients {
                    wait += AFTER_OTHERS;
                }
                self.role = Role::Standing(Standing::Waiting(now + wait));
                if wait.is_zero() {
                    self.stand(now);
                }
            }
            Role::Standing(Standing::Waiting(_)) if !self.may_stand() => self.role = Role::Following,
            Role::Standing(Standing::Waiting(at)) if at <= now && !self.has_to_know() => {
                self.attempts += 1;
                let append = Append {
                    expected: if self.is_emptied { 0 } else { self.read },
                    attempt: 0,
                    record: self.term_record(),
                };
                self.role = Role::Standing(Standing::Appending);
                self.actions.push(ChainAction::Append(append));
            }
            _ => {}
        }
    }

    /// Whether the channel's end has to be known, or read, before anything is sent.
    fn has_to_know(&self) -> bool {
        let is_behind = self.last.mark.is_some_and(|(mark, _)| mark > self.read);
        self.last.is_wanted || self.last.asked.is_some() || is_behind
    }

    fn term_record(&self) -> Record {
        let has_place = |n| self.places.get(n).is_some_and(|id: &Bytes| !id.is_empty());
        Record {
            epoch: self.epoch.clone(),
            era: 0,
            term: 0,
            number: 0,
            read: if self.begins { 0 } else { self.read },
            places: if self.begins { Vec::new() } else { self.places.clone() },
            by: self.by.clone(),
            content: Content::Term {
                token: format!("{}.{}", self.by, self.attempts),
                instance: self.settings.instance.clone(),
                resumes: self.begins || (0..self.settings.upstreams).all(has_place),
            },
        }
    }

    /// Whether it has let go of the channel, or is about to.
    #[cfg(test)]
    pub(crate) fn is_out(&self) -> bool {
        self.is_leaving
    }

    /// Whether it waits for what the engine holds.
    #[cfg(test)]
    pub(crate) fn is_stuck(&self) -> bool {
        self.is_reading_anew
    }

    fn read_anew(&mut self) {
        self.is_reading_anew = true;
        self.actions.push(ChainAction::ReadAnew);
    }
}
