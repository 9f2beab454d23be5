//! A bound on how many there are of something.

use crate::sync::{AtomicUsize, Notify, Ordering, look_until};

/// Counts what is taken: never more than `max`, unless that was lowered below what was taken.
#[derive(Debug)]
pub(crate) struct Quota {
    max: AtomicUsize,
    taken: AtomicUsize,
    /// Notified when nothing is taken any more.
    returned: Notify,
}

impl Quota {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max: AtomicUsize::new(max),
            taken: AtomicUsize::new(0),
            returned: Notify::new(),
        }
    }

    /// Bounds what is taken from now on. What is taken already stays, also where it is more.
    pub(crate) fn set_max(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// Takes `count`, or nothing.
    pub(crate) fn take(&self, count: usize) -> bool {
        let max = self.max();
        let more = |taken: usize| taken.checked_add(count).filter(|taken| *taken <= max);
        self.taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
            .is_ok()
    }

    /// Takes `count` also beyond the bound: what is there already, and is taken over.
    pub(crate) fn take_over(&self, count: usize) {
        self.taken.fetch_add(count, Ordering::AcqRel);
    }

    /// Gives back what was taken.
    pub(crate) fn give_back(&self, count: usize) {
        // Sequentially consistent, as the look of one that waits is: either it sees the last place
        // given back, or is notified.
        if self.taken.fetch_sub(count, Ordering::SeqCst) == count {
            self.returned.notify_waiters();
        }
    }

    pub(crate) fn max(&self) -> usize {
        self.max.load(Ordering::Relaxed)
    }

    pub(crate) fn free(&self) -> usize {
        self.max().saturating_sub(self.taken())
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// Completes when nothing is taken.
    pub(crate) async fn all_given_back(&self) {
        look_until(&self.returned, || (self.taken() == 0).then_some(())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_taken_is_bounded_and_given_back() {
        let quota = std::sync::Arc::new(Quota::new(3));
        quota.all_given_back().await;
        assert!(quota.take(2) && !quota.take(2) && quota.take(1) && !quota.take(1));
        assert_eq!((quota.max(), quota.taken(), quota.free()), (3, 3, 0));
        let other = quota.clone();
        let waits = tokio::spawn(async move { other.all_given_back().await });
        tokio::task::yield_now().await;
        quota.give_back(2);
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        quota.give_back(1);
        waits.await.expect("no panic");
        assert!(!Quota::new(0).take(1) && Quota::new(usize::MAX).take(1));
    }

    #[test]
    fn what_is_taken_over_may_be_more_than_the_bound() {
        let quota = Quota::new(2);
        quota.take_over(3);
        assert_eq!((quota.taken(), quota.free(), quota.take(1)), (3, 0, false));
        quota.give_back(2);
        assert!(quota.take(1) && !quota.take(1));
    }

    #[test]
    fn a_lower_bound_takes_nothing_away_and_lets_nothing_in_until_it_fits() {
        let quota = Quota::new(3);
        assert!(quota.take(3));
        quota.set_max(1);
        assert_eq!((quota.taken(), quota.free()), (3, 0));
        quota.give_back(2);
        assert!(!quota.take(1), "one is taken, and one is the bound");
        quota.give_back(1);
        assert!(quota.take(1) && !quota.take(1));
        quota.set_max(2);
        assert!(quota.take(1) && !quota.take(1));
    }
}
