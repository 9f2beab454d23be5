//! One process of a member ends, and another begins: it is killed, or handed over as a driver does it.

use super::World;
use super::instance::Instance;
use crate::fleet::record::Content;

impl World {
    /// It is killed, and starts anew.
    pub(super) fn restart(&mut self, n: usize) {
        self.lives += 1;
        // It reads as much before what it publishes as the judgement of that takes.
        let behind = self.engine.log.len().saturating_sub(5) as u64;
        let is_cut_off = self.instances[n].is_cut_off;
        self.instances[n] = Instance {
            is_cut_off,
            ..Instance::new(n, self.lives, behind, self.now)
        };
    }

    /// The process before does nothing more. What it has said stays on its way, and what it would have
    /// heard is heard by nobody.
    pub(super) fn hand_over(&mut self, n: usize) {
        let instance = &self.instances[n];
        // One that has not come to what it publishes has no clients.
        let is_there = instance.member.reading.read() >= instance.behind && instance.local.is_together();
        if instance.stands_still || !is_there {
            return;
        }
        self.lives += 1;
        let carried = instance.member.give(instance.inbox.give());
        assert!(carried.is_sound(1), "{carried:?}");
        let connected = instance.connected.map(|(_, got)| got).or(instance.given);
        let given = connected.filter(|_| carried.leads());
        let next = Instance {
            is_cut_off: instance.is_cut_off,
            ring: instance.ring.clone(),
            reader: instance.reader,
            behind: instance.behind,
            view: instance.view.clone(),
            leaves: instance.leaves,
            given,
            ..Instance::going_on(n, self.lives, carried, self.now)
        };
        let before = instance.life;
        self.engine.is_held_by(n, before, self.lives);
        self.instances[n] = next;
    }

    /// A leader goes on with the connection that the process before has given, and what that had read.
    /// Whether there is one.
    pub(super) fn goes_on(&mut self, n: usize, term: u64, contents: Vec<Content>) -> bool {
        let instance = &mut self.instances[n];
        instance.inbox.go_on_with(contents);
        instance.connected = instance.given.take().map(|got| (term, got));
        instance.connected.is_some()
    }
}
