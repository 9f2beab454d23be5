//! What a leader has read from its origins and is not in the log yet: bounded in bytes. Over the
//! bound, events are counted and left out, and a gap says how many once there is room again.
//!
//! While this instance is apart from the log, all that comes stands *aside* too, for its own clients.

mod aside;
#[cfg(test)]
mod tests;

use super::pipeline::Freed;
use super::record::Content;
use crate::metrics::GapReason;
use crate::sync::{Notify, look_until};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where upstreams wait, while the log is within reach, as a part of the bound: the rest is for the
/// time in which it is not.
const ROOM_PART: u64 = 4;

/// Shared by the upstreams' sinks and what appends.
#[derive(Debug)]
pub(crate) struct Inbox {
    bytes_max: u64,
    /// What several of them may have together.
    budget: Option<Arc<Budget>>,
    state: Mutex<State>,
    /// Notified when there is something to append.
    arrived: Notify,
    /// Notified when there is room, or no hope of it.
    room: Notify,
    /// Notified when something stands aside.
    set_aside: Notify,
}

/// Bytes that several inboxes may hold together.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes_max: u64,
    used: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// The term for which things are taken.
    term: Option<u64>,
    queue: VecDeque<Content>,
    /// Of all that is not in the log yet, whether it has been taken or not.
    contents: usize,
    bytes: u64,
    /// Events that there was no room for.
    dropped: u64,
    dropped_of: u32,
    /// Whether the log is out of reach.
    is_away: bool,
    /// Whether a gap has been told, and no event come since.
    is_told: bool,
    /// What this instance's clients are to get, while it is apart from the log.
    aside: Option<Aside>,
}

#[derive(Debug, Default)]
struct Aside {
    queue: VecDeque<Content>,
    bytes: u64,
    /// Whether nothing of it goes to the log: another leads, as far as is known.
    is_all: bool,
}

impl Inbox {
    pub(crate) fn new(bytes_max: u64) -> Arc<Self> {
        Self::within(bytes_max, None)
    }

