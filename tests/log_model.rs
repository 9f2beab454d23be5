//! The log against a model that keeps everything: whatever is appended and however little is kept, what readers find and
//! where clients resume is what the documents promise.
//!
//! The model knows all entries ever written, and so every place at which a client with a given last event ID may have
//! been. Its rule for resuming is the contract's (2): such a client gets all that follows, or is told that it can't.

use bytes::Bytes;
use fanfare::config::{LogLimits, Start};
use fanfare::log::{Draft, Epoch, Kind, Log, Numbering, Place, Read, Writer};
use fanfare::metrics::GapReason;
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// An id that was let go is remembered at least so many positions after its last use.
const REMEMBERED_POSITIONS: u64 = 64;

#[derive(Debug, Clone)]
enum Step {
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
    /// The clock goes on.
    Wait(u8),
    /// The sweep that comes about once a second.
    Trim,
}

/// An entry as the model remembers it.
#[derive(Debug, Clone)]
struct Written {
    id: Bytes,
    passed: bool,
    kind: Kind,
    frame: Bytes,
    received: Instant,
    /// The first place known to share its id when it was written; 0: forgotten by then; `None`: either will do.
    first: Option<u64>,
}

struct Model {
    limits: LogLimits,
    epoch: Epoch,
    written: Vec<Written>,
    tail: u64,
    id: Bytes,
    id_is_passed: bool,
    /// Before the first id of the origin, in a channel with `ids: auto`.
    assigning: bool,
    now: Instant,
}

impl Model {
    fn head(&self) -> u64 {
        self.written.len() as u64
    }

    fn at(&self, position: u64) -> &Written {
        &self.written[position as usize - 1]
    }

    fn kept(&self) -> std::ops::RangeInclusive<u64> {
        self.tail..=self.head()
    }

    fn bytes(&self, positions: std::ops::RangeInclusive<u64>) -> u64 {
        positions.map(|position| self.at(position).frame.len() as u64).sum()
    }

    fn forget_while(&mut self, too_much: impl Fn(&Self) -> bool) {
        while self.tail <= self.head() && too_much(self) {
            self.tail += 1;
        }
    }

    fn is_old(&self) -> bool {
        !self.limits.age.is_zero() && self.now - self.at(self.tail).received > self.limits.age
    }

    fn append(&mut self, kind: Kind, len: usize) -> Draft {
        let position = self.head() + 1;
        let frame = Bytes::from(vec![b'a' + (position % 26) as u8; len]);
        let (id, passed) = (self.id.clone(), self.id_is_passed);
        let last = (1..position)
            .rev()
            .find(|&p| passed && !id.is_empty() && self.at(p).passed && self.at(p).id == id);
        let first = match last {
            None => Some(position),
            Some(last) if last + 1 >= self.tail => self.at(last).first,
            Some(last) if last + REMEMBERED_POSITIONS > position => Some(0),
            Some(_) => None,
        };
        let draft = Draft {
            frame: frame.clone(),
            id: id.clone(),
            indexed: passed,
            kind,
            received: self.now,
        };
        self.forget_while(|model| {
            let (events, bytes) = (model.head() + 1 - model.tail, model.bytes(model.kept()));
            events >= model.limits.events as u64 || bytes + len as u64 > model.limits.bytes || model.is_old()
        });
        self.written.push(Written {
            id,
            passed,
            kind,
            frame,
            received: self.now,
            first,
        });
        draft
    }

    /// The id in force at the place after a position, as a client that starts there is to be told.
    fn id_after(&self, position: u64) -> Bytes {
        let before = position.checked_sub(1).map(|n| &self.written[n as usize]);
        match before {
            Some(entry) if entry.passed => entry.id.clone(),
            Some(entry) if !entry.id.is_empty() => self.epoch.id(position).into(),
            _ => {
                let next = self.written.get(position as usize);
                let numbered = next.is_some_and(|next| !next.passed && !next.id.is_empty());
                if self.assigning || numbered {
                    self.epoch.id(position).into()
                } else {
                    Bytes::new()
                }
            }
        }
    }

    fn numbering(&self) -> Numbering<'_> {
        Numbering {
            epoch: &self.epoch,
            assigning: self.assigning,
        }
    }
}

