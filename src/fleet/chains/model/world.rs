//! Members, an engine, an origin, and what is between them.

use super::member::{Member, Parcel, What, lost, settings};
use crate::fleet::chains::chain::{Chain, ChainAction};
use crate::fleet::chains::names::Names;
use crate::fleet::inbox::Inbox;
use crate::fleet::pipeline::Answer;
use crate::fleet::record::{Content, Record, Stored};
use crate::metrics::GapReason;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

#[derive(Debug, Clone)]
pub(super) enum Choice {
    /// One of the messages on their way arrives, is lost, or arrives twice.
    Deliver(usize),
    Lose(usize),
    Double(usize),
    Origin,
    Read(usize, usize),
    Pass(u64),
    Restart(usize),
    CutOff(usize),
    Mend(usize),
    StandStill(usize),
    GoOn(usize),
    /// A member takes the process that leads for dead, whether it is or not.
    Suspect(usize),
    /// A member lets go of the channel, and opens it again.
    Release(usize),
    /// The engine lets go of the oldest messages, but so many.
    Expire(usize),
}

pub(super) struct World {
    /// All that was ever stored, by its sequence.
    pub(super) log: BTreeMap<u64, Record>,
    /// From here on it is still there.
    pub(super) first: u64,
    last: u64,
    pub(super) members: Vec<Member>,
    on_their_way: Vec<Parcel>,
    names: Names,
    now: Instant,
    pub(super) has_ids: bool,
    pub(super) sent: u64,
    lives: u64,
}

impl World {
    pub(super) fn new(has_ids: bool) -> Self {
        let named = Stored {
            sequence: 1,
            record: Some(Names::first()),
            age: Duration::ZERO,
        };
        let mut world = Self {
            log: BTreeMap::new(),
            first: 0,
            last: 1,
            members: Vec::new(),
            on_their_way: Vec::new(),
            names: Names::of(&named).unwrap(),
            now: Instant::now(),
            has_ids,
            sent: 0,
            lives: 0,
        };
        for _ in 0..3 {
            let member = world.member();
            world.members.push(member);
        }
        world
    }

    /// One that opens the channel now.
    fn member(&mut self) -> Member {
        self.lives += 1;
        let mut member = Member {
            chain: Chain::new(settings(self.lives), &self.names, self.now, self.lives),
            inbox: Inbox::new(1 << 20),
            life: self.lives,
            reader: self.last,
            connected: None,
            is_cut_off: false,
            stands_still: false,
            missed: VecDeque::new(),
            published: Vec::new(),
        };
        for (sequence, record) in self.log.range(self.first..) {
            member.take(*sequence, record, (&self.names, self.now));
        }
        member
    }

    pub(super) fn newest(&self) -> u64 {
        self.log.range(self.first..).next_back().map_or(0, |(last, _)| *last)
    }

    pub(super) fn step(&mut self, choice: &Choice) {
        let count = self.on_their_way.len();
        match choice {
            Choice::Deliver(which) if count > 0 => {
                let parcel = self.on_their_way.remove(which % count);
                self.arrive(parcel);
            }
            Choice::Lose(which) if count > 0 => self.lose(which % count),
            Choice::Double(which) if count > 0 => {
                let parcel = self.on_their_way[which % count].clone();
                if matches!(parcel.what, What::Append(_)) {
                    self.on_their_way.push(Parcel {
                        is_double: true,
                        ..parcel
                    });
                }
            }
            Choice::Deliver(_) | Choice::Lose(_) | Choice::Double(_) => {}
            Choice::Origin => {
                self.sent += 1;
                (0..3).for_each(|n| self.supply(n));
            }
            Choice::Read(n, messages) => (0..*messages).for_each(|_| self.read(*n)),
            Choice::Pass(millis) => self.now += Duration::from_millis(*millis),
            Choice::Restart(n) => {
                let is_cut_off = self.members[*n].is_cut_off;
                // Without the engine it can't open the channel.
                if !is_cut_off {
                    self.members[*n] = self.member();
                }
            }
            Choice::CutOff(n) => self.members[*n].is_cut_off = true,
            Choice::Mend(n) => self.members[*n].is_cut_off = false,
            Choice::StandStill(n) => self.members[*n].stands_still = true,
            Choice::GoOn(n) => self.go_on(*n),
            Choice::Suspect(n) => {
                let chain = &mut self.members[*n].chain;
                if let Some(process) = chain.follows().map(str::to_owned) {
                    chain.leader_died(&process);
                }
            }
            Choice::Release(n) => self.release(*n),
            Choice::Expire(keep) => {
                let kept = self.log.range(self.first..).rev().nth(*keep);
                self.first = kept.map_or(self.first, |(sequence, _)| sequence + 1);
            }
        }
        self.act();
    }

