//! The origin, and who is connected to it.

use super::{World, event};
use crate::fleet::record::Content;
use crate::metrics::GapReason;
use bytes::Bytes;

impl World {
    /// A leader connects to the origin: with an id, it goes on behind it.
    pub(super) fn connect(&mut self, n: usize, term: u64, places: &[Bytes]) {
        let instance = &mut self.instances[n];
        let mut places = places.to_vec();
        let is_filled = instance.member.leads() == Some(term) && instance.local.fill(&mut places);
        let is_first = term == 1 && !is_filled;
        let place = places.first().cloned().unwrap_or_default();
        self.dial(n, term, &place, is_first);
    }

    /// One that gives ids goes on behind one; else it sends what comes from now on.
    pub(super) fn dial(&mut self, n: usize, term: u64, place: &Bytes, is_first: bool) {
        let place = std::str::from_utf8(place).unwrap().parse().ok();
        let instance = &mut self.instances[n];
        let from = match (self.has_ids, place) {
            (true, Some(place)) => place,
            (true, None) if is_first => 0,
            _ => self.sent,
        };
        let is_resumed = self.has_ids && place.is_some();
        if !is_first && !is_resumed {
            instance.inbox.push_gap(term, 0, GapReason::UpstreamReconnected);
        }
        instance.connected = Some((term, from));
        self.supply(n);
    }

    pub(super) fn leave(&mut self, n: usize) {
        let instance = &mut self.instances[n];
        if instance.stands_still || instance.local.is_apart() {
            return;
        }
        let is_first = instance.member.reading.read() == 0 && instance.view.is_empty();
        if let Some((term, place)) = instance.leave(self.now) {
            self.dial(n, term, &place, is_first);
        }
    }

    pub(super) fn origin_sends(&mut self) {
        self.sent += 1;
        for n in 0..self.instances.len() {
            self.supply(n);
        }
    }

    pub(super) fn supply(&mut self, n: usize) {
        let (sent, has_ids) = (self.sent, self.has_ids);
        let instance = &mut self.instances[n];
        let Some((term, got)) = &mut instance.connected else {
            return;
        };
        for event_number in *got + 1..=sent {
            let content = Content::Events {
                upstream: 0,
                blocks: event(event_number, has_ids),
            };
            instance.inbox.push(*term, content);
        }
        *got = sent;
    }
}