/// The log and its model, moved together.
struct Pair {
    model: Model,
    writer: Writer,
    log: Log,
    unique: u64,
}

impl Pair {
    fn new(limits: LogLimits, assigning: bool) -> Self {
        let (writer, log) = Log::new(limits);
        let model = Model {
            limits,
            epoch: Epoch::new(),
            written: Vec::new(),
            tail: 1,
            id: Bytes::new(),
            id_is_passed: false,
            assigning,
            now: Instant::now(),
        };
        Self {
            model,
            writer,
            log,
            unique: 0,
        }
    }

    fn event(&mut self, own: Option<Bytes>, len: usize) {
        let model = &mut self.model;
        if let Some(id) = own {
            model.assigning = false;
            model.id_is_passed = true;
            model.id = id;
        } else if model.assigning {
            model.id = model.epoch.id(model.head() + 1).into();
        }
        self.append(Kind::Event, len);
    }

    fn append(&mut self, kind: Kind, len: usize) {
        let draft = self.model.append(kind, len);
        assert_eq!(self.writer.append(draft), self.model.head());
    }

    fn step(&mut self, step: &Step, len: usize) {
        match *step {
            Step::Own(n) => self.event(Some(format!("id {n}").into()), len),
            Step::Unique => {
                self.unique += 1;
                self.event(Some(format!("unique {}", self.unique).into()), len);
            }
            Step::Inherited => self.event(None, len),
            Step::Reset => self.event(Some(Bytes::new()), len),
            Step::Between(kind) => self.append(kind, len),
            Step::Wait(seconds) => self.model.now += Duration::from_secs(seconds.into()),
            Step::Trim => {
                self.writer.trim(self.model.now);
                self.model.forget_while(Model::is_old);
            }
        }
    }

    fn check_record(&self) {
        let (log, model) = (&self.log, &self.model);
        let (head, tail) = (model.head(), model.tail);
        assert_eq!((log.head(), log.tail(), log.events()), (head, tail, head + 1 - tail));
        assert_eq!(log.bytes(), model.bytes(model.kept()));
        let in_force = model.written.last().map_or(Bytes::new(), |entry| entry.id.clone());
        assert_eq!(log.tip(), (head, in_force));
        for position in 0..=head + 2 {
            match log.read(position) {
                Read::Entry(entry) => {
                    assert!(model.kept().contains(&position));
                    let written = model.at(position);
                    assert_eq!(entry.position, position);
                    assert_eq!(entry.offset, model.bytes(1..=position - 1));
                    assert_eq!((entry.id(), entry.chunked()), (&written.id, &written.frame));
                    assert_eq!((entry.kind(), entry.received()), (written.kind, written.received));
                }
                Read::NotYet => assert!(position > head),
                Read::Gone => assert!(position < tail),
            }
            assert_eq!(
                log.bytes_since(position),
                model.bytes((position + 1).max(tail)..=head),
                "since {position}"
            );
        }
    }

    fn check_starts(&self) {
        let (log, model) = (&self.log, &self.model);
        let place = |next: u64| Place {
            next,
            id: model.id_after(next - 1),
            gap: None,
        };
        let start = |start| log.start(start, &model.numbering());
        assert_eq!(start(Start::Live), place(model.head() + 1));
        assert_eq!(start(Start::Earliest), place(model.tail));
        let latest = model.kept().rev().find(|&p| model.at(p).kind == Kind::Event);
        assert_eq!(start(Start::Latest), place(latest.unwrap_or(model.head() + 1)));
    }

    fn check_resume_by_number(&self) {
        let (log, model) = (&self.log, &self.model);
        for position in 0..=model.head() + 2 {
            let id = Bytes::from(model.epoch.id(position));
            let place = log.resume(&id, &model.numbering());
            let oldest = |gap| Place {
                next: model.tail,
                id: model.id_after(model.tail - 1),
                gap: Some(gap),
            };
            let expected = if position > model.head() {
                oldest(GapReason::UnknownId)
            } else if position + 1 < model.tail {
                oldest(GapReason::Evicted)
            } else {
                Place {
                    next: position + 1,
                    id,
                    gap: None,
                }
            };
            assert_eq!(place, expected, "number {position}");
        }
    }

