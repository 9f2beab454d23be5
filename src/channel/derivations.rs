//! What is computed from a channel: for each filter that clients choose, a channel of its own, which
//! all of them share.
//!
//! An entry is read once, right after its channel's followers were notified and on the same thread, and
//! goes to each derived channel whose filter it fits, as the same bytes. It keeps its position there: an
//! id that a client brings back is looked up in the parent's log, and the place found is the same in both.
//! Where nothing has fitted for a quarter of what the parent's log holds, a block that dispatches nothing
//! tells clients the id by then, so that they don't come back with one that the log has let go.
//!
//! A derived channel is kept for a while without clients, and then let go.

use super::derived_set::{DerivedSet, Filled};
use super::deriving::{Derived, Parent};
use super::filter::Filter;
use crate::log::{Cursor, Position};
use crate::sync::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// For how long a derived channel stays without clients: one that was cut comes back by then.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// The channels that are derived from one.
pub(super) struct Derivations<C> {
    /// Whether there is any: what each notification looks at.
    any: AtomicBool,
    set: Mutex<DerivedSet<C>>,
}

impl<C: Derived> Derivations<C> {
    pub(super) fn new() -> Self {
        Self {
            any: AtomicBool::new(false),
            set: Mutex::new(DerivedSet::new()),
        }
    }

    fn set(&self) -> MutexGuard<'_, DerivedSet<C>> {
        // Each entry is taken in as a whole.
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is any. Behind the fence of a notification: either this is seen, or what was
    /// published is seen by [`Derivations::begin`].
    pub(super) fn are_any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Something was published.
    pub(super) fn follow(&self, parent: &Parent<'_>) {
        let mut set = self.set();
        set.catch_up(parent);
        self.publish(set);
    }

    /// Something else has changed that followers look at.
    pub(super) fn follow_change(&self, parent: &Parent<'_>) {
        let mut set = self.set();
        set.catch_up(parent);
        let all: Vec<_> = set.channels().collect();
        drop(set);
        all.iter().for_each(|channel| channel.changed());
    }

    /// Followers are woken once the set can be changed again.
    fn publish(&self, mut set: MutexGuard<'_, DerivedSet<C>>) {
        let news = set.take_news();
        drop(set);
        news.iter().for_each(|channel| channel.published());
    }

    /// The channel of a filter, which is made if there is none: `make` gets the position behind which
    /// it begins. What the parent's log holds is looked through while others go on.
    pub(super) fn enter(
        &self,
        parent: &Parent<'_>,
        filter: Arc<Filter>,
        make: impl FnOnce(Position) -> Arc<C>,
    ) -> Arc<C> {
        let found = self.set().find(&filter);
        if let Some(found) = found {
            return found;
        }
        let filled = Filled::of(parent, &filter, make);
        let mut set = self.set();
        // Another client may have chosen the same meanwhile.
        let channel = set.find(&filter).unwrap_or_else(|| {
            self.begin(&mut set, parent);
            set.join(parent, filter, filled)
        });
        self.publish(set);
        channel
    }

    /// Goes on with the channel of a filter of a predecessor process, which is as far as its parent.
    pub(super) fn take(&self, parent: &Parent<'_>, filter: Arc<Filter>, channel: &Arc<C>) {
        let mut set = self.set();
        self.begin(&mut set, parent);
        set.insert(parent, filter, channel);
    }

    /// From now on publishing looks here.
    fn begin(&self, set: &mut DerivedSet<C>, parent: &Parent<'_>) {
        self.any.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        set.begin(parent);
    }

    /// What is derived is as far as the parent is, at least up to before `next`.
    pub(super) fn reach(&self, parent: &Parent<'_>, next: Cursor) {
        let mut set = self.set();
        if !set.has_reached(next) {
            set.catch_up(parent);
            self.publish(set);
        }
    }

    /// While nothing is derived, calls `look` with the parent's first entry of which nothing is.
    pub(super) fn standing_still<T>(&self, look: impl FnOnce(Cursor) -> Option<T>) -> Option<T> {
        let set = self.set();
        set.done().and_then(look)
    }

    /// The derived channels that there are, each as far as its parent.
    pub(super) fn all(&self, parent: &Parent<'_>) -> Vec<(Arc<Filter>, Arc<C>)> {
        let mut set = self.set();
        set.catch_up(parent);
        set.by_filter()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.set().channels().count()
    }

    /// Whether the followers of one are so far behind that the upstreams wait for them.
    pub(super) fn outrun_any(&self) -> bool {
        self.are_any() && self.set().channels().any(|channel| channel.outruns())
    }

    /// Lets go of what is too old, and of channels without clients. To be called about once a second.
    pub(super) fn sweep(&self, parent: &Parent<'_>, now: Instant) {
        let mut set = self.set();
        set.catch_up(parent);
        set.tell_in_time(parent, now);
        let gone = set.let_go_idle(|since| now.saturating_duration_since(since) >= IDLE_MAX);
        let oldest = parent.log.position_before(parent.log.tail());
        set.channels().for_each(|channel| channel.trim(oldest, now));
        self.any.store(!set.is_empty(), Ordering::Relaxed);
        self.publish(set);
        drop(gone);
    }

    /// Lets go of all that have no client at this moment.
    pub(super) fn make_room(&self) {
        let gone = self.set().let_go_idle(|_| true);
        drop(gone);
        self.set().forget_gone();
    }

    /// From now on only their clients keep them.
    pub(super) fn close(&self) {
        let kept = self.set().close();
        drop(kept);
    }
}
