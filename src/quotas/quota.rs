//! A bound on how many there are of something.

use crate::sync::{Notify, look_until};
use tokio::sync::Semaphore;

/// Counts what is taken, and never more than `max`.
#[derive(Debug)]
pub(crate) struct Quota {
    max: usize,
    semaphore: Semaphore,
    /// Notified when nothing is taken any more.
    returned: Notify,
}

impl Quota {
    pub(crate) fn new(max: usize) -> Self {
        let max = max.min(u32::MAX as usize).min(Semaphore::MAX_PERMITS);
        Self {
            max,
            semaphore: Semaphore::new(max),
            returned: Notify::new(),
        }
    }

    /// Takes `count`, or nothing.
    pub(crate) fn take(&self, count: usize) -> bool {
        let Ok(count) = u32::try_from(count) else { return false };
        match self.semaphore.try_acquire_many(count) {
            Ok(permit) => {
                permit.forget();
                true
            }
            Err(_) => false,
        }
    }

    /// Gives back what was taken.
    pub(crate) fn give_back(&self, count: usize) {
        self.semaphore.add_permits(count);
        if self.taken() == 0 {
            self.returned.notify_waiters();
        }
    }

    #[cfg(test)]
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    pub(crate) fn free(&self) -> usize {
        self.semaphore.available_permits()
    }

    pub(crate) fn taken(&self) -> usize {
        self.max - self.free()
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
}
