//! `coalesce`: events with identical type and data within a window are delivered once.
//!
//! An event is held for the window, and what is identical to one that is held is dropped. It goes
//! out at the window's end, not at its start: a client that fetches something on it then sees what
//! the dropped ones announced too. All are held for the same time, so their order stays.

use crate::config::LogLimits;
use crate::event_stream::{Event, OwnedEvent};
use std::collections::{HashSet, VecDeque};
use std::time::Instant;

/// What is held back, each event with what has to be known of it then.
pub(crate) struct CoalesceBuffer<P> {
    /// The oldest first.
    queue: VecDeque<HeldEvent<P>>,
    /// What is in the queue, by content.
    contents: HashSet<Box<[u8]>>,
    bytes: u64,
}

/// An event that is held back.
pub(crate) struct HeldEvent<P> {
    pub(crate) event: OwnedEvent,
    pub(crate) place: P,
    due: Instant,
}

impl<P> Default for CoalesceBuffer<P> {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            contents: HashSet::new(),
            bytes: 0,
        }
    }
}

impl<P> CoalesceBuffer<P> {
    /// When the oldest is due.
    pub(crate) fn first_due(&self) -> Option<Instant> {
        self.queue.front().map(|waiting| waiting.due)
    }

    /// Holds an event, unless an identical one is held. One that only moves the id keeps its place
    /// in the order.
    pub(crate) fn hold(&mut self, event: &Event<'_>, place: impl FnOnce() -> P, due: Instant) {
        if event.dispatches() && !self.contents.insert(content(event)) {
            return;
        }
        self.bytes += event.block().len() as u64;
        self.queue.push_back(HeldEvent {
            event: event.to_owned(),
            place: place(),
            due,
        });
    }

    /// The oldest, if it is due by `now`, or if more is held than the log could hold.
    pub(crate) fn pop_due(&mut self, limits: LogLimits, now: Instant) -> Option<HeldEvent<P>> {
        let too_much = self.queue.len() > limits.events || self.bytes > limits.bytes;
        let is_due = self.first_due().is_some_and(|due| due <= now);
        (is_due || too_much).then(|| self.pop()).flatten()
    }

    /// The oldest.
    pub(crate) fn pop(&mut self) -> Option<HeldEvent<P>> {
        let held = self.queue.pop_front()?;
        let event = held.event.get();
        self.bytes -= event.block().len() as u64;
        if event.dispatches() {
            self.contents.remove(&content(&event));
        }
        Some(held)
    }
}

/// Type and data in one: no type holds an LF.
fn content(event: &Event<'_>) -> Box<[u8]> {
    [event.event_type(), b"\n", &event.data()].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn event(block: &'static str) -> Event<'static> {
        Event::parse_block(block.as_bytes()).expect("a block")
    }

    #[test]
    fn identical_ones_are_held_once_and_in_order() {
        let mut held = CoalesceBuffer::default();
        let start = Instant::now();
        for (n, block) in [
            "id: 1\ndata: a\n\n",
            "data: b\n\n",
            "id: 2\ndata: a\n\n",
            "event: x\ndata: a\n\n",
            "id: 3\n\n",
            "id: 4\n\n",
            "data\ndata: a\n\n",
        ]
        .into_iter()
        .enumerate()
        {
            held.hold(&event(block), || (), start + Duration::from_millis(n as u64));
        }
        let mut left = Vec::new();
        while let Some(HeldEvent { event, .. }) = held.pop() {
            left.push(String::from_utf8_lossy(event.get().block()).into_owned());
        }
        assert_eq!(
            left,
            [
                "id: 1\ndata: a\n\n",
                "data: b\n\n",
                "event: x\ndata: a\n\n",
                "id: 3\n\n",
                "id: 4\n\n",
                "data\ndata: a\n\n"
            ]
        );
        assert_eq!((held.bytes, held.contents.len()), (0, 0));
    }
}