    fn release(&mut self, n: usize) {
        let member = &mut self.members[n];
        if member.stands_still || member.is_cut_off {
            return;
        }
        member.chain.leave();
        if let Some(term) = member.chain.leads() {
            member.connected = None;
            member.inbox.push(term, Content::Released);
            member.inbox.close();
        }
    }

    fn act(&mut self) {
        for n in 0..3 {
            if self.members[n].stands_still {
                continue;
            }
            // It may have to do several things, one after the other.
            for _ in 0..4 {
                let member = &mut self.members[n];
                if let Some(pipeline) = member.chain.pipeline() {
                    member
                        .inbox
                        .take(64)
                        .into_iter()
                        .for_each(|content| pipeline.push(content));
                }
                for action in self.members[n].chain.actions(self.now) {
                    self.carry_out(n, action);
                }
            }
        }
    }

    fn carry_out(&mut self, n: usize, action: ChainAction) {
        let what = match action {
            ChainAction::AskLast => What::AskLast,
            ChainAction::Append(append) => What::Append(append),
            ChainAction::StopLeading => {
                self.members[n].connected = None;
                return self.members[n].inbox.clear();
            }
            ChainAction::Lead {
                term,
                places,
                is_told,
                is_first,
            } => {
                let place = places.first().filter(|place| !place.is_empty());
                let place: Option<u64> = place.map(|place| std::str::from_utf8(place).unwrap().parse().unwrap());
                let member = &mut self.members[n];
                member.inbox.begin(term, is_told);
                let from = match (self.has_ids, place) {
                    (true, Some(place)) => place,
                    (true, None) if is_first => 0,
                    _ => self.sent,
                };
                if !is_first && (!self.has_ids || place.is_none()) {
                    member.inbox.push_gap(term, 0, GapReason::UpstreamReconnected);
                }
                member.connected = Some((term, from));
                return self.supply(n);
            }
            ChainAction::ReadAnew => return self.read_anew(n),
        };
        let member = &self.members[n];
        self.on_their_way.push(Parcel {
            member: n,
            life: member.life,
            what,
            is_double: false,
        });
    }

    fn read_anew(&mut self, n: usize) {
        // Where it is cut off, it can't: it is tried again when that is over.
        if self.members[n].is_cut_off {
            return;
        }
        let behind = self.members[n].chain.read_up_to();
        let newest = self.newest();
        for (sequence, record) in self.log.range(self.first.max(behind + 1)..) {
            self.members[n].take(*sequence, record, (&self.names, self.now));
        }
        self.members[n].chain.has_read_anew(newest);
    }

    fn supply(&mut self, n: usize) {
        let (sent, has_ids) = (self.sent, self.has_ids);
        let member = &mut self.members[n];
        let Some((term, got)) = &mut member.connected else {
            return;
        };
        for number in *got + 1..=sent {
            let block = match has_ids {
                true => format!("id: {number}\ndata: {number}\n\n"),
                false => format!("data: {number}\n\n"),
            };
            let content = Content::Events {
                upstream: 0,
                blocks: block.into(),
            };
            member.inbox.push(*term, content);
        }
        *got = sent;
    }

