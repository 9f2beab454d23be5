//! A sink that passes everything on, and notes what comes of the connection that is to be left.

use super::seam::Seam;
use crate::event_stream::Item;
use crate::upstream::{Failure, Resume, Sink, Verdict};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What is known of the two connections.
#[derive(Default)]
pub(super) struct Both(Mutex<State>);

#[derive(Default)]
pub(super) struct State {
    /// Once both are open.
    pub(super) seam: Option<Seam>,
    /// The second has been asked for, or is open.
    pub(super) is_asking: bool,
    /// Since when the old one brings nothing more.
    pub(super) old_end: Option<Instant>,
}

impl Both {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is whole, whoever panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Noting<'a, S> {
    pub(super) sink: &'a mut S,
    pub(super) both: &'a Both,
}

impl<S: Sink> Sink for Noting<'_, S> {
    fn connected(&mut self, resume: Resume) {
        self.sink.connected(resume);
    }

    fn item(&mut self, item: Item<'_>, received: Instant) {
        if let Some(seam) = &mut self.both.lock().seam {
            seam.old(&item, received);
        }
        self.sink.item(item, received);
    }

    fn flush(&mut self) {
        self.sink.flush();
    }

    fn full(&self) -> bool {
        self.sink.full()
    }

    fn is_over(&self) -> bool {
        self.sink.is_over()
    }

    fn failed(&mut self, failure: &Failure, more: bool) -> Verdict {
        self.sink.failed(failure, more)
    }

    fn ended(&mut self) {
        self.sink.ended();
    }

    fn ready(&mut self) -> impl Future<Output = ()> + Send {
        self.sink.ready()
    }
}
