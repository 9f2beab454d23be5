//! The log and its model, moved together.

use crate::model::Model;
use bytes::Bytes;
use fanfare::config::{LogLimits, Start};
use fanfare::log::{Cursor, Draft, Epoch, Kind, Log, OutOfOrder, Position, StartPoint, Writer};
use std::time::{Duration, Instant};

#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// An event under an id of its own, one of a few.
    Own(u8),
    /// An event under an id that never comes again.
    Unique,
    /// An event that inherits the id in force.
    Inherited,
    /// The origin resets the id.
    Reset,
    /// A gap event or a relayed comment: no id of its own.
    Between(Kind),
    /// What comes next is given a position that leaves so many out.
    Hole(u8),
    /// A client without a last event ID is let in.
    LetIn(Start),
    /// The clock goes on.
    Wait(u8),
    /// The sweep that comes about once a second.
    Trim,
    /// A successor process goes on with the log.
    HandOver,
}

/// A client that was let in, and whose stream is not written yet.
pub(crate) struct LetIn {
    pub(crate) start: StartPoint,
    /// The first entry that is for it; `None`: the oldest one there is.
    pub(crate) next: Option<u64>,
}

/// The log and its model, moved together.
pub(crate) struct Pair {
    pub(crate) let_in: Vec<LetIn>,
    pub(crate) model: Model,
    pub(crate) writer: Writer,
    pub(crate) log: Log,
    pub(crate) unique: u64,
}

impl Pair {
    pub(crate) fn new(limits: LogLimits, assigning: bool) -> Self {
        Self::continuing(Position::START, limits, assigning)
    }

    pub(crate) fn continuing(start: Position, limits: LogLimits, assigning: bool) -> Self {
        let (writer, log) = Log::continuing(start, limits);
        let model = Model {
            limits,
            epoch: Epoch::named("epoch"),
            start,
            given: None,
            written: Vec::new(),
            tail: 1,
            id: Bytes::new(),
            id_is_passed: false,
            assigning,
            now: Instant::now(),
        };
        Self {
            let_in: Vec::new(),
            model,
            writer,
            log,
            unique: 0,
        }
    }

    pub(crate) fn event(&mut self, own: Option<Bytes>, len: usize) {
        let model = &mut self.model;
        if let Some(id) = own {
            model.assigning = false;
            model.id_is_passed = true;
            model.id = id;
        } else if model.assigning {
            model.id = model.epoch.id(model.next_position()).into();
        }
        self.append(Kind::Event, len);
    }

    pub(crate) fn append(&mut self, kind: Kind, len: usize) {
        let given = self.model.given;
        let draft = self.model.append(kind, len);
        let cursor = match given {
            None => self.writer.append(draft),
            Some(given) => {
                self.refuse_used(draft.clone());
                self.writer.append_at(given, draft).expect("above all others")
            }
        };
        assert_eq!(cursor, Cursor::nth(self.model.head()));
    }

    /// No position is ever given twice.
    fn refuse_used(&mut self, draft: Draft) {
        let newest = self.model.position(self.model.head() - 1);
        let refused = Err(OutOfOrder { given: newest, newest });
        assert_eq!(self.writer.append_at(newest, draft), refused);
    }

    /// What is read again of what was written has to be the same log; clients that were let in have
    /// their places in it.
    pub(crate) fn hand_over(&mut self) {
        let mut carried = Vec::new();
        self.writer.give(&mut carried, self.model.now).expect("memory takes it");
        let taken = Writer::take(&carried[..], self.model.limits, self.model.now);
        (self.writer, self.log) = taken.expect("as it was written");
    }

    pub(crate) fn step(&mut self, step: &Step, len: usize) {
        match *step {
            Step::Own(n) => self.event(Some(format!("id {n}").into()), len),
            Step::Unique => {
                self.unique += 1;
                self.event(Some(format!("unique {}", self.unique).into()), len);
            }
            Step::Inherited => self.event(None, len),
            Step::Reset => self.event(Some(Bytes::new()), len),
            Step::Between(kind) => self.append(kind, len),
            Step::Hole(missing) => {
                let next = self.model.next_position().get();
                self.model.given = Some(Position::new(next + u64::from(missing)));
            }
            Step::LetIn(start) => {
                let model = &self.model;
                let latest = || model.kept().rev().find(|&p| model.at(p).kind == Kind::Event);
                let next = match start {
                    Start::Live => Some(model.head() + 1),
                    Start::Latest => Some(latest().unwrap_or(model.head() + 1)),
                    // All of it, if it has all; else what it has.
                    Start::Earliest => (model.tail == 1).then_some(1),
                };
                self.let_in.push(LetIn {
                    start: self.log.start(start),
                    next,
                });
            }
            Step::Wait(seconds) => self.model.now += Duration::from_secs(seconds.into()),
            Step::Trim => {
                self.writer.trim(self.model.now);
                self.model.forget_while(Model::is_old);
            }
            Step::HandOver => self.hand_over(),
        }
    }
}
