//! The ids that clients came back with after a start and that the log doesn't hold: which of them
//! the origin is asked with, and what came of it.

use super::history::{History, HistoryPlace};
use crate::sync::{Notify, look_until};
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Times that the origin is asked after one start. An id costs it one at most, and ids that are
/// invented no more than these.
const ASKS_MAX: usize = 8;
/// Different ids that may wait to be asked for.
const WANTED_MAX: usize = 4096;
/// Histories kept at one time. One that begins earlier holds all of a later one, unless an origin
/// is odd.
const HISTORIES_MAX: usize = 2;

/// The ids of one channel.
pub(super) struct Asks {
    state: Mutex<State>,
    /// Notified when something is wanted, or the upstream is connected.
    wanted: Notify,
    /// Notified when something has been found out.
    answered: Notify,
}

/// What is known of the events that follow an id.
pub(super) enum Found {
    /// They are here.
    History(HistoryPlace),
    /// The origin has not been asked, or has not answered.
    Undecided,
    /// The origin has not returned them.
    Nothing,
}

#[derive(Default)]
struct State {
    /// Whether the origin may be asked.
    is_open: bool,
    is_connected: bool,
    /// Those that it has not been asked with.
    wanted: Vec<Bytes>,
    /// Those that it has.
    asked: Vec<Bytes>,
    /// The one that it is being asked with.
    current: Option<Bytes>,
    /// What it returned.
    histories: Vec<Arc<History>>,
}

impl State {
    fn found(&self, id: &[u8]) -> Found {
        match self.find(id) {
            Some(place) => Found::History(place),
            None if self.is_undecided(id) => Found::Undecided,
            None => Found::Nothing,
        }
    }

    fn find(&self, id: &[u8]) -> Option<HistoryPlace> {
        self.histories.iter().rev().find_map(|history| history.place(id))
    }

    /// Whether it may still turn out what follows an id.
    fn is_undecided(&self, id: &[u8]) -> bool {
        self.current.is_some() || (self.is_open && self.may_ask(id))
    }

    fn may_ask(&self, id: &[u8]) -> bool {
        self.asked.len() < ASKS_MAX && !self.asked.iter().any(|asked| asked == id)
    }

    /// The oldest of those that wait, as far as that can be told: ids are opaque, but where all are
    /// numbers the least was given first.
    fn take_oldest(&mut self) -> Option<Bytes> {
        let number = |id: &Bytes| -> Option<u128> { std::str::from_utf8(id).ok()?.parse().ok() };
        let numbers: Option<Vec<u128>> = self.wanted.iter().map(number).collect();
        let least = |numbers: Vec<u128>| (0..numbers.len()).min_by_key(|&at| numbers[at]);
        let at = numbers.map_or(Some(0), least)?;
        (at < self.wanted.len()).then(|| self.wanted.swap_remove(at))
    }
}

impl Asks {
    /// None; none may be asked for before [`Asks::open`].
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            wanted: Notify::new(),
            answered: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of it is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on ids may be asked for.
    pub(super) fn open(&self) {
        self.state().is_open = true;
    }

    /// Whether ids may be asked for.
    pub(super) fn are_open(&self) -> bool {
        self.state().is_open
    }

    /// No more: clients that wait learn that nothing comes.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_open = false;
        state.wanted.clear();
        drop(state);
        self.answered.notify_waiters();
    }

    /// Lets go of what was returned.
    pub(super) fn forget(&self) {
        self.state().histories.clear();
    }

    /// Whether there is nothing to be had here.
    pub(super) fn is_over(&self) -> bool {
        let state = self.state();
        !state.is_open && state.histories.is_empty()
    }

    /// What is known of the events that follow an id. If the origin may be asked, it will be.
    pub(super) fn want(&self, id: &Bytes) -> Found {
        let mut state = self.state();
        let found = state.found(id);
        if !matches!(found, Found::Undecided) || state.wanted.contains(id) {
            return found;
        }
        if state.wanted.len() >= WANTED_MAX {
            return Found::Nothing;
        }
        if state.is_open && state.may_ask(id) {
            state.wanted.push(id.clone());
            drop(state);
            self.wanted.notify_waiters();
        }
        found
    }

    /// Completes when it has turned out what follows an id.
    pub(super) async fn decided(&self, id: &[u8]) -> Option<HistoryPlace> {
        let look = || match self.state().found(id) {
            Found::History(place) => Some(Some(place)),
            Found::Undecided => None,
            Found::Nothing => Some(None),
        };
        look_until(&self.answered, look).await
    }

    /// The upstream is connected: what the origin sends from now on comes to the log.
    pub(super) fn connected(&self) {
        let is_news = !std::mem::replace(&mut self.state().is_connected, true);
        if is_news {
            self.wanted.notify_waiters();
        }
    }

    /// Completes when there is an id to ask for and the upstream is connected, and takes it.
    pub(super) async fn next(&self, gather: Duration) -> Bytes {
        let is_wanted = || {
            let state = self.state();
            (state.is_connected && !state.wanted.is_empty()).then_some(())
        };
        loop {
            look_until(&self.wanted, is_wanted).await;
            // Those that come together are asked for together.
            tokio::time::sleep(gather).await;
            let mut state = self.state();
            if let Some(id) = state.take_oldest() {
                state.asked.push(id.clone());
                state.current = Some(id.clone());
                return id;
            }
        }
    }

    /// What came of it.
    pub(super) fn answered(&self, history: Option<History>) {
        let mut state = self.state();
        state.current = None;
        if let Some(history) = history {
            let history = Arc::new(history);
            // One that begins earlier has all of it.
            state.histories.retain(|older| !older.is_part_of(&history));
            state.histories.push(history);
            if state.histories.len() > HISTORIES_MAX {
                state.histories.remove(0);
            }
        }
        let mut wanted = std::mem::take(&mut state.wanted);
        wanted.retain(|id| matches!(state.found(id), Found::Undecided));
        state.wanted = wanted;
        drop(state);
        self.answered.notify_waiters();
    }
}
