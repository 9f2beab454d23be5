//! What holds of the log and of what members have published.

use super::instance::Seen;
use super::{World, number};
use crate::fleet::member::Member;
use crate::fleet::model::engine::Engine;
use crate::fleet::record::{Content, Record, blocks};

impl World {
    /// What the log says, to who has all of it: the newest leader's messages, by their numbers.
    fn said(&self) -> Vec<(u64, &Record)> {
        let (mut term, mut number) = (0, 0);
        let mut said = Vec::new();
        for (record, sequence) in self.engine.log.iter().zip(1..) {
            if Engine::is_term(record) {
                (term, number) = (sequence, 0);
            } else if (record.term, record.number) == (term, number + 1) {
                number += 1;
            } else {
                continue;
            }
            said.push((sequence, record));
        }
        said
    }

    /// What always holds.
    pub(in crate::fleet::model) fn check(&self) {
        self.check_events();
        self.check_rings();
        self.check_views();
    }

    /// What clients have got is what the origin has sent, each once and in order, unless a gap is told
    /// between.
    fn check_views(&self) {
        for instance in &self.instances {
            let (mut last, mut is_told) = (None, true);
            for seen in &instance.view {
                match (seen, last) {
                    (Seen::Gap, _) => is_told = true,
                    (Seen::Event(number), Some(last)) if !is_told => {
                        assert_eq!(*number, last + 1, "no gap between: {:?}", instance.view);
                    }
                    _ => {}
                }
                if let Seen::Event(number) = seen {
                    (last, is_told) = (Some(*number), false);
                }
            }
        }
    }

    /// Clients of all instances have got the newest event.
    pub(in crate::fleet::model) fn check_all_see(&self) {
        // Where nobody has noticed a loss before the log has grown beyond it, one that slept may go on as if
        // the log were the one that it has read. Rare runs are left in which nothing tells it.
        if self.lost {
            return;
        }
        for instance in &self.instances {
            assert!(instance.local.is_together(), "{:?}", instance.local);
            let newest = instance.view.last();
            assert_eq!(newest, Some(&Seen::Event(self.sent)), "{:?}", instance.view);
        }
    }

    fn check_events(&self) {
        // Where the engine has lost messages, a term record may be among them.
        if self.lost {
            return;
        }
        let (mut last, mut is_told) = (0, true);
        for (_, record) in self.said() {
            is_told |= is_gap(&record.content);
            let Content::Events { blocks: payload, .. } = &record.content else {
                continue;
            };
            for block in blocks(payload) {
                let number = number(&block);
                assert!(number > last, "{number} comes after {last}");
                // An origin with ids goes on where the log ends, if that holds any.
                let may_miss = is_told && (!self.has_ids || last == 0);
                assert!(
                    number == last + 1 || may_miss,
                    "{number} comes after {last}, and no gap between them"
                );
                (last, is_told) = (number, false);
            }
        }
    }

    /// What members have published is what the log says, in its order, each once.
    fn check_rings(&self) {
        let said: Vec<(u64, &str)> = self
            .said()
            .into_iter()
            .map(|(sequence, record)| (sequence, record.epoch.as_str()))
            .collect();
        for instance in &self.instances {
            for pair in instance.ring.windows(2) {
                let ((before, name), (after, same)) = (&pair[0], &pair[1]);
                assert!(name != same || after > before, "{:?}", instance.ring);
            }
            if self.lost {
                continue;
            }
            let read = instance.member.reading.read();
            let wanted: Vec<(u64, &str)> = said
                .iter()
                .copied()
                .filter(|(sequence, _)| *sequence > instance.behind && *sequence <= read)
                .collect();
            let ring: Vec<(u64, &str)> = instance
                .ring
                .iter()
                .map(|(sequence, name)| (*sequence, name.as_str()))
                .collect();
            assert_eq!(ring, wanted);
        }
    }

    /// All that the origin has sent to whoever is connected is in the log, and has been read.
    pub(in crate::fleet::model) fn check_all_arrived(&self) {
        let members: Vec<&Member> = self.instances.iter().map(|instance| &instance.member).collect();
        let log: Vec<_> = self
            .engine
            .log
            .iter()
            .map(|r| (r.term, r.number, r.read, r.epoch.clone(), Engine::is_term(r)))
            .collect();
        let leader = self
            .leader()
            .unwrap_or_else(|| panic!("none leads: {members:#?} {log:?} {:?}", self.engine.lease));
        assert_eq!(
            self.instances
                .iter()
                .filter(|instance| instance.member.leads().is_some())
                .count(),
            1
        );
        let log = &self.engine.log;
        let said = self.said();
        for instance in &self.instances {
            assert_eq!(instance.member.reading.read(), log.len() as u64);
            assert_eq!(instance.inbox.buffered(), 0);
        }
        let newest = said.iter().rev().find_map(|(_, record)| match &record.content {
            Content::Events { blocks: payload, .. } => blocks(payload).last().map(|block| number(&block)),
            _ => None,
        });
        let (_, got) = self.instances[leader].connected.expect("the leader is connected");
        assert_eq!(got, self.sent);
        // Where the log has held no id yet, a new leader begins with what comes, and a gap is told.
        if let Some(newest) = newest.filter(|_| self.has_ids && !self.lost) {
            assert_eq!(newest, self.sent);
        }
    }
}

pub(super) fn is_gap(content: &Content) -> bool {
    matches!(content, Content::Gap { .. } | Content::Term { resumes: false, .. })
}
