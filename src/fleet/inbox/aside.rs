//! While this instance goes on without the log: what comes stands aside for its own clients, too.

use super::{Aside, Inbox, State};
use crate::fleet::record::Content;
use crate::sync::look_until;

impl Inbox {
    /// A leader is apart from the log from now on: what comes goes to its own clients at once, and into
    /// the log later. They have had nothing of `sent` and of what waits here behind the first `had`.
    pub(crate) fn set_apart(&self, sent: Vec<Content>, had: usize) {
        let mut state = self.state();
        state.tell_dropped();
        let mut passed = 0;
        let waiting: Vec<Content> = sent.into_iter().chain(state.queue.iter().cloned()).collect();
        state.aside = Some(Aside::default());
        for content in waiting {
            let counts = !matches!(content, Content::Moved { .. });
            if !counts || passed >= had {
                state.put_aside(&content);
            }
            passed += usize::from(counts);
        }
        self.notify(state);
        self.room.notify_waiters();
    }

    /// A follower is apart from the log from now on: what comes under this term goes to its own clients.
    pub(crate) fn begin_apart(&self, term: u64) {
        *self.state() = State {
            term: Some(term),
            aside: Some(Aside {
                is_all: true,
                ..Aside::default()
            }),
            ..State::default()
        };
    }

    /// The log is within reach again. How much is not in it yet, of what stood aside: what of that has not
    /// been taken is lost to this instance's clients.
    pub(crate) fn end_apart(&self) -> usize {
        let mut state = self.state();
        // They have had those.
        state.tell_dropped();
        state.aside = None;
        state.contents
    }

    /// What this instance's clients are to get now.
    pub(crate) fn take_aside(&self) -> Vec<Content> {
        let mut state = self.state();
        let Some(aside) = &mut state.aside else {
            return Vec::new();
        };
        aside.bytes = 0;
        let taken = aside.queue.drain(..).collect();
        drop(state);
        self.room.notify_waiters();
        taken
    }

    /// Completes when something stands aside.
    pub(crate) async fn until_aside(&self) {
        look_until(&self.set_aside, || {
            let state = self.state();
            let is_there = state.aside.as_ref().is_some_and(|aside| !aside.queue.is_empty());
            is_there.then_some(())
        })
        .await;
    }
}