    /// One of several that share a budget.
    pub(crate) fn within(bytes_max: u64, budget: Option<Arc<Budget>>) -> Arc<Self> {
        Arc::new(Self {
            bytes_max,
            budget,
            state: Mutex::default(),
            arrived: Notify::new(),
            room: Notify::new(),
            set_aside: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of it is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what comes in this term, and nothing of an older one. `is_told`: its record is a gap.
    pub(crate) fn begin(&self, term: u64, is_told: bool) {
        let begun = State {
            term: Some(term),
            is_told,
            ..State::default()
        };
        let before = std::mem::replace(&mut *self.state(), begun);
        self.give_back(before.bytes);
    }

    fn give_back(&self, bytes: u64) {
        if let Some(budget) = &self.budget {
            budget.used.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    fn spend(&self, bytes: u64) -> bool {
        self.budget.as_ref().is_none_or(|budget| budget.spend(bytes))
    }

    /// What has not been taken, for a successor process.
    pub(super) fn give(&self) -> Vec<Content> {
        let state = self.state();
        let mut contents: Vec<Content> = state.queue.iter().cloned().collect();
        contents.extend(state.dropped_gap());
        contents
    }

    /// The first of what is to be appended: what a predecessor had. Right behind [`begin`](Self::begin).
    pub(super) fn go_on_with(&self, contents: Vec<Content>) {
        let mut state = self.state();
        contents.into_iter().for_each(|content| state.put(content));
    }

    /// Takes nothing any more. What was taken may still be appended.
    pub(crate) fn close(&self) {
        self.state().term = None;
        self.room.notify_waiters();
    }

    /// Lets go of everything.
    pub(crate) fn clear(&self) {
        let before = std::mem::take(&mut *self.state());
        self.give_back(before.bytes);
        self.room.notify_waiters();
    }

    /// More to be appended.
    pub(crate) fn push(&self, term: u64, content: Content) {
        let mut state = self.state();
        if state.term != Some(term) {
            return;
        }
        state.put_aside(&content);
        match state.is_all_aside() {
            true => state.is_told &= !matches!(content, Content::Events { .. }),
            false => self.keep(&mut state, content),
        }
        self.notify(state);
    }

    /// For the log.
    fn keep(&self, state: &mut State, content: Content) {
        let is_event = matches!(content, Content::Events { .. });
        let bound = match state.dropped {
            0 => self.bytes_max,
            // Once it is full, some room has to be made before it goes on.
            _ => self.bytes_max / 2,
        };
        let len = content.len() as u64;
        // What is no event is small, and always taken.
        if is_event && (state.bytes + len > bound || !self.spend(len)) {
            (state.dropped, state.dropped_of) = (state.dropped + 1, content.upstream());
            return;
        }
        if is_event {
            state.tell_dropped();
            state.is_told = false;
        } else if let Some(budget) = &self.budget {
            budget.used.fetch_add(len, Ordering::Relaxed);
        }
        state.put(content);
    }

    fn notify(&self, state: MutexGuard<'_, State>) {
        let is_aside = state.aside.is_some();
        drop(state);
        self.arrived.notify_waiters();
        if is_aside {
            self.set_aside.notify_waiters();
        }
    }

    /// Events may be missing here, unless that was said and nothing has come since.
    pub(crate) fn push_gap(&self, term: u64, upstream: u32, reason: GapReason) {
        let mut state = self.state();
        if state.term != Some(term) || state.is_told {
            return;
        }
        let gap = Content::Gap {
            upstream,
            reason,
            skipped: None,
        };
        state.is_told = true;
        state.put_aside(&gap);
        if !state.is_all_aside() {
            state.tell_dropped();
            state.put(gap);
        }
        self.notify(state);
    }

    /// What is next, so many at the most.
    pub(crate) fn take(&self, max: usize) -> Vec<Content> {
        let mut state = self.state();
        let max = max.min(state.queue.len());
        let mut taken: Vec<Content> = state.queue.drain(..max).collect();
        if state.queue.is_empty() && state.dropped > 0 && state.bytes <= self.bytes_max / 2 {
            state.tell_dropped();
            taken.extend(state.queue.pop_front());
        }
        taken
    }

    /// This has left: it is in the log.
    pub(crate) fn free(&self, freed: Freed) {
        if freed.contents == 0 {
            return;
        }
        let mut state = self.state();
        state.contents = state.contents.saturating_sub(freed.contents);
        let before = state.bytes;
        state.bytes = before.saturating_sub(freed.bytes as u64);
        let given_back = before - state.bytes;
        drop(state);
        self.give_back(given_back);
        self.room.notify_waiters();
        // What was left out may be told by now.
        self.arrived.notify_waiters();
    }

    /// Whether the log is out of reach: then upstreams are read on, into what room there is.
    pub(crate) fn set_away(&self, is_away: bool) {
        let was_away = std::mem::replace(&mut self.state().is_away, is_away);
        if is_away && !was_away {
            self.room.notify_waiters();
        }
    }

    /// What is not in the log yet.
    pub(crate) fn buffered(&self) -> usize {
        self.state().contents
    }

    /// Completes when something has come that was not taken.
    pub(crate) async fn until_arrived(&self) {
        look_until(&self.arrived, || {
            let state = self.state();
            let is_due = state.dropped > 0 && state.bytes <= self.bytes_max / 2;
            (!state.queue.is_empty() || is_due).then_some(())
        })
        .await;
    }

    /// Completes when more may be read.
    pub(crate) async fn until_room(&self, term: u64) {
        look_until(&self.room, || {
            let state = self.state();
            let has_room = match &state.aside {
                Some(aside) => aside.bytes <= self.bytes_max / ROOM_PART,
                None => state.is_away || state.bytes <= self.bytes_max / ROOM_PART,
            };
            (has_room || state.term != Some(term)).then_some(())
        })
        .await;
    }

    /// Whether what has been handed over is enough for now.
    pub(crate) fn is_full(&self) -> bool {
        let state = self.state();
        let bytes = state.aside.as_ref().map_or(state.bytes, |aside| aside.bytes);
        bytes > self.bytes_max / ROOM_PART
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let bytes = self.state().bytes;
        self.give_back(bytes);
    }
}

impl Budget {
    pub(crate) fn new(bytes_max: u64) -> Arc<Self> {
        Arc::new(Self {
            bytes_max,
            used: AtomicU64::new(0),
        })
    }

    /// Whether there is room for so much more, which is taken.
    fn spend(&self, bytes: u64) -> bool {
        let more = |used: u64| Some(used + bytes).filter(|&used| used <= self.bytes_max);
        let spent = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        spent.is_ok()
    }
}

impl State {
    fn is_all_aside(&self) -> bool {
        self.aside.as_ref().is_some_and(|aside| aside.is_all)
    }

    fn put_aside(&mut self, content: &Content) {
        if let Some(aside) = &mut self.aside {
            aside.bytes += content.len() as u64;
            aside.queue.push_back(content.clone());
        }
    }

    fn put(&mut self, content: Content) {
        if !matches!(content, Content::Moved { .. }) {
            self.contents += 1;
            self.bytes += content.len() as u64;
        }
        self.queue.push_back(content);
    }

    fn tell_dropped(&mut self) {
        if let Some(gap) = self.dropped_gap() {
            self.dropped = 0;
            self.put(gap);
        }
    }

    fn dropped_gap(&self) -> Option<Content> {
        (self.dropped > 0).then_some(Content::Gap {
            upstream: self.dropped_of,
            reason: GapReason::Skipped,
            skipped: Some(self.dropped),
        })
    }
}
