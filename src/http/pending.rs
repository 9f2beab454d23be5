//! The connections that no shard has: bounded, the oldest makes room.
//!
//! A client that means it sends its request at once. So when there are too many, the one that has waited longest is the
//! one to let go: thousands of connections that say nothing keep nobody out. One that waits for somebody else is left alone.

use super::phase::{Phase, SharedPhase};
use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::AbortHandle;

/// A request is on its way for so long at least: a connection that is younger makes no room. In a burst all the others may be
/// just being answered.
const ON_ITS_WAY: Duration = Duration::from_millis(5);

struct Pending {
    task: AbortHandle,
    phase: Arc<SharedPhase>,
    since: Instant,
}

impl Pending {
    /// Whether it may be ended for another.
    fn makes_room(&self, now: Instant) -> bool {
        match self.phase.get() {
            Phase::Head => now.duration_since(self.since) >= ON_ITS_WAY,
            phase => phase.may_make_room(),
        }
    }
}

#[derive(Default)]
pub(super) struct PendingConnections {
    /// Oldest first. Holds finished ones too, until they come to the front or the list is full.
    list: Mutex<VecDeque<Pending>>,
}

impl PendingConnections {
    /// Gives a connection a task of its own, where `max` may have one. Says in which phase another was that had to go for it.
    pub(super) fn spawn(
        &self,
        connection: impl Future<Output = ()> + Send + 'static,
        phase: Arc<SharedPhase>,
        max: usize,
    ) -> Option<Phase> {
        let task = tokio::spawn(connection).abort_handle();
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        list.push_back(Pending {
            task,
            phase,
            since: now,
        });
        while list.front().is_some_and(|pending| pending.task.is_finished()) {
            list.pop_front();
        }
        if list.len() > max.max(1) {
            list.retain(|pending| !pending.task.is_finished());
        }
        // Those that are being answered have asked: they are in other quotas.
        let waiting = |pending: &&Pending| pending.phase.get().may_make_room();
        if list.len() <= max.max(1) || list.iter().filter(waiting).count() <= max.max(1) {
            return None;
        }
        let oldest = list.iter().position(|pending| pending.makes_room(now))?;
        let pending = list.remove(oldest)?;
        pending.task.abort();
        Some(pending.phase.get())
    }

    /// Ends the oldest ones, `count` at the most: first of those that have had their answer, then of those that say nothing. Says in
    /// which phases they were.
    pub(super) fn make_room(&self, count: usize) -> Vec<Phase> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|pending| !pending.task.is_finished());
        let (mut made, now) = (Vec::new(), Instant::now());
        for answered in [true, false] {
            list.retain(|pending| {
                let phase = pending.phase.get();
                let goes = made.len() < count && pending.makes_room(now) && answered == (phase != Phase::Head);
                if goes {
                    pending.task.abort();
                    made.push(phase);
                }
                !goes
            });
        }
        made
    }

    /// Cuts all of them.
    pub(super) fn cut(&self) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.drain(..).for_each(|pending| pending.task.abort());
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

    #[tokio::test]
    async fn the_oldest_makes_room() {
        let pending = PendingConnections::default();
        let gone: Vec<_> = (0..6).map(|_| Arc::new(AtomicUsize::new(0))).collect();
        let mut made_room = Vec::new();
        for (nth, count) in gone.iter().enumerate() {
            let phase = match nth {
                0 => Phase::Waiting,
                1 => Phase::Idle,
                _ => Phase::Head,
            };
            let held = Gone(count.clone());
            let connection = async move {
                let _held = held;
                std::future::pending().await
            };
            made_room.extend(pending.spawn(connection, Arc::new(SharedPhase::new(phase)), 2));
            // Older than a request takes.
            std::thread::sleep(ON_ITS_WAY);
        }
        while gone.iter().map(|count| count.load(Ordering::SeqCst)).sum::<usize>() < 3 {
            tokio::task::yield_now().await;
        }
        let gone: Vec<_> = gone.iter().map(|count| count.load(Ordering::SeqCst)).collect();
        assert_eq!(gone, [0, 1, 1, 1, 0, 0], "one that is being answered is left alone");
        assert_eq!(made_room, [Phase::Idle, Phase::Head, Phase::Head]);
    }
}
