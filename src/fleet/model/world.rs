//! Members, an engine, an origin, and what is between them.

mod checks;
mod instance;
mod origin;
mod succession;

use self::checks::is_gap;
use self::instance::Instance;
use super::super::lease::LeaseAnswer;
use super::super::member::Action;
use super::super::pipeline::Answer;
use super::super::record::Stored;
use super::engine::{Engine, Heard, OnItsWay, Parcel, Said, lost};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// What happens next.
#[derive(Debug, Clone)]
pub(super) enum Choice {
    /// One of the messages on their way arrives.
    Deliver(usize),
    /// One is lost.
    Lose(usize),
    /// One arrives twice.
    Double(usize),
    /// The origin sends another event: to whoever is connected.
    Origin,
    /// A member's reader brings the next messages, so many at once.
    Read(usize, usize),
    /// So many milliseconds pass.
    Pass(u64),
    /// A member is killed, and starts anew.
    Restart(usize),
    /// A member is handed over to another process.
    HandOver(usize),
    /// What a member and the engine say to each other is lost.
    CutOff(usize),
    Mend(usize),
    /// A member does nothing.
    StandStill(usize),
    GoOn(usize),
    /// The engine forgets a member's lease.
    ExpireLease(usize),
    /// A member has heard nothing of the engine for so long that it serves its clients alone.
    Leave(usize),
}

pub(super) struct World {
    engine: Engine,
    instances: Vec<Instance>,
    on_their_way: Vec<OnItsWay>,
    now: Instant,
    /// Whether the origin gives ids, and can go on behind one.
    has_ids: bool,
    /// The event that the origin sent last.
    sent: u64,
    lives: u64,
    lost: bool,
}

fn event(n: u64, has_ids: bool) -> Bytes {
    match has_ids {
        true => format!("id: {n}\ndata: {n}\n\n").into(),
        false => format!("data: {n}\n\n").into(),
    }
}

fn number(block: &Bytes) -> u64 {
    let text = std::str::from_utf8(block).unwrap();
    text.trim_end().rsplit(' ').next().unwrap().parse().unwrap()
}

impl World {
    pub(super) fn new(instances: usize, has_ids: bool) -> Self {
        let now = Instant::now();
        Self {
            engine: Engine::new(),
            instances: (0..instances).map(|n| Instance::new(n, n as u64 + 1, 0, now)).collect(),
            on_their_way: Vec::new(),
            now,
            has_ids,
            sent: 0,
            lives: instances as u64,
            lost: false,
        }
    }

    pub(super) fn step(&mut self, choice: &Choice) {
        match choice {
            Choice::Deliver(which) => self.deliver(*which),
            Choice::Lose(which) => self.lose(*which),
            Choice::Double(which) => self.double(*which),
            Choice::Origin => self.origin_sends(),
            Choice::Read(n, messages) => (0..*messages).for_each(|_| self.read(*n)),
            Choice::Pass(millis) => self.now += Duration::from_millis(*millis),
            Choice::Restart(n) => self.restart(*n),
            Choice::HandOver(n) => self.hand_over(*n),
            Choice::CutOff(n) => self.instances[*n].is_cut_off = true,
            Choice::Mend(n) => self.instances[*n].is_cut_off = false,
            Choice::StandStill(n) => self.instances[*n].stands_still = true,
            Choice::GoOn(n) => self.go_on(*n),
            Choice::Leave(n) => self.leave(*n),
            Choice::ExpireLease(n) => {
                if self.engine.lease.is_some_and(|(holder, ..)| holder == *n) {
                    self.engine.lease = None;
                }
            }
        }
        self.act();
    }

    /// Lets every member do what it has to.
    fn act(&mut self) {
        for n in 0..self.instances.len() {
            let instance = &mut self.instances[n];
            if instance.stands_still {
                continue;
            }
            if let Some(pipeline) = instance.member.pipeline() {
                instance
                    .inbox
                    .take(64)
                    .into_iter()
                    .for_each(|content| pipeline.push(content));
            }
            for action in instance.member.actions(self.now) {
                self.carry_out(n, action);
            }
            let instance = &mut self.instances[n];
            instance.deliver();
            if instance.local.wants_end() && !instance.is_cut_off {
                instance.local.end(self.engine.log.len() as u64);
            }
        }
    }

    fn carry_out(&mut self, n: usize, action: Action) {
        let life = self.instances[n].life;
        let said = match action {
            Action::Lease(_) => Said::Lease,
            Action::AskEnd => Said::AskEnd,
            Action::AppendTerm(append) => Said::Append {
                term: 0,
                expected: append.expected,
                record: append.record,
            },
            Action::Append(append) => Said::Append {
                term: append.record.term,
                expected: append.expected,
                record: append.record,
            },
            Action::Lead {
                term,
                places,
                is_told,
                inherited,
            } => {
                self.instances[n].is_deposed(self.now);
                self.instances[n].inbox.begin(term, is_told);
                let goes_on = inherited.is_some_and(|contents| self.goes_on(n, term, contents));
                return match goes_on {
                    true => self.supply(n),
                    false => self.connect(n, term, &places),
                };
            }
            Action::LetGo => {
                self.instances[n].given = None;
                return;
            }
            Action::StopLeading => {
                self.instances[n].is_deposed(self.now);
                self.instances[n].connected = None;
                return self.instances[n].inbox.clear();
            }
            Action::ReadAnew => {
                let instance = &mut self.instances[n];
                instance.reader = instance.member.reading.read();
                return;
            }
        };
        self.on_their_way.push(OnItsWay::There(Parcel {
            member: n,
            life,
            what: said,
            is_double: false,
        }));
    }

