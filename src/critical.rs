//! Critical tasks: those without which the process must not go on, as shards, listeners and
//! upstreams of untemplated sources.
//!
//! A panic in a task of one client ends that client's connection and nothing else. A panic in a
//! critical task would leave a process that looks alive, accepts clients, and sends them nothing.
//! So it ends the process: the supervisor starts it anew, and the clients resume.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use tokio::sync::Notify;

/// Where the failure of a critical task is reported and awaited. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct CriticalTasks(Arc<Failure>);

#[derive(Debug, Default)]
struct Failure {
    task: OnceLock<String>,
    failed: Notify,
}

impl CriticalTasks {
    /// Completes once a critical task has failed, with its name.
    pub async fn failed(&self) -> &str {
        loop {
            let failed = self.0.failed.notified();
            if let Some(task) = self.0.task.get() {
                return task;
            }
            failed.await;
        }
    }

    /// Reports that a critical task has failed. The first report counts.
    pub(crate) fn fail(&self, name: &str) {
        // Failing twice is no worse than once.
        let _ = self.0.task.set(name.to_owned());
        self.0.failed.notify_waiters();
    }

    /// Runs a thread's work; a panic is a failure of the task.
    pub(crate) fn run<T>(&self, name: &str, work: impl FnOnce() -> T) -> T {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
            self.fail(name);
            resume_unwind(panic)
        })
    }

    /// A task's work; a panic is a failure of the task.
    pub(crate) async fn watch<T>(self, name: String, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        std::future::poll_fn(|cx| {
            let polled: Poll<T> = self.run(&name, || work.as_mut().poll(cx));
            polled
        })
        .await
    }
}

/// Runs its closure if a panic drops it.
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
        let critical = CriticalTasks::default();
        let watched = critical.clone().watch("the upstream `a`".to_owned(), async {
            tokio::task::yield_now().await;
            panic!("on purpose");
        });
        let task = tokio::spawn(watched);
        assert_eq!(critical.failed().await, "the upstream `a`");
        assert!(task.await.is_err_and(|error| error.is_panic()));
    }

    #[tokio::test]
    async fn a_panic_in_a_thread_is_a_failure() {
        let critical = CriticalTasks::default();
        let other = critical.clone();
        let thread = std::thread::spawn(move || other.run("a shard", || panic!("on purpose")));
        assert_eq!(critical.failed().await, "a shard");
        assert!(thread.join().is_err());
    }

    #[tokio::test]
    async fn what_ends_in_order_is_none() {
        let critical = CriticalTasks::default();
        assert_eq!(critical.clone().watch("a task".to_owned(), async { 1 }).await, 1);
        assert_eq!(critical.run("a thread", || 2), 2);
        let failed = std::pin::pin!(critical.failed());
        assert!(
            failed
                .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
                .is_pending()
        );
    }
}