    fn check_resume(&self, id: &Bytes) {
        let (log, model) = (&self.log, &self.model);
        let place = log.resume(id, &model.numbering());
        // Where a client that names this id may have been, as far as the log is bound to know.
        let uses = || (1..=model.head()).filter(|&p| model.at(p).passed && model.at(p).id == *id);
        let last = uses().next_back();
        let first = last.map(|last| model.at(last).first);
        match (last, first) {
            (Some(last), Some(first)) if last + 1 >= model.tail => match first {
                // Every event after it, with none lost or doubled.
                Some(first) if first != 0 && first + 1 >= model.tail => {
                    assert_eq!(
                        place,
                        Place {
                            next: first + 1,
                            id: id.clone(),
                            gap: None
                        },
                        "{id:?}"
                    );
                }
                Some(_) => self.assert_gap(&place, id, &[GapReason::Evicted]),
                None if place.gap.is_some() => self.assert_gap(&place, id, &[GapReason::Evicted]),
                // The use before was longer ago than is remembered: after the first one that is.
                None => assert!(place.next > model.tail - 1 && place.next <= last + 1, "{place:?}"),
            },
            (Some(_), _) => self.assert_gap(&place, id, &[GapReason::Evicted, GapReason::UnknownId]),
            (None, _) => self.assert_gap(&place, id, &[GapReason::UnknownId]),
        }
        // Nothing is lost silently, wherever the client was: told once more, from the promise and nothing else.
        if place.gap.is_none() {
            let reach = uses().rev().take_while({
                let mut newer = model.head() + 1;
                move |&p| {
                    let known = p + REMEMBERED_POSITIONS > newer || newer > model.head();
                    newer = p;
                    known
                }
            });
            for was in reach {
                assert!(
                    place.next <= was + 1 && place.next >= model.tail,
                    "{id:?} at {was}: {place:?}"
                );
            }
        }
    }

    fn assert_gap(&self, place: &Place, id: &Bytes, reasons: &[GapReason]) {
        let oldest = Place {
            next: self.model.tail,
            id: self.model.id_after(self.model.tail - 1),
            gap: place.gap,
        };
        assert_eq!(*place, oldest, "{id:?}");
        assert!(place.gap.is_some_and(|gap| reasons.contains(&gap)), "{id:?}: {place:?}");
    }

    fn check(&self) {
        self.check_record();
        self.check_starts();
        self.check_resume_by_number();
        let mut ids: Vec<Bytes> = self
            .model
            .written
            .iter()
            .filter(|e| e.passed && !e.id.is_empty())
            .map(|e| e.id.clone())
            .collect();
        ids.sort();
        ids.dedup();
        let foreign = ["never", "id", "unique 0", "0.1", ".1", "vcdfghjklmnp.1"];
        for id in ids.into_iter().chain(foreign.map(Bytes::from)) {
            self.check_resume(&id);
        }
    }
}

fn steps() -> impl Strategy<Value = (Step, usize)> {
    let step = prop_oneof![
        4 => (0u8..3).prop_map(Step::Own),
        1 => (0u8..12).prop_map(Step::Own),
        2 => Just(Step::Unique),
        4 => Just(Step::Inherited),
        1 => Just(Step::Reset),
        1 => prop_oneof![Just(Kind::Gap), Just(Kind::Aside)].prop_map(Step::Between),
        1 => (0u8..8).prop_map(Step::Wait),
        1 => Just(Step::Trim),
    ];
    (step, prop_oneof![9 => 1usize..20, 1 => 20usize..90])
}