    fn deliver(&mut self, which: usize) {
        if self.on_their_way.is_empty() {
            return;
        }
        let at = which % self.on_their_way.len();
        match self.on_their_way.remove(at) {
            OnItsWay::There(parcel) => self.arrive(&parcel),
            OnItsWay::Back(parcel) => self.come_back(parcel),
        }
    }

    fn arrive(&mut self, parcel: &Parcel<Said>) {
        if self.instances[parcel.member].is_cut_off {
            return self.vain(parcel);
        }
        let heard = self.engine.take(parcel, self.now);
        if !parcel.is_double {
            self.on_their_way.push(OnItsWay::Back(Parcel {
                member: parcel.member,
                life: parcel.life,
                what: heard,
                is_double: false,
            }));
        }
    }

    /// It was lost: who waits for its answer gives up.
    fn vain(&mut self, parcel: &Parcel<Said>) {
        if parcel.is_double {
            return;
        }
        let heard = match &parcel.what {
            Said::Lease => Heard::Lease(LeaseAnswer::Away),
            Said::AskEnd => Heard::End(None),
            Said::Append { term, .. } => Heard::Answer(*term, Answer::Lost),
        };
        self.hear(parcel.member, parcel.life, heard);
    }

    fn come_back(&mut self, parcel: Parcel<Heard>) {
        let what = match self.instances[parcel.member].is_cut_off {
            false => parcel.what,
            true => lost(&parcel.what),
        };
        self.hear(parcel.member, parcel.life, what);
    }

    fn hear(&mut self, n: usize, life: u64, heard: Heard) {
        let now = self.now;
        let instance = &mut self.instances[n];
        if instance.life != life {
            return;
        }
        if instance.stands_still {
            return instance.missed.push_back(heard);
        }
        match heard {
            Heard::Lease(answer) => {
                instance.member.lease(&answer, now);
                let is_led = answer == LeaseAnswer::Other && instance.member.leads().is_none();
                if is_led && instance.local.is_apart() {
                    instance.come_back(false, now);
                }
            }
            Heard::End(last) => {
                instance.member.end(last, now);
                if last.is_some() {
                    instance.within_reach();
                }
            }
            Heard::Answer(0, answer) => instance.member.term_answered(answer, now),
            Heard::Answer(term, answer) => instance.member.answered(term, answer),
        }
    }

    fn lose(&mut self, which: usize) {
        if self.on_their_way.is_empty() {
            return;
        }
        let at = which % self.on_their_way.len();
        // An append that is lost to who sent it may arrive all the same, later: it stays on its way.
        match self.on_their_way[at].clone() {
            OnItsWay::There(parcel) => {
                self.vain(&parcel);
                self.on_their_way[at] = OnItsWay::There(Parcel {
                    is_double: true,
                    ..parcel
                });
            }
            OnItsWay::Back(parcel) => {
                self.on_their_way.remove(at);
                self.hear(parcel.member, parcel.life, lost(&parcel.what));
            }
        }
    }

    fn double(&mut self, which: usize) {
        if self.on_their_way.is_empty() {
            return;
        }
        let at = which % self.on_their_way.len();
        if let OnItsWay::There(parcel) = self.on_their_way[at].clone() {
            self.on_their_way.push(OnItsWay::There(Parcel {
                is_double: true,
                ..parcel
            }));
        }
    }

    fn read(&mut self, n: usize) {
        let now = self.now;
        let instance = &mut self.instances[n];
        if instance.stands_still || instance.is_cut_off {
            return;
        }
        let Some(record) = self.engine.log.get(instance.reader as usize) else {
            return;
        };
        let stored = Stored {
            sequence: instance.reader + 1,
            // As it would have travelled.
            record: Some(record.clone()),
            age: Duration::ZERO,
        };
        instance.reader += 1;
        instance.take(&stored, now);
    }

    fn go_on(&mut self, n: usize) {
        self.instances[n].stands_still = false;
        let life = self.instances[n].life;
        while let Some(heard) = self.instances[n].missed.pop_front() {
            self.hear(n, life, heard);
        }
    }

    /// The engine comes back with less than it had.
    pub(super) fn lose_newest(&mut self) {
        let keep = self.engine.log.len().saturating_sub(3);
        self.lost |= keep < self.engine.log.len();
        self.engine.log.truncate(keep);
        self.instances
            .iter_mut()
            .for_each(|instance| instance.reader = instance.reader.min(keep as u64));
    }

    /// Everything works, for as long as it takes.
    pub(super) fn heal(&mut self) {
        for n in 0..self.instances.len() {
            self.instances[n].is_cut_off = false;
            self.go_on(n);
        }
        self.settle(|_| false);
    }

    /// Everything that can happen happens, in order, until `done` or for two minutes.
    pub(super) fn settle(&mut self, done: impl Fn(&Self) -> bool) {
        for _ in 0..1200 {
            self.act();
            for _ in 0..8 {
                while !self.on_their_way.is_empty() {
                    self.deliver(0);
                }
                for n in 0..self.instances.len() {
                    for _ in 0..32 {
                        self.read(n);
                    }
                }
                self.act();
            }
            if done(self) {
                return;
            }
            self.now += Duration::from_millis(100);
        }
    }

    pub(super) fn leader(&self) -> Option<usize> {
        self.instances
            .iter()
            .position(|instance| instance.member.leads().is_some() && !instance.stands_still)
    }

    pub(super) fn terms(&self) -> usize {
        self.engine.log.iter().filter(|record| Engine::is_term(record)).count()
    }

    pub(super) fn gaps(&self) -> usize {
        self.engine.log.iter().filter(|record| is_gap(&record.content)).count()
    }
}
