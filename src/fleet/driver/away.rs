//! When a driver leaves the log, and when it comes back.

use super::Driver;
use super::apart::PROBE_EVERY;
use crate::fleet::engine::Engine;
use crate::fleet::lease::LeaseAnswer;
use crate::fleet::local::Share;
use crate::fleet::member::News;
use crate::fleet::pipeline::Freed;
use crate::fleet::record::{Content, Stored};
use std::time::Instant;

impl<E: Engine> Driver<E> {
    /// Leaves the log, if it is time, and asks for a sign of life.
    pub(super) fn look_out(&mut self) {
        let Some(apart) = &mut self.apart else { return };
        let now = Instant::now();
        if apart.leaves_at(now).is_some_and(|leaves| leaves <= now) {
            let (reading, pipeline) = self.member.known();
            apart.leave(Some(reading), pipeline, &mut self.writer);
        }
        let is_silent = apart.heard() + PROBE_EVERY <= now;
        if (is_silent || apart.local.wants_end()) && apart.next_probe <= now {
            apart.next_probe = now + PROBE_EVERY;
            let engine = self.engine.clone();
            apart
                .probes
                .spawn(async move { Some(engine.extent().await.ok()?.last) });
        }
    }

    /// The engine has said where the log ends, or has not.
    pub(super) fn probed(&mut self, last: Option<u64>) {
        let Some(last) = last else { return };
        self.answered_in_time(true);
        if let Some(apart) = &mut self.apart {
            apart.local.end(last);
        }
        self.within_reach();
    }

    /// A leader that has nothing to append says something all the same: so the others know that it is there.
    pub(super) fn within_reach(&mut self) {
        let is_apart = self.apart.as_ref().is_some_and(|apart| apart.local.is_apart());
        if is_apart
            && let Some(pipeline) = self.member.pipeline()
            && pipeline.is_empty()
        {
            pipeline.push(Content::Checkpoint);
        }
    }

    /// Another has the lease. An instance that is apart and can read the log goes back to it.
    pub(super) fn lease_answered(&mut self, answer: &LeaseAnswer) {
        let (is_open, leads) = (self.reader.is_some(), self.member.leads().is_some());
        if let Some(apart) = &mut self.apart
            && *answer == LeaseAnswer::Other
            && apart.local.is_apart()
            && apart.heard().elapsed() < PROBE_EVERY * 2
            && is_open
            && !leads
        {
            apart.come_back(false, &mut self.writer);
        }
    }

    /// This instance leads no more, or anew.
    pub(super) fn is_deposed(&mut self) {
        if let Some(apart) = &mut self.apart {
            match apart.local.is_apart() {
                true => apart.come_back(false, &mut self.writer),
                false => apart.local.deposed(),
            }
        }
    }

    /// What clients get of a message. `led`: the term that this instance led before it was read.
    pub(super) fn share(
        &mut self,
        stored: &Stored,
        news: Option<News>,
        (led, freed): (Option<u64>, Freed),
    ) -> Option<Share> {
        let leads = led.is_some() && self.member.leads() == led;
        let Some(apart) = &mut self.apart else {
            return Some(Share::ALL);
        };
        if apart.local.is_apart() && news.is_some_and(|news| news.counts) {
            apart.come_back(leads, &mut self.writer);
        }
        if !leads {
            apart.local.deposed();
        }
        let record = stored.record.as_ref();
        let is_own = leads && record.is_some_and(|record| Some(record.term) == led);
        let own = is_own.then_some(freed.contents);
        apart.local.take(stored.sequence, record, news?, own, Instant::now())
    }
}
