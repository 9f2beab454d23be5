//! `coalesce` at the leader: what is in the log is what clients of all instances get, so identical events
//! are dropped before they are appended.
//!
//! One for all upstreams of a term, as a channel has one: an event of one upstream is dropped if an
//! identical one of another is held. What may not be passed by events (a gap, the last event, an end)
//! lets all out first.

use super::inbox::Inbox;
use super::record::Content;
use crate::channel::{Channel, CoalesceBuffer};
use crate::event_stream::Event;
use crate::metrics::GapReason;
use crate::sync::{Notify, look_until};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::time::sleep_until;

/// The way into the log of all that a leader reads in one term.
pub(crate) struct Coalescing {
    inbox: Arc<Inbox>,
    channel: Arc<Channel>,
    term: u64,
    /// By upstream.
    held: Mutex<CoalesceBuffer<u32>>,
    /// Notified when an event is held back.
    arrived: Notify,
}

impl Coalescing {
    pub(crate) fn new(inbox: Arc<Inbox>, channel: Arc<Channel>, term: u64) -> Arc<Self> {
        Arc::new(Self {
            inbox,
            channel,
            term,
            held: Mutex::default(),
            arrived: Notify::new(),
        })
    }

    pub(crate) fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// An event of an upstream. Whether it is the stream's last one.
    pub(crate) fn event(&self, upstream: u32, event: &Event<'_>, received: Instant) -> bool {
        let is_last = self.channel.is_last(event);
        let settings = self.channel.settings().load();
        let mut held = self.held();
        if settings.coalesce.is_zero() || is_last {
            self.release(&mut held);
            self.push(upstream, event);
            return is_last;
        }
        held.hold(event, || upstream, received + settings.coalesce);
        self.release_due(&mut held, Instant::now());
        drop(held);
        self.arrived.notify_waiters();
        false
    }

    /// What events may not pass, nor be passed by.
    pub(crate) fn between(&self, content: Content) {
        let mut held = self.held();
        self.release(&mut held);
        self.inbox.push(self.term, content);
    }

    /// Events may be missing here, unless that was said and nothing has come since.
    pub(crate) fn gap(&self, upstream: u32, reason: GapReason) {
        let mut held = self.held();
        self.release(&mut held);
        self.inbox.push_gap(self.term, upstream, reason);
    }

    /// Holds nothing back any more of what has come.
    pub(super) fn release_all(&self) {
        self.release(&mut self.held());
    }

    /// What has no place among the events.
    pub(crate) fn beside(&self, content: Content) {
        self.inbox.push(self.term, content);
    }

    /// Lets go of what is held back, in time. Never completes.
    pub(crate) async fn release_in_time(&self) {
        loop {
            let due = look_until(&self.arrived, || self.held().first_due()).await;
            sleep_until(due.into()).await;
            let mut held = self.held();
            self.release_due(&mut held, Instant::now());
        }
    }

    fn held(&self) -> MutexGuard<'_, CoalesceBuffer<u32>> {
        // Each change of it is whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn release_due(&self, held: &mut CoalesceBuffer<u32>, now: Instant) {
        let limits = self.channel.settings().load().log.limits();
        while let Some(due) = held.pop_due(limits, now) {
            self.push(due.place, &due.event.get());
        }
    }

    fn release(&self, held: &mut CoalesceBuffer<u32>) {
        while let Some(event) = held.pop() {
            self.push(event.place, &event.event.get());
        }
    }

    fn push(&self, upstream: u32, event: &Event<'_>) {
        let blocks = event.to_owned().into_block();
        self.inbox.push(self.term, Content::Events { upstream, blocks });
    }
}
