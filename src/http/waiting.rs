//! The connections that wait for their request, or whose answer hyper is writing: bounded, the oldest makes room.
//!
//! A client that means it sends its request at once. So when there are too many, the one that has waited longest is the
//! one to let go: thousands of connections that say nothing keep nobody out.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use tokio::task::AbortHandle;

#[derive(Default)]
pub(super) struct Waiting {
    /// Oldest first. Holds finished ones too, until they come to the front or the list is full.
    list: Mutex<VecDeque<AbortHandle>>,
}

impl Waiting {
    /// Gives a connection a task of its own, where `max` may have one. Returns whether another had to go for it.
    pub(super) fn spawn(&self, connection: Pin<Box<dyn Future<Output = ()> + Send>>, max: usize) -> bool {
        let task = tokio::spawn(connection).abort_handle();
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.push_back(task);
        while list.front().is_some_and(AbortHandle::is_finished) {
            list.pop_front();
        }
        if list.len() > max.max(1) {
            list.retain(|task| !task.is_finished());
        }
        if list.len() <= max.max(1) {
            return false;
        }
        if let Some(oldest) = list.pop_front() {
            oldest.abort();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Gone(Arc<AtomicUsize>);

    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn the_oldest_makes_room() {
        let waiting = Waiting::default();
        let gone: Vec<_> = (0..5).map(|_| Arc::new(AtomicUsize::new(0))).collect();
        for count in &gone {
            let held = Gone(count.clone());
            waiting.spawn(
                Box::pin(async move {
                    let _held = held;
                    std::future::pending().await
                }),
                3,
            );
        }
        while gone.iter().map(|count| count.load(Ordering::SeqCst)).sum::<usize>() < 2 {
            tokio::task::yield_now().await;
        }
        let gone: Vec<_> = gone.iter().map(|count| count.load(Ordering::SeqCst)).collect();
        assert_eq!(gone, [1, 1, 0, 0, 0]);
    }
}
