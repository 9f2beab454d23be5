//! A channel's publisher takes in what an upstream yields: neither knows the other.

use crate::channel::Publisher;
use crate::event_stream::Item;
use crate::upstream::{Failure, Resume, Sink, Verdict};
use std::time::Instant;

impl Sink for Publisher {
    fn connected(&mut self, resume: Resume) {
        self.connected(resume == Resume::Sent);
    }

    fn item(&mut self, item: Item, received: Instant) {
        self.item(item, received);
    }

    fn flush(&mut self) {
        self.flush();
    }

    fn full(&self) -> bool {
        self.full()
    }

    fn is_over(&self) -> bool {
        self.is_over()
    }

    /// Clients stay, and wait for the origin to come back.
    fn failed(&mut self, _failure: &Failure, _more: bool) -> Verdict {
        Verdict::Retry
    }

    fn ended(&mut self) {
        self.ended();
    }

    async fn ready(&mut self) {
        self.ready().await;
    }
}
