//! The connections that have a task of their own: bounded, the oldest makes room.
//!
//! A client that wants something sends its request at once. So when there are too many, the one
//! that has waited longest is the one to let go: thousands of connections that say nothing keep no
//! client out. It looks once more whether its request has come, since closing a connection with
//! bytes unread resets it: a request that has come is answered.

use super::phase::{Phase, SharedPhase};
use super::tls::HANDSHAKE_PATIENCE;
use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::AbortHandle;

/// A request, or its answer, is on its way for so long at least: a connection that is younger makes
/// no room. In a burst all the others may be just being answered.
const ON_ITS_WAY: Duration = Duration::from_millis(5);

/// Whether a connection may be ended that has asked and not got all of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Askers {
    /// No: they are in other quotas.
    Stay,
    /// Yes, after those that have not asked: there is always room for a new one, however slowly
    /// others read.
    MakeRoom,
}

struct Pending {
    task: AbortHandle,
    phase: Arc<SharedPhase>,
    is_aborted: Cell<bool>,
}

impl Pending {
    fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Whether it waits for a request, or for what decides about one.
    fn waits(&self) -> bool {
        matches!(self.phase(), Phase::Head | Phase::Idle | Phase::Deciding) && !self.task.is_finished()
    }

    /// Whether it may be ended for another, as one that has not asked.
    fn makes_room(&self, now: Instant) -> bool {
        match self.phase.get_with_age(now) {
            (Phase::Head, age) => age >= ON_ITS_WAY,
            (Phase::Handshake, age) => age >= HANDSHAKE_PATIENCE,
            (phase, _) => !phase.is_asking(),
        }
    }

    /// Ends it: at once, or after a last look. Whether that was not done before.
    fn end(&self) -> bool {
        if matches!(self.phase(), Phase::Handshake | Phase::Head | Phase::Idle) {
            return self.phase.ask_to_leave();
        }
        self.task.abort();
        !self.is_aborted.replace(true)
    }
}

pub(crate) struct PendingConnections {
    /// Oldest first. Holds finished ones too, until they come to the front or the list is full.
    list: Mutex<VecDeque<Pending>>,
    askers: Askers,
}

impl PendingConnections {
    pub(crate) fn new(askers: Askers) -> Self {
        let list = Mutex::default();
        Self { list, askers }
    }

    /// Gives a connection a task of its own, where `max` may have one. If there are more, the
    /// oldest has to go for it.
    pub(crate) fn spawn(
        &self,
        connection: impl Future<Output = ()> + Send + 'static,
        phase: Arc<SharedPhase>,
        max: usize,
    ) {
        let task = tokio::spawn(connection).abort_handle();
        let mut list = self.list();
        list.push_back(Pending {
            task,
            phase,
            is_aborted: Cell::new(false),
        });
        while list.front().is_some_and(|pending| pending.task.is_finished()) {
            list.pop_front();
        }
        let max = max.max(1);
        if list.len() > max {
            list.retain(|pending| !pending.task.is_finished());
        }
        let counts = |pending: &&Pending| self.askers == Askers::MakeRoom || !pending.phase().is_asking();
        if list.len() > max && list.iter().filter(counts).count() > max {
            let now = Instant::now();
            let oldest = list.iter().find(|pending| pending.makes_room(now) && pending.end());
            if oldest.is_none() {
                self.end_askers(&list, now, 1);
            }
        }
    }

    /// Ends the oldest ones, `count` at the most: those that have had their answer, or else those
    /// that say nothing.
    pub(crate) fn make_room(&self, count: usize) {
        let mut list = self.list();
        list.retain(|pending| !pending.task.is_finished());
        let now = Instant::now();
        for answered in [true, false] {
            let fits = |pending: &&Pending| answered == !matches!(pending.phase(), Phase::Handshake | Phase::Head);
            let going = list.iter().filter(|pending| pending.makes_room(now)).filter(fits);
            if going.filter(|pending| pending.end()).take(count).count() > 0 {
                return;
            }
        }
        self.end_askers(&list, now, count);
    }

    /// Ends those whose answers have lasted longest, if that is allowed.
    fn end_askers(&self, list: &VecDeque<Pending>, now: Instant, count: usize) {
        if self.askers == Askers::Stay {
            return;
        }
        let mut ages: Vec<_> = list
            .iter()
            .filter_map(|pending| {
                let (phase, age) = pending.phase.get_with_age(now);
                let ends = phase.is_asking() && age >= ON_ITS_WAY && !pending.is_aborted.get();
                ends.then_some((age, pending))
            })
            .collect();
        ages.sort_by_key(|(age, _)| std::cmp::Reverse(*age));
        for (_, slowest) in ages.into_iter().take(count) {
            slowest.end();
        }
    }

    /// Asks those that wait for a request, or for what decides about one, to go elsewhere.
    pub(crate) fn ask_to_go(&self) {
        self.list()
            .iter()
            .filter(|pending| pending.waits())
            .for_each(|pending| {
                pending.phase.ask_to_leave();
            });
    }

    /// Whether some of those have not gone, and do not stay after all.
    pub(crate) fn has_waiting(&self) -> bool {
        let list = self.list();
        list.iter()
            .any(|pending| pending.waits() && pending.phase.has_to_leave())
    }

    /// Whether none of them has anything to get any more.
    pub(crate) fn are_served(&self) -> bool {
        let list = self.list();
        list.iter()
            .all(|pending| pending.task.is_finished() || pending.phase() == Phase::Idle)
    }

    /// Those that have been asked to leave, and have not left, stay.
    pub(crate) fn ask_to_stay(&self) {
        self.list().iter().for_each(|pending| pending.phase.stay());
    }

    /// Cuts all of them.
    pub(crate) fn cut(&self) {
        self.list().drain(..).for_each(|pending| pending.task.abort());
    }

    fn list(&self) -> MutexGuard<'_, VecDeque<Pending>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Gone(Arc<AtomicUsize>);

    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Connections that leave when they are asked to, in these phases, where two may be; which of
    /// them are gone once `count` are.
    async fn gone(askers: Askers, phases: &[Phase], count: usize) -> Vec<usize> {
        let pending = PendingConnections::new(askers);
        let gone: Vec<_> = phases.iter().map(|_| Arc::new(AtomicUsize::new(0))).collect();
        for (phase, gone) in phases.iter().zip(&gone) {
            let held = Gone(gone.clone());
            let phase = Arc::new(SharedPhase::new(*phase));
            let own = phase.clone();
            let connection = async move {
                let _held = held;
                own.asked_to_leave().await;
            };
            pending.spawn(connection, phase, 2);
            // Older than a request takes.
            std::thread::sleep(ON_ITS_WAY);
        }
        while gone.iter().map(|gone| gone.load(Ordering::SeqCst)).sum::<usize>() < count {
            tokio::task::yield_now().await;
        }
        gone.iter().map(|gone| gone.load(Ordering::SeqCst)).collect()
    }

    #[tokio::test]
    async fn the_oldest_makes_room() {
        use Phase::{Head, Idle, Waiting};
        let gone = gone(Askers::Stay, &[Waiting, Idle, Head, Head, Head, Head], 3).await;
        assert_eq!(gone, [0, 1, 1, 1, 0, 0], "one that has asked is left alone");
    }

    #[tokio::test]
    async fn where_askers_make_room_they_do_after_the_others() {
        use Phase::{Answering, Head};
        let gone = gone(Askers::MakeRoom, &[Answering, Head, Answering, Answering, Head], 3).await;
        assert_eq!(gone, [1, 1, 1, 0, 0]);
    }
}
