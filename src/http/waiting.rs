//! The connections that wait for their request, or whose answer hyper is writing: bounded, the oldest makes room.
//!
//! A client that means it sends its request at once. So when there are too many, the one that has waited longest is the
//! one to let go: thousands of connections that say nothing keep nobody out. One whose request is being passed waits for somebody
//! else, and is left alone.

use super::socket::Mode;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::AbortHandle;

#[derive(Default)]
pub(super) struct Waiting {
    /// Oldest first. Holds finished ones too, until they come to the front or the list is full.
    list: Mutex<VecDeque<(AbortHandle, Arc<Mode>)>>,
}

impl Waiting {
    /// Gives a connection a task of its own, where `max` may have one. Returns whether another had to go for it.
    pub(super) fn spawn(
        &self,
        connection: Pin<Box<dyn Future<Output = ()> + Send>>,
        mode: Arc<Mode>,
        max: usize,
    ) -> bool {
        let task = tokio::spawn(connection).abort_handle();
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.push_back((task, mode));
        while list.front().is_some_and(|(task, _)| task.is_finished()) {
            list.pop_front();
        }
        if list.len() > max.max(1) {
            list.retain(|(task, _)| !task.is_finished());
        }
        if list.len() <= max.max(1) {
            return false;
        }
        for _ in 0..list.len() {
            match list.pop_front() {
                // Its waiting begins anew when it has been answered.
                Some((task, mode)) if mode.is_passing() => list.push_back((task, mode)),
                Some((oldest, _)) => {
                    oldest.abort();
                    return true;
                }
                None => {}
            }
        }
        false
    }

    /// Cuts all of them.
    pub(super) fn cut(&self) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.drain(..).for_each(|(task, _)| task.abort());
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
        let waiting = Waiting::default();
        let gone: Vec<_> = (0..6).map(|_| Arc::new(AtomicUsize::new(0))).collect();
        let mut passing = None;
        for (nth, count) in gone.iter().enumerate() {
            let mode = Arc::new(Mode::default());
            if nth == 0 {
                passing = Some(mode.passing());
            }
            let held = Gone(count.clone());
            waiting.spawn(
                Box::pin(async move {
                    let _held = held;
                    std::future::pending().await
                }),
                mode,
                3,
            );
        }
        while gone.iter().map(|count| count.load(Ordering::SeqCst)).sum::<usize>() < 3 {
            tokio::task::yield_now().await;
        }
        let gone: Vec<_> = gone.iter().map(|count| count.load(Ordering::SeqCst)).collect();
        assert_eq!(gone, [0, 1, 1, 1, 0, 0], "one that is being answered is left alone");
        drop(passing);
    }
}
