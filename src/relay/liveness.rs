//! Whether the threads that carry the relay still take up work: a stuck one answers nobody.
//!
//! A panic ends the process at once ([`crate::critical`]). What is looked for here is a thread that
//! goes on for ever, or waits for what never comes.

use crate::delivery::ShardPing;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// Asks the parts of a relay whether they are alive. It keeps none of them running.
#[derive(Clone)]
pub struct Liveness {
    shards: Vec<ShardPing>,
    runtimes: Vec<(&'static str, Handle)>,
}

impl Liveness {
    pub(super) fn new(shards: Vec<ShardPing>, runtimes: Vec<(&'static str, Handle)>) -> Self {
        Self { shards, runtimes }
    }

    /// The parts that have not answered within this time: each shard, and each runtime, of which
    /// one thread that takes up work is enough. Empty if all is well.
    pub async fn silent(&self, patience: Duration) -> Vec<String> {
        let deadline = Instant::now() + patience;
        let mut asked = JoinSet::new();
        for shard in self.shards.clone() {
            asked.spawn(async move {
                let answered = timeout_at(deadline, shard.answers()).await.unwrap_or(false);
                (shard.name().to_owned(), answered)
            });
        }
        for (name, handle) in self.runtimes.clone() {
            asked.spawn(async move {
                let answered = timeout_at(deadline, handle.spawn(async {})).await;
                (name.to_owned(), matches!(answered, Ok(Ok(()))))
            });
        }
        let mut silent: Vec<String> = asked
            .join_all()
            .await
            .into_iter()
            .filter(|(_, answered)| !answered)
            .map(|(name, _)| name)
            .collect();
        silent.sort_unstable();
        silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_log::AccessLog;
    use crate::critical::CriticalTasks;
    use crate::delivery::Shards;
    use crate::upstream::UpstreamRuntime;
    use std::sync::Arc;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test(flavor = "multi_thread")]
    async fn shards_and_runtimes_answer_until_they_are_gone() {
        let shards = Shards::start(2, &CriticalTasks::default(), &Arc::new(AccessLog::new(false))).unwrap();
        let upstreams = UpstreamRuntime::start(2).unwrap();
        let runtimes = vec![("upstreams", upstreams.handle().clone())];
        let liveness = Liveness::new(shards.pings(), runtimes);
        assert_eq!(liveness.silent(PATIENCE).await, [""; 0]);
        tokio::task::spawn_blocking(move || drop(shards)).await.unwrap();
        assert_eq!(liveness.silent(PATIENCE).await, ["shard-0", "shard-1"]);
        drop(upstreams);
        assert_eq!(liveness.silent(PATIENCE).await, ["shard-0", "shard-1", "upstreams"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_runtime_with_a_free_thread_is_alive_and_one_without_is_not() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        let liveness = Liveness::new(Vec::new(), vec![("two threads", runtime.handle().clone())]);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let held = std::sync::Arc::new(std::sync::Mutex::new(held));
        let (began, beginnings) = std::sync::mpsc::channel();
        for silent in [&[][..], &["two threads"]] {
            let (held, began) = (held.clone(), began.clone());
            runtime.spawn(async move {
                began.send(()).unwrap();
                // A thread that waits for what does not come, until the sender is dropped.
                let _ = held.lock().map(|held| held.recv());
            });
            beginnings.recv().unwrap();
            let patience = if silent.is_empty() {
                PATIENCE
            } else {
                Duration::from_millis(200)
            };
            assert_eq!(liveness.silent(patience).await, silent);
        }
        drop(release);
        assert_eq!(liveness.silent(PATIENCE).await, [""; 0]);
        runtime.shutdown_background();
    }
}
