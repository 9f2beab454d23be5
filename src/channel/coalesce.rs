//! `coalesce`: events with identical type and data within a window are delivered once.
//!
//! An event is held for the window, and what is identical to one that is held is dropped. It goes out at the window's end, not at
//! its start: a client that fetches something on it then sees what the dropped ones announced too. All are held for the same
//! time, so their order stays.

use super::Channel;
use super::publisher::{IdInForce, WriterState};
use crate::event_stream::Event;
use std::collections::{HashSet, VecDeque};
use std::time::Instant;

/// What is held back.
#[derive(Default)]
pub(super) struct CoalesceBuffer {
    /// The oldest first.
    queue: VecDeque<Waiting>,
    /// What is in the queue, by content.
    contents: HashSet<Box<[u8]>>,
    bytes: u64,
}

struct Waiting {
    event: Event,
    /// The id in force at its upstream.
    id: IdInForce,
    due: Instant,
}

impl CoalesceBuffer {
    fn first_due(&self) -> Option<Instant> {
        self.queue.front().map(|waiting| waiting.due)
    }

    /// Holds an event, unless an identical one is held. One that only moves the id keeps its place in the order.
    pub(super) fn hold(&mut self, event: Event, id: &IdInForce, due: Instant) {
        if event.dispatches() && !self.contents.insert(content(&event)) {
            return;
        }
        self.bytes += event.block().len() as u64;
        self.queue.push_back(Waiting {
            event,
            id: id.clone(),
            due,
        });
    }

    fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.queue.pop_front()?;
        self.bytes -= waiting.event.block().len() as u64;
        if waiting.event.dispatches() {
            self.contents.remove(&content(&waiting.event));
        }
        Some(waiting)
    }
}

/// Type and data in one: no type holds an LF.
fn content(event: &Event) -> Box<[u8]> {
    [event.event_type(), b"\n", &event.data()].concat().into()
}

impl WriterState {
    /// Publishes what is due by `now`, or all of it. Returns whether there was anything.
    pub(super) fn release(&mut self, channel: &Channel, now: Instant, all: bool) -> bool {
        let mut any = false;
        let limits = channel.settings.load().log;
        while let Some(due) = self.held.first_due() {
            // What the log could not hold is not held here either.
            let too_much = self.held.queue.len() > limits.events || self.held.bytes > limits.bytes;
            if due > now && !all && !too_much {
                break;
            }
            if let Some(Waiting { event, id, .. }) = self.held.pop() {
                self.publish(channel, &event, &id, now, false);
                any = true;
            }
        }
        any
    }
}

impl Channel {
    /// Releases what is held, in time. Never completes.
    pub(crate) async fn release_in_time(&self) {
        loop {
            let first_due = self.writer_state().held.first_due();
            match first_due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => self.held.notified().await,
            }
            if self.writer_state().release(self, Instant::now(), false) {
                self.followers.notify_all();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::time::Duration;

    fn event(block: &'static str) -> Event {
        Event::parse_block(Bytes::from_static(block.as_bytes())).expect("a block")
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
            held.hold(
                event(block),
                &IdInForce::Id(Bytes::new()),
                start + Duration::from_millis(n as u64),
            );
        }
        let mut left = Vec::new();
        while let Some(waiting) = held.pop() {
            left.push(String::from_utf8_lossy(waiting.event.block()).into_owned());
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