fn limits() -> impl Strategy<Value = LogLimits> {
    let events = prop_oneof![1usize..6, 6usize..40, Just(1000)];
    let bytes = prop_oneof![1u64..100, Just(1 << 20)];
    let age = prop_oneof![Just(0u64), 1u64..12];
    (events, bytes, age).prop_map(|(events, bytes, age)| LogLimits {
        events,
        bytes,
        age: Duration::from_secs(age),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn a_log_is_what_its_model_is(
        limits in limits(),
        // Some streams are numbered by the relay until the origin's first id.
        assigning in any::<bool>(),
        numbered in prop::collection::vec(prop_oneof![4 => Just(Step::Inherited), 1 => Just(Step::Between(Kind::Gap))], 0..8),
        steps in prop::collection::vec(steps(), 0..50),
    ) {
        let mut pair = Pair::new(limits, assigning);
        pair.check();
        for step in &numbered {
            pair.step(step, 5);
            pair.check();
        }
        for (step, len) in &steps {
            pair.step(step, *len);
            pair.check();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    /// Long enough for the index to grow several times and for its cells to be used again.
    #[test]
    fn a_long_log_is_what_its_model_is(
        events in prop_oneof![1usize..4, 60usize..70, 120usize..200, Just(10_000)],
        steps in prop::collection::vec(steps(), 200..500),
    ) {
        let mut pair = Pair::new(LogLimits { events, bytes: 1 << 20, age: Duration::from_secs(60) }, false);
        for (n, (step, len)) in steps.iter().enumerate() {
            pair.step(step, *len);
            if n % 20 == 19 {
                pair.check();
            }
        }
        pair.check();
    }
}

fn limits_of(events: usize, bytes: u64, age_secs: u64) -> LogLimits {
    LogLimits {
        events,
        bytes,
        age: Duration::from_secs(age_secs),
    }
}

fn own(id: u8) -> Step {
    Step::Own(id)
}

/// `events: 1`: each event pushes out the one before it, and with it the place of everybody who had that one.
#[test]
fn a_log_of_one_event() {
    let mut pair = Pair::new(limits_of(1, 1000, 0), false);
    for step in [own(1), Step::Inherited, own(1), own(2), own(1), Step::Inherited] {
        pair.step(&step, 5);
        pair.check();
    }
}

/// A run of inherited ids longer than the log, another id, and the first one again: who stood in the run has missed much.
#[test]
fn an_id_that_comes_back_after_its_run_was_cut() {
    let mut pair = Pair::new(limits_of(10, 1000, 0), false);
    pair.step(&own(1), 5);
    for _ in 0..100 {
        pair.step(&Step::Inherited, 5);
    }
    pair.step(&own(2), 5);
    pair.step(&own(1), 5);
    pair.check();
    let place = pair.log.resume(b"id 1", &pair.model.numbering());
    assert_eq!(place.gap, Some(GapReason::Evicted));
}

/// Everything has gone by age: the last id is still a place, if it is one.
#[test]
fn a_log_that_has_forgotten_everything() {
    for shared in [false, true] {
        let mut pair = Pair::new(limits_of(10, 1000, 5), false);
        pair.step(&own(1), 5);
        if shared {
            pair.step(&Step::Inherited, 5);
        }
        pair.step(&Step::Wait(6), 5);
        pair.step(&Step::Trim, 5);
        assert_eq!(pair.log.events(), 0);
        pair.check();
        let place = pair.log.resume(b"id 1", &pair.model.numbering());
        assert_eq!(place.gap.is_some(), shared);
        // What comes after it inherits the id.
        pair.step(&Step::Inherited, 5);
        pair.check();
    }
}

/// An origin that counts from 1 again: who has an old 3 is not where the new 3 is.
#[test]
fn an_origin_that_counts_anew() {
    let mut pair = Pair::new(limits_of(8, 1000, 0), false);
    for round in 0..3 {
        for n in 1..20 {
            pair.step(&own(n), 5);
            pair.check();
        }
        let place = pair.log.resume(b"id 15", &pair.model.numbering());
        assert_eq!(place.gap.is_some(), round > 0);
    }
}

/// The index grows with the 65th entry, and at twice as many: what is kept is found, however far back it is.
#[test]
fn an_id_is_known_as_long_as_it_is_kept() {
    for between in (60..70).chain(124..132).chain([255, 256, 257]) {
        for silent in [false, true] {
            let mut pair = Pair::new(limits_of(1000, 1 << 20, 0), false);
            pair.step(&own(1), 5);
            if silent {
                // No id in force: nothing is entered.
                pair.step(&Step::Reset, 5);
            }
            for _ in 0..between {
                pair.step(if silent { &Step::Inherited } else { &Step::Unique }, 5);
            }
            pair.step(&own(1), 5);
            pair.check();
        }
    }
}
