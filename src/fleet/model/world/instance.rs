//! One relay of the fleet, as far as the model goes.

use super::checks::is_gap;
use super::number;
use crate::fleet::carried::CarriedMember;
use crate::fleet::inbox::Inbox;
use crate::fleet::local::{Local, Share};
use crate::fleet::member::{Member, News, Settings};
use crate::fleet::model::engine::Heard;
use crate::fleet::pipeline::UNREAD_MAX;
use crate::fleet::record::{Content, Stored, blocks};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) struct Instance {
    pub(super) member: Member,
    pub(super) inbox: Arc<Inbox>,
    pub(super) life: u64,
    /// Where its reader is.
    pub(super) reader: u64,
    /// The term in which it is connected to the origin, and the event that it got last.
    pub(super) connected: Option<(u64, u64)>,
    /// The same of a connection that the process before has given.
    pub(super) given: Option<u64>,
    pub(super) is_cut_off: bool,
    pub(super) stands_still: bool,
    /// What happened to it while it stood still.
    pub(super) missed: VecDeque<Heard>,
    /// What it has published: sequence, and name of the numbering.
    pub(super) ring: Vec<(u64, String)>,
    /// Where it began to read.
    pub(super) behind: u64,
    pub(super) local: Local,
    /// What a client has got that has been there from its start on.
    pub(super) view: Vec<Seen>,
    /// How often it has left the log.
    pub(super) leaves: u64,
}

/// What a client sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Event(u64),
    Gap,
}

impl Instance {
    /// One that publishes from behind this message on. It reads as much before that as its judgement
    /// takes.
    pub(super) fn new(n: usize, life: u64, behind: u64, now: Instant) -> Self {
        let from = behind.saturating_sub(UNREAD_MAX as u64);
        let member = Member::new(settings(n, life, behind), from, now, life);
        Self::of(member, life, from, behind)
    }

    /// One that goes on where another process has held still.
    pub(super) fn going_on(n: usize, life: u64, carried: CarriedMember, now: Instant) -> Self {
        let member = Member::going_on(settings(n, life, 0), carried, now, life);
        Self::of(member, life, 0, 0)
    }

    fn of(member: Member, life: u64, reader: u64, behind: u64) -> Self {
        Self {
            member,
            inbox: Inbox::new(1 << 20),
            life,
            reader,
            connected: None,
            given: None,
            is_cut_off: false,
            stands_still: false,
            missed: VecDeque::new(),
            ring: Vec::new(),
            behind,
            local: Local::new(1, Some(Duration::from_secs(5))),
            view: Vec::new(),
            leaves: 0,
        }
    }

    /// The engine gives no sign of life. The term under which it connects to the origin, if it has to,
    /// and the id to go on behind.
    pub(super) fn leave(&mut self, now: Instant) -> Option<(u64, Bytes)> {
        let had = self.local.had();
        let (reading, leads) = (&self.member.reading, self.member.leads().is_some());
        let leaving = self.local.leave(reading.places(), reading.epoch(), leads, now);
        if leaving.is_missing {
            self.view.push(Seen::Gap);
        }
        if let Some(pipeline) = self.member.pipeline() {
            self.inbox.set_apart(pipeline.outstanding(), had);
            return None;
        }
        self.leaves += 1;
        let term = u64::MAX - self.leaves;
        self.inbox.begin_apart(term);
        Some((term, self.local.places()[0].clone()))
    }

    /// Gives its clients what stands aside.
    pub(super) fn deliver(&mut self) {
        for content in self.inbox.take_aside() {
            if self.local.given(&content).is_some() {
                self.see(&content, 0);
            }
        }
    }

    /// It can read the log again.
    pub(super) fn come_back(&mut self, leads: bool, now: Instant) {
        self.deliver();
        let rest = self.inbox.end_apart();
        if !leads {
            self.connected = None;
            self.inbox.clear();
        }
        self.local.back(leads.then_some(rest), now);
    }

    /// It leads no more, or anew.
    pub(super) fn is_deposed(&mut self, now: Instant) {
        match self.local.is_apart() {
            true => self.come_back(false, now),
            false => self.local.deposed(),
        }
    }

    /// A leader that has nothing to append says something all the same.
    pub(super) fn within_reach(&mut self) {
        if self.local.is_apart()
            && let Some(pipeline) = self.member.pipeline()
            && pipeline.is_empty()
        {
            pipeline.push(Content::Checkpoint);
        }
    }

    /// Its reader brings a message.
    pub(super) fn take(&mut self, stored: &Stored, now: Instant) {
        let led = self.member.leads();
        let (news, freed) = self.member.read(stored, now);
        let leads = led.is_some() && self.member.leads() == led;
        if self.local.is_apart() && news.is_some_and(|news| news.counts) {
            self.come_back(leads, now);
        }
        if !leads {
            self.local.deposed();
        }
        let record = stored.record.as_ref();
        if let Some(news) = news {
            let is_own = leads && record.is_some_and(|record| Some(record.term) == led);
            let own = is_own.then_some(freed.contents);
            if let Some(share) = self.local.take(stored.sequence, record, news, own, now) {
                self.publish(stored, news, share);
            }
        }
        self.inbox.free(freed);
        if news.is_some()
            && let Some(record) = record
        {
            self.ring.push((stored.sequence, record.epoch.clone()));
        }
    }

    fn publish(&mut self, stored: &Stored, news: News, share: Share) {
        let gap = share.back.is_some_and(|back| back.gap.is_some());
        if gap || share.back.is_none() && (news.is_anew || news.skipped) {
            self.view.push(Seen::Gap);
        }
        if let Some(record) = stored.record.as_ref().filter(|_| news.counts) {
            self.see(&record.content, share.behind);
        }
    }

    fn see(&mut self, content: &Content, behind: usize) {
        if is_gap(content) {
            self.view.push(Seen::Gap);
        }
        if let Content::Events { blocks: payload, .. } = content {
            let events = blocks(payload).skip(behind);
            self.view.extend(events.map(|block| Seen::Event(number(&block))));
        }
    }
}

fn settings(n: usize, life: u64, publish_behind: u64) -> Settings {
    Settings {
        instance: format!("i{n}"),
        token: format!("t{life}"),
        upstreams: 1,
        message_bytes_max: 1 << 20,
        checkpoint_every: Duration::from_secs(60),
        first_epoch: None,
        publish_behind,
    }
}
