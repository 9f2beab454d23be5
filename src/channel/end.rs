//! How a channel's stream ends for good: by a terminal event, by the origin's 204, or because the origin no longer knows it.
//!
//! Clients that are in get everything up to the end and are let go in order. Whether there is anything left for one that
//! comes later, [`Channel::is_over_for`] says.

use super::Channel;
use crate::log::{Cursor, Position, StartPoint, Tip, comes_back_as};
use crate::sync::{AtomicBool, Notify, Ordering, Swap};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

/// Why a stream has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// An event that one of the source's `end_when` rules names. It is the last entry.
    Terminal,
    /// The origin answered that there is nothing more to come.
    Origin,
}

/// The end of a channel's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Why.
    pub cause: Cause,
    /// The last entry; the start if there was none.
    pub last: Cursor,
    /// Its position.
    pub position: Position,
    /// The id in force after it; empty: none.
    pub id: Bytes,
    /// When.
    pub at: Instant,
}

/// Whether, and how, a channel has ended.
pub(super) struct Ending {
    end: Swap<End>,
    /// Whether `end` holds one: what the hot paths look at.
    over: AtomicBool,
    ended: Notify,
}

impl Ending {
    pub(super) fn new() -> Self {
        Self {
            end: Swap::empty(),
            over: AtomicBool::new(false),
            ended: Notify::new(),
        }
    }

    /// How the stream ends, if it is known.
    pub(super) fn get(&self) -> Option<Arc<End>> {
        self.is_over().then(|| self.end.load()).flatten()
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// The stream ends with `last`, which may be still to come: so a reader that sees that entry sees the end. The caller holds
    /// the writer's lock.
    pub(super) fn set(&self, cause: Cause, last: Tip) {
        let at = Instant::now();
        self.end.store(Some(Arc::new(End {
            cause,
            last: last.cursor,
            position: last.position,
            id: last.id,
            at,
        })));
        self.over.store(true, Ordering::Release);
        self.ended.notify_waiters();
    }

    fn clear(&self) {
        self.over.store(false, Ordering::Release);
        self.end.store(None);
    }
}

impl Channel {
    /// How the stream ended, if it has.
    pub fn end(&self) -> Option<Arc<End>> {
        self.ending.get()
    }

    /// Whether a terminal event has been published.
    pub(crate) fn has_terminated(&self) -> bool {
        self.end().is_some_and(|end| end.cause == Cause::Terminal)
    }

    /// Completes when a terminal event has been published.
    pub(crate) async fn terminated(&self) {
        loop {
            // Register, then look.
            let ended = self.ending.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.has_terminated() {
                return;
            }
            ended.await;
        }
    }

    /// The origin has no more events: clients get what there is, then their streams end.
    pub(crate) fn finish(&self) {
        let mut writer_state = self.writer_state();
        writer_state.release(self, Instant::now(), true);
        if !self.ending.is_over() {
            self.ending.set(Cause::Origin, self.log.tip());
        }
        drop(writer_state);
        self.followers.notify_all();
    }

    /// The origin has opened the stream again after it had said that there is no more.
    pub(super) fn reopen(&self) {
        let _desk = self.writer_state();
        if self.end().is_some_and(|end| end.cause == Cause::Origin) {
            self.ending.clear();
        }
    }

    /// Whether a client that comes with this last event ID has nothing left to hear: it is answered 204, on which an
    /// EventSource stops. `admitted`: where it starts without one, if it has been let in already.
    pub fn is_over_for(&self, last_event_id: Option<&[u8]>, admitted: Option<StartPoint>) -> bool {
        let Some(end) = self.end() else { return false };
        let id = last_event_id.filter(|id| !id.is_empty());
        let has_all = id.is_some_and(|id| comes_back_as(&end.id, id) || self.epoch.position(id) == Some(end.position));
        match end.cause {
            Cause::Terminal if has_all => true,
            // A client that comes late gets the end too, for a while; one that was in before it, however long the
            // answer takes.
            Cause::Terminal => {
                let was_in = id.is_none() && matches!(admitted, Some(StartPoint::At(next)) if next <= end.last);
                !was_in && end.at.elapsed() >= self.settings.load().linger
            }
            // At the origin there is nothing any more; but a client that was cut before the end gets the rest.
            Cause::Origin if has_all => true,
            Cause::Origin => match (id, admitted) {
                (Some(id), _) => {
                    let place = self.place_behind(id);
                    place.gap.is_some() || place.next > end.last
                }
                (None, Some(StartPoint::At(next))) => next > end.last,
                (None, Some(StartPoint::Oldest) | None) => true,
            },
        }
    }
}