    fn arrive(&mut self, parcel: Parcel) {
        let is_cut_off = self.members[parcel.member].is_cut_off;
        let answer = match &parcel.what {
            What::Answer(..) | What::Last(_) if is_cut_off => return self.hear(&parcel, lost(&parcel.what)),
            What::Answer(..) | What::Last(_) => return self.hear(&parcel, parcel.what.clone()),
            what if is_cut_off && !parcel.is_double => return self.hear(&parcel, lost(what)),
            What::AskLast => What::Last(Some(self.newest())),
            What::Append(append) => {
                let fits = append.expected == self.newest();
                if fits {
                    // Other channels' messages lie between.
                    self.last += 1 + self.last % 3;
                    self.log.insert(self.last, append.record.clone());
                }
                let answer = if fits { Answer::Stored } else { Answer::Refused };
                What::Answer(append.record.term, answer)
            }
        };
        if !parcel.is_double {
            self.on_their_way.push(Parcel { what: answer, ..parcel });
        }
    }

    fn lose(&mut self, at: usize) {
        let parcel = self.on_their_way[at].clone();
        if parcel.is_double {
            self.on_their_way.remove(at);
            return;
        }
        // What is lost to who sent it may arrive all the same.
        match parcel.what {
            What::Append(_) => self.on_their_way[at].is_double = true,
            _ => drop(self.on_their_way.remove(at)),
        }
        self.hear(&parcel, lost(&parcel.what));
    }

    fn hear(&mut self, parcel: &Parcel, what: What) {
        let now = self.now;
        let member = &mut self.members[parcel.member];
        if member.life == parcel.life && !parcel.is_double {
            match member.stands_still {
                true => member.missed.push_back(what),
                false => member.hear(what, now),
            }
        }
    }

    fn go_on(&mut self, n: usize) {
        let now = self.now;
        self.members[n].stands_still = false;
        while let Some(what) = self.members[n].missed.pop_front() {
            self.members[n].hear(what, now);
        }
    }

    fn read(&mut self, n: usize) {
        let member = &mut self.members[n];
        if member.stands_still || member.is_cut_off {
            return;
        }
        let from = self.first.max(member.reader + 1);
        if let Some((sequence, record)) = self.log.range(from..).next() {
            member.reader = *sequence;
            let stored = Stored {
                sequence: *sequence,
                record: Some(record.clone()),
                age: Duration::ZERO,
            };
            match member.chain.has_hole_before(&stored, &self.names) {
                true => {
                    member.chain.begin_reading_anew();
                }
                false => member.take(*sequence, record, (&self.names, self.now)),
            }
        }
        // What was let go unread is not read; that something was, is.
        let member = &mut self.members[n];
        if member.reader + 1 < self.first {
            member.reader = self.first - 1;
            member.chain.may_have_missed();
        }
    }

    /// Everything works, for as long as it takes.
    pub(super) fn heal(&mut self) {
        for n in 0..3 {
            self.members[n].is_cut_off = false;
            self.go_on(n);
        }
        for _ in 0..400 {
            for n in 0..3 {
                // What has let go of the channel opens it again.
                let is_out = self.members[n].chain.is_out();
                if is_out && self.members[n].inbox.buffered() == 0 {
                    self.members[n] = self.member();
                }
                // Signs of life are seen, and their absence.
                let follows = self.members[n].chain.follows().map(str::to_owned);
                let lives = |process: &String| {
                    let is = |member: &Member| format!("p{}", member.life) == *process && !member.chain.is_out();
                    self.members.iter().any(is)
                };
                if let Some(process) = follows.filter(|process| !lives(process)) {
                    self.members[n].chain.leader_died(&process);
                }
                if self.members[n].chain.is_stuck() {
                    self.read_anew(n);
                }
            }
            self.act();
            for _ in 0..4 {
                while !self.on_their_way.is_empty() {
                    let parcel = self.on_their_way.remove(0);
                    self.arrive(parcel);
                }
                for n in 0..3 {
                    (0..32).for_each(|_| self.read(n));
                }
                self.act();
            }
            self.now += Duration::from_millis(100);
        }
    }
}
