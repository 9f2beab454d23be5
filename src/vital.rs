//! Parts of the process without which it must not go on: shards, upstreams of untemplated sources, listeners.
//!
//! A panic in what belongs to one client ends that client's connection and nothing else. One in a vital part would leave a process that
//! looks alive, takes clients, and serves them nothing. So it ends the process, whose supervisor starts it anew and whose clients
//! resume.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use tokio::sync::Notify;

/// Learns that a vital part has failed. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Vital(Arc<Failure>);

#[derive(Debug, Default)]
struct Failure {
    part: OnceLock<String>,
    told: Notify,
}

impl Vital {
    /// Completes once a part has failed, with its name.
    pub async fn failed(&self) -> &str {
        loop {
            let told = self.0.told.notified();
            if let Some(part) = self.0.part.get() {
                return part;
            }
            told.await;
        }
    }

    /// Says that a part has failed. The first one counts.
    pub(crate) fn fail(&self, part: &str) {
        // Failing twice is no worse than once.
        let _ = self.0.part.set(part.to_owned());
        self.0.told.notify_waiters();
    }

    /// Runs a thread's work; a panic is a failure of `part`.
    pub(crate) fn run<T>(&self, part: &str, work: impl FnOnce() -> T) -> T {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
            self.fail(part);
            resume_unwind(panic)
        })
    }

    /// A task's work; a panic is a failure of `part`.
    pub(crate) async fn watch<T>(self, part: String, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        std::future::poll_fn(|cx| {
            let polled: Poll<T> = self.run(&part, || work.as_mut().poll(cx));
            polled
        })
        .await
    }
}

/// What is done if a panic drops this.
pub(crate) struct OnPanic<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.0)();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_to_be_done_on_a_panic_is_done_in_a_task_too() {
        for (panics, done) in [(true, 1), (false, 0)] {
            let (sender, receiver) = std::sync::mpsc::channel();
            let task = tokio::spawn(async move {
                let _told = OnPanic(move || sender.send(()).expect("the test listens"));
                tokio::task::yield_now().await;
                assert!(!panics, "on purpose");
            });
            assert_eq!(task.await.is_err(), panics);
            assert_eq!(receiver.iter().count(), done);
        }
    }

    #[tokio::test]
    async fn a_panic_in_a_task_is_a_failure() {
        let vital = Vital::default();
        let watched = vital.clone().watch("the upstream `a`".to_owned(), async {
            tokio::task::yield_now().await;
            panic!("on purpose");
        });
        let task = tokio::spawn(watched);
        assert_eq!(vital.failed().await, "the upstream `a`");
        assert!(task.await.is_err_and(|error| error.is_panic()));
    }

    #[tokio::test]
    async fn a_panic_in_a_thread_is_a_failure() {
        let vital = Vital::default();
        let other = vital.clone();
        let thread = std::thread::spawn(move || other.run("a shard", || panic!("on purpose")));
        assert_eq!(vital.failed().await, "a shard");
        assert!(thread.join().is_err());
    }

    #[tokio::test]
    async fn what_ends_in_order_is_none() {
        let vital = Vital::default();
        assert_eq!(vital.clone().watch("a task".to_owned(), async { 1 }).await, 1);
        assert_eq!(vital.run("a thread", || 2), 2);
        let failed = std::pin::pin!(vital.failed());
        assert!(
            failed
                .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
                .is_pending()
        );
    }
}
